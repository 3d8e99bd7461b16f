-- insight.transfer and insight.rank: on networks built to help, to hurt and to do neither.
local messages = require "spec.support.messages"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local nn, insight = scion.nn, scion.insight

--- Images of noise with a faint line: down in the first class, across in the second.
local function lines(count, strength)
  scion.seed(5)
  local x, labels = scion.uniform({ count, 9, 9, 3 }, 60, 190), {}
  for i = 1, count do
    labels[i] = i % 2 + 1
    local at, one = i % 7 + 2, x:select(i)
    local line = labels[i] == 1 and one:slice(2, at, at) or one:slice(1, at, at)
    line:fill(strength)
  end
  return scion.data.tensors(x:to "u8", labels, { batch = 16, seed = 3, labels = { "down", "across" } })
end

--- A network of two filters, for lines down and across; or of one filter that sees nothing.
local function filters(useful)
  scion.seed(1)
  local model = scion.sequential { nn.input(9, 9, 3), nn.conv2d(2, 3, { name = "see/conv", activation = "relu" }) }
  local weights = model:layer("see/conv").weights
  weights.kernel:fill(0)
  for c = 1, 3 do
    for i = 1, 3 do
      for j = 1, 3 do
        if useful then
          weights.kernel:set(i, j, c, 1, (j == 2 and 2 or -1) / 9)
          weights.kernel:set(i, j, c, 2, (i == 2 and 2 or -1) / 9)
        end
      end
    end
  end
  weights.bias:fill(useful and -0.05 or 0.5)
  return model
end

describe("insight.transfer", function()
  it("says so where the weights help", function()
    local model = filters(true)
    local before = models.bytes(model)
    local found = insight.transfer(model, lines(160, 255), { repeats = 8 })
    assert.equal("helps", found.verdict)
    assert.is_true(found.pretrained > 0.9 and found.low > 0 and found.low < found.difference and found.difference < found.high)
    assert.near(found.pretrained - found.random, found.difference, 1e-6)
    assert.matches("^Transfer helps: of 160 images, the features of see tell %S+%% beside %S+%% by the same network with random weights, %+%S+ points",
                   (tostring(found):gsub("\n%s*", " ")))
    assert.same(before, models.bytes(model))
  end)

  it("says so where they hurt, and where it cannot tell", function()
    local hurts = insight.transfer(filters(false), lines(160, 255), { repeats = 8 })
    assert.equal("hurts", hurts.verdict)
    assert.matches("Train from scratch, or begin with other weights.", (tostring(hurts):gsub("\n%s*", " ")), 1, true)
    local unclear = insight.transfer(filters(true), lines(40, 125)) -- nothing is to be seen
    assert.equal("unclear", unclear.verdict)
    assert.is_true(unclear.low <= 0 and unclear.high >= 0)
  end)

  it("gives the same each time, whatever was drawn before, and draws nothing of the script's", function()
    local data = lines(40, 255)
    scion.seed(9)
    local first = insight.transfer(filters(true), data)
    scion.seed(9)
    local a = scion.randn { 3 }
    local second = insight.transfer(filters(true), data, { cache = false })
    assert.same({ first.random, first.low }, { second.random, second.low })
    scion.seed(9)
    local model = filters(true) -- which sets another seed
    scion.seed(9)
    insight.transfer(model, data, { repeats = 1 })
    assert.is_true(a:equal(scion.randn { 3 }))
  end)

  it("refuses what it cannot compare", function()
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    refused("scion.insight.transfer: the first argument is a model, not 3", function() insight.transfer(3, lines(4, 255)) end)
    refused("scion.insight.transfer: unknown option 'repeat' (did you mean 'repeats'?)", function() insight.transfer(filters(true), lines(4, 255), { ["repeat"] = 1 }) end)
    refused("scion.insight.transfer takes a data set", function() insight.transfer(filters(true), "photos") end)
  end)
end)

describe("insight.rank", function()
  it("puts networks in order, and recommends the cheapest of the good ones", function()
    local useful, useless = filters(true), filters(false)
    useful.name, useless.name = "useful", "useless"
    local big = useful:graft { nn.conv2d(2, 1, { name = "more/conv" }) }
    big.name = "big"
    big:layer("more/conv").weights.kernel:fill(0.5)
    local found = insight.rank(lines(160, 255), { useless, useful, big })
    assert.equal(3, #found)
    assert.same({ "useful", "useless" }, { found.recommended, found[3].network })
    assert.is_true(found[1].accuracy >= found[2].accuracy and found[2].accuracy > found[3].accuracy)
    assert.matches("\n> useful %s+see ", tostring(found))
    assert.matches("\nBegin with useful.$", tostring(found))
    local none = insight.rank(lines(40, 125), { useless })
    assert.is_nil(none.recommended)
    assert.matches("Not enough to tell", tostring(none), 1, true)
  end)

  it("refuses what is no network", function()
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    refused("scion.insight.rank: the list of networks is empty", function() insight.rank(lines(4, 255), {}) end)
    refused("scion.models has no 'resnet_18'", function() insight.rank(lines(4, 255), { "resnet_18" }) end)
    refused("but element 1 is 3", function() insight.rank(lines(4, 255), { 3 }) end)
  end)
end)
