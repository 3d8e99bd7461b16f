-- insight.curve: on features of which it is known whether more images help.
local blocks = dofile "spec/support/blocks.lua"
local cached = require "scion.cache.cached"
local folds = require "scion.insight.folds"
local messages = require "spec.support.messages"
local scion = require "scion"
local nn, curve = scion.nn, scion.insight.curve

local function flat(value) return (tostring(value):gsub("\n%s*", " ")) end

--- Examples of 60 numbers, each of which says a little of which of eight classes it is, and a network that passes them on.
local function faint(count)
  scion.seed(3)
  local labels = {}
  for i = 1, count do labels[i] = i % 8 + 1 end
  local x = scion.randn { count, 60 } + (scion.randn { 8, 60 } * 0.4):gather(1, labels)
  local model = scion.sequential { nn.input(60), nn.dense(60, { name = "pass" }) }
  local kernel = model:layer("pass").weights.kernel:fill(0)
  for i = 1, 60 do kernel:set(i, i, 1) end
  return model, scion.data.tensors(x, labels, { batch = 100 })
end

describe("insight.curve", function()
  it("says that more images help where they do", function()
    local model, data = faint(400)
    local found = curve(model, data)
    assert.same({ "more", "pass", 4 }, { found.verdict, found.block, #found })
    assert.same({ 40, 80, 160, 320 }, { found[1].images, found[2].images, found[3].images, found[4].images })
    for i, point in ipairs(found) do
      assert.is_true(point.low < point.accuracy and point.accuracy < point.high)
      assert.is_true(i == 1 or point.accuracy > found[i - 1].accuracy)
    end
    assert.near(found[4].accuracy - found[3].accuracy, found.gain, 1e-6)
    assert.is_true(0 < found.low and found.low < found.gain and found.gain < found.high)
    assert.matches("More images would help: from 160 to 320, the accuracy by a linear classifier on pass rose by %S+ points %(95%%: %+%S+ to %+%S+%)%.", flat(found))
    assert.equal(found[4].accuracy, model:probe(data)[1].accuracy)
  end)

  it("says that they hardly help where they do not, and that it cannot be told of few", function()
    assert.equal("enough", curve(blocks.forgetful(), blocks.colours(600)).verdict)
    local few = curve(blocks.forgetful(), blocks.colours(24))
    assert.same({ "unclear", 0 }, { few.verdict, few.gain })
    assert.matches("Whether more images would help cannot be told: from 10 to 19, the accuracy by a linear classifier on first rose by 0.0 points", flat(few), 1, true)
    local none = curve(blocks.forgetful(), blocks.colours(6), { folds = 2 })
    assert.same({ "unclear", 1, 3 }, { none.verdict, #none, none[1].images })
    assert.is_nil(none.gain)
    assert.matches("There are too few images to halve.", flat(none), 1, true)
  end)

  it("says that there is not enough to tell where no block beats a guess, and takes no block for the best then", function()
    local model, data = blocks.forgetful(), blocks.noise(60)
    local found = curve(model, data)
    assert.is_nil(model:probe(data).recommended)
    assert.same({ "unclear", "last" }, { found.verdict, found.block })
    assert.matches("Not enough to tell: no block tells the classes clearly better than the largest class alone would (50.0% of 60 images). So it cannot be " ..
                   "told whether more images would help.", flat(found), 1, true)
    local named = curve(model, data, { block = "first" })
    assert.equal("unclear", named.verdict)
    assert.matches("Not enough to tell: the features of first do not tell the classes clearly better", flat(named), 1, true)
    for seed = 1, 12 do
      scion.seed(seed)
      local noise = scion.sequential { nn.input(30), nn.dense(20, { name = "one" }), nn.relu(), nn.dense(20, { name = "two" }), nn.relu(),
                                       nn.dense(20, { name = "three" }) }
      local labels = {}
      for i = 1, 60 do labels[i] = i % 2 + 1 end
      assert.equal("unclear", curve(noise, scion.data.tensors(scion.randn { 60, 30 }, labels), { cache = false }).verdict)
    end
  end)

  it("uses the features that a probe has kept, of the block that is named", function()
    local model, data = blocks.forgetful(), blocks.colours(60)
    model:probe(data)
    local before = cached.stats()
    local found = curve(model, data, { block = "last" })
    assert.same({ 60, 0 }, { cached.since(before).hits, cached.since(before).misses })
    assert.same({ "last", true }, { found.block, found[4].accuracy < 0.8 })
  end)

  it("gives the same each time", function()
    local model, data = faint(100)
    local first, second = curve(model, data), curve(model, data, { cache = false })
    for i, point in ipairs(first) do assert.same({ point.images, point.accuracy }, { second[i].images, second[i].accuracy }) end
    assert.same({ first.low, first.high }, { second.low, second.high })
  end)

  it("refuses what it cannot measure", function()
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    local model = blocks.forgetful()
    refused("scion.insight.curve: the network cannot be cut at a block 'lst' (did you mean 'last'?)", function() curve(model, blocks.colours(9), { block = "lst" }) end)
    refused("scion.insight.curve: two classes with two images each are the least", function() curve(model, blocks.colours(3)) end)
    refused("scion.insight.curve: unknown option 'blocks' (did you mean 'block'?)", function() curve(model, blocks.colours(9), { blocks = "last" }) end)
  end)
end)

describe("thinned images", function()
  it("are a share of each class, at least one, and lie within a larger share", function()
    local classes = {}
    for i = 1, 50 do classes[i] = i <= 40 and 1 or i <= 49 and 2 or 3 end
    local half, eighth = folds.thinned(classes, 1 / 2, 4), folds.thinned(classes, 1 / 8, 4)
    local within, counts = {}, { 0, 0, 0 }
    for _, i in ipairs(half) do within[i], counts[classes[i]] = true, counts[classes[i]] + 1 end
    assert.same({ 20, 5, 1 }, counts)
    assert.equal(5 + 1 + 1, #eighth)
    for _, i in ipairs(eighth) do assert.is_true(within[i]) end
    assert.not_same(half, folds.thinned(classes, 1 / 2, 5))
  end)
end)
