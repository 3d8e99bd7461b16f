-- insight.transfer and insight.rank: on networks built to help, to hurt and to do neither.
local blocks = dofile "spec/support/blocks.lua"
local messages = require "spec.support.messages"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local negative = dofile "spec/support/negative.lua"
local support = dofile "spec/support/files.lua"
local nn, insight = scion.nn, scion.insight

local function flat(value) return (tostring(value):gsub("\n%s*", " ")) end

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
  teardown(support.done)

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

  it("says that they do nothing where any weights tell all of many images", function()
    local found = insight.transfer(blocks.forgetful(true), blocks.colours(600))
    assert.same({ "nothing", 0 }, { found.verdict, found.difference })
    assert.is_true(found.low > -0.01 and found.high < 0.01)
    assert.matches("^Transfer does nothing: of 600 images, the features of first tell 100.0%% beside 100.0%% .+ Other weights may serve better, or none%.", flat(found))
    assert.equal("unclear", insight.transfer(blocks.forgetful(true), blocks.colours(60)).verdict)
  end)

  it("says of few images, and of noise in two classes, that it cannot be told", function()
    local few = blocks.colours(6)
    for _, data in ipairs { blocks.noise(20), few } do
      local found = insight.transfer(blocks.forgetful(), data)
      assert.equal("unclear", found.verdict)
      assert.equal(data == few and "hurts" or "unclear", found.whole.verdict) -- of few, random networks tell all, and the forgetful one none
      assert.equal("unclear", insight.curve(blocks.forgetful(), data).verdict)
    end
    local alone = blocks.colours(2)
    assert.matches("scion.insight.transfer: two classes with two images each are the least",
                   messages.refused(function() insight.transfer(blocks.forgetful(), alone) end), 1, true)
    assert.matches("scion.insight.transfer: two classes with an image in both sets are the least that can be told apart; 1 of 3 classes have one in both",
                   messages.refused(function() insight.transfer(blocks.forgetful(), few, blocks.colours(1)) end), 1, true)
    insight.transfer(blocks.forgetful(), alone, blocks.colours(4))
  end)

  it("compares the whole network, too, which may hurt where its first block does not", function()
    local found = insight.transfer(blocks.forgetful(), blocks.colours(90))
    assert.same({ "first", "hurts" }, { found.block, found.whole.verdict })
    assert.near(found.whole.pretrained - found.whole.other, found.whole.difference, 1e-6)
    assert.equal(found.probe[3].accuracy, found.whole.pretrained)
    assert.matches("Onto the whole network it hurts: the features of last tell %S+%% beside %S+%% by the same network with random weights", flat(found))
    assert.matches("% beside %S+: hurts$", tostring(found.whole))
    scion.seed(1)
    local narrow = scion.sequential { nn.input(9, 9, 3), nn.conv2d(8, 3, { name = "see/conv", activation = "relu" }), nn.conv2d(1, 1, { name = "squeeze/conv" }) }
    for _, name in ipairs { "see/conv", "squeeze/conv" } do narrow:layer(name).weights.kernel:set(1, 1, 1, 1, 0) end -- as if it had been trained
    local squeezed = insight.transfer(narrow, lines(160, 255), { repeats = 4 })
    assert.is_true(squeezed.whole.other < squeezed.random - 0.05) -- theirs is the last block, too
  end)

  it("learns from one set and tells another one, if it is given", function()
    local train, val = lines(100, 255), lines(40, 255)
    local found = insight.transfer(filters(true), train, val, { repeats = 2 })
    assert.same({ 40, 0.5 }, { found.images, found.probe.guess })
    assert.is_true(found.pretrained > 0.9)
    assert.is_nil(found.scratch)
    local flipped = {}
    for i = 1, #val do flipped[i] = 3 - val.classes:get(i) end
    local wrong = scion.data.tensors(val.images, flipped, { labels = val.labels })
    assert.is_true(insight.transfer(filters(true), train, wrong, { repeats = 1 }).pretrained < 0.1)
  end)

  it("says once that images which it tells were learned from", function()
    local set = blocks.colours(24, 21)
    local words = "scion: scion.insight.transfer: %s validation examples are in the training set, too: what is measured there tells nothing of new images"
    local function said(val)
      local told = support.stderr_of(function() insight.transfer(blocks.forgetful(), set, val, { repeats = 2 }) end)
      return (told:gsub("; data:split.*", "")), select(2, told:gsub("\n", ""))
    end
    assert.same({ words:format "all 24", 1 }, { said(set) })
    local images = scion.stack { set.images:select(1), set.images:select(2), blocks.colours(3, 22).images:select(3) }
    local part = scion.data.tensors(images, { 1, 2, 3 }, { labels = set.labels })
    assert.same({ words:format "2 of the 3", 1 }, { said(part) })
    assert.same({ "", 0 }, { said(blocks.colours(6, 23)) })
  end)

  it("says once that images cannot be read", function()
    local folder, x = support.folder(), blocks.colours(12, 24)
    for i = 1, 12 do
      local path = ("%s/%s/%d.png"):format(folder, x.labels[(i - 1) % 3 + 1], i)
      os.execute("mkdir -p " .. path:match "^(.*)/")
      if i == 4 then support.spit(path, "no picture") else assert(scion.image.save(path, x.images:select(i))) end
    end
    local told = support.stderr_of(function() insight.transfer(blocks.forgetful(), scion.data.folder(folder, { size = 8 })) end)
    assert.equal(1, select(2, told:gsub("1 of 12 images could not be read", "")))
  end)

  it("trains a small network beside it, if that is asked for", function()
    local train, val = blocks.colours(48), blocks.colours(30, 2)
    local found = insight.transfer(blocks.forgetful(), train, val, { repeats = 1, scratch = true })
    assert.is_true(found.scratch.other > 0.8 and found.scratch.pretrained == 1)
    assert.near(found.scratch.pretrained - found.scratch.other, found.scratch.difference, 1e-6)
    assert.matches("The features of first tell 100.0%% beside %S+%% by a small network trained from scratch", flat(found))
    assert.matches("scratch = true takes a validation set as the third argument",
                   messages.refused(function() insight.transfer(blocks.forgetful(), train, { scratch = true }) end), 1, true)
  end)

  it("calls a trunk harmful that is built to be", function()
    local found = insight.transfer(negative.trunk(4), negative.patterns(240, 1), { repeats = 4 })
    assert.same({ "hurts", "hurts", "trunk" }, { found.verdict, found.whole.verdict, found.block })
    assert.is_true(found.pretrained < 0.6 and found.random > 0.8)
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
    refused("scion.insight.transfer: options are a table, such as { cache = … }, not 'photos'", function() insight.transfer(filters(true), lines(4, 255), "photos") end)
    refused("scion.insight.transfer takes a data set, such as scion.data.folder('data/train'), not an empty table",
            function() insight.transfer(filters(true), lines(4, 255), {}, {}) end)
    refused("labels disagree: class 1 is 'down' in the training set, but 'red' in the validation set", function()
      insight.transfer(filters(true), lines(4, 255), scion.data.tensors(scion.zeros({ 2, 9, 9, 3 }, "u8"), { 1, 2 }, { labels = { "red", "green" } }))
    end)
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
