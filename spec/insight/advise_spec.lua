-- insight.advise: the four strategies, where it is known which one fits.
local blocks = dofile "spec/support/blocks.lua"
local messages = require "spec.support.messages"
local scion = require "scion"
local nn, advise = scion.nn, scion.insight.advise

local function flat(value) return (tostring(value):gsub("\n%s*", " ")) end

describe("insight.advise", function()
  it("names one of four strategies, with a schedule that runs as it is", function()
    for _, case in ipairs { { "head", true, 30, "second" }, { "cut", false, 30, "first" }, { "top", true, 600, "second" }, { "all", false, 600, "last" } } do
      local strategy, fits, count, cut = table.unpack(case)
      local data, base = blocks.colours(count), blocks.forgetful(fits)
      local found = advise(base, data, { epochs = 3 })
      assert.same({ strategy, cut, fits, count == 600 }, { found.strategy, found.cut, found.similar, found.large })
      assert.equal(#found.schedule, #found.price)
      local model = found:graft(base)
      local history = model:fit(data, { schedule = found.schedule, verbose = false, quiet = true })
      assert.equal(3, #history)
      assert.matches(("Advice: cut at %s, and train "):format(cut), flat(found), 1, true)
      assert.matches(("there are %d images a class, which is %s"):format(count // 3, count == 600 and "many: 200 or more" or "few: less than 200"), flat(found), 1, true)
    end
  end)

  it("advises a head and a rate by which its schedule reaches what the probe tells", function()
    for _, case in ipairs { { 1e3, 0, 2, false }, { 30, 1, 6, true } } do -- large features, and small ones that lie far from 0
      local size, mean, epochs, normalized = table.unpack(case)
      local data, val, base = blocks.colours(120), blocks.colours(60, 2), blocks.forgetful(true)
      local weights = base:layer("second/conv").weights
      for c = 1, 6 do weights.kernel:set(1, 1, c, c, weights.kernel:get(1, 1, c, c) * size) end
      weights.bias:fill(mean)
      local found = advise(base, data, { epochs = epochs })
      local model = found:graft(base)
      assert.same({ normalized, normalized and "batch_norm" or "global_avg_pool" }, { found.normalized, model.order[#model.order - 1].layer.kind })
      model:fit(data, { schedule = found.schedule, verbose = false, quiet = true })
      assert(found.accuracy > 0.9 and model:evaluate(val).accuracy > 0.9, ("size %g: %g, %g"):format(size, found.accuracy, model:evaluate(val).accuracy))
      assert.equal(found.rate, found.schedule[1].optimizer.lr)
      assert.matches(("tells most after %d epochs, at a rate of %g: "):format(epochs, found.rate), flat(found), 1, true)
    end
  end)

  it("says that it guesses where nothing can be told", function()
    local found = advise(blocks.forgetful(), blocks.noise(18))
    assert.same({ "head", "last", false }, { found.strategy, found.cut, found.similar }) -- a block that looks better is no reason for a cut
    assert.matches("so that this is a guess, too: more images, or cleaner labels, would tell", flat(found), 1, true)
  end)

  it("says how sure it is of a cut, and what the best of several heads is worth", function()
    local base = blocks.forgetful()
    base:layer("last/conv").weights.kernel:set(1, 1, 1, 1, 0.05) -- the last block tells red from the others
    local few, more = advise(base, blocks.colours(12)), advise(base, blocks.colours(60))
    assert.same({ "cut", "cut" }, { few.strategy, more.strategy })
    assert.is_true(few.probe[1].low < few.probe[3].high and more.probe[1].low > more.probe[3].high)
    assert.matches("those of first 100.0%: their intervals overlap, so that what comes after it may be special to other images, and another seed may name " ..
                   "another block", flat(few), 1, true)
    assert.matches("those of first 100.0%: what comes after it is special to other images", flat(more), 1, true)
    assert.matches("of 10 new heads that were tried on the features of first, .* which is rather high, as the best of several is,", flat(few))
  end)

  it("tells how far the images are from those that batch norm knows", function()
    local data = blocks.colours(60)
    scion.seed(1)
    local base = scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 1, { name = "first/conv" }), nn.batch_norm { name = "first/norm", epsilon = 1e-9 }, nn.relu(),
                                    nn.conv2d(4, 1, { name = "last/conv" }), nn.batch_norm { name = "last/norm", epsilon = 1e-9 } }
    for _, name in ipairs { "first", "last" } do -- as if it had been trained on these very images
      local norm = base:layer(name .. "/norm").weights
      for _, conv in pairs(base:layer(name .. "/conv").weights) do conv:fill(0.01) end
      local values = base:features(data, name .. "/conv", { pool = "avg", cache = false })
      norm.moving_variance:fill(4)
      for c = 1, 4 do norm.moving_mean:set(c, values:mean(1):get(c)) end
    end
    assert.near(0, advise(base, data).shift, 1e-4)
    assert.near(0, advise(base, blocks.colours(600)).shift, 0.1) -- of which 300 are looked at
    for c = 1, 4 do
      local mean = base:layer("last/norm").weights.moving_mean
      mean:set(c, mean:get(c) + (c - 1) * 2)
    end
    local found = advise(base, data)
    assert.near((0 + 1 + 2 + 3) / 8, found.shift, 1e-4)
    assert.matches("the images' activations lie 0.75 deviations from those of the images that the network was trained on", flat(found), 1, true)
    assert.is_nil(advise(blocks.forgetful(), data).shift)
  end)

  it("refuses what it cannot advise on", function()
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    refused("scion.insight.advise: the first argument is a model", function() advise("resnet18", blocks.colours(6)) end)
    refused("advice:graft: the first argument is a model, not 'resnet18'", function() advise(blocks.forgetful(), blocks.colours(6)):graft "resnet18" end)
    refused("advice:graft: the advice is for another network: where that has a block last of 2 features, this one has no further block; ask " ..
            "scion.insight.advise for this one", function() advise(blocks.forgetful(), blocks.colours(6)):graft(blocks.forgetful(true)) end)
    refused("scion.insight.advise: unknown option 'epoch' (did you mean 'epochs'?)", function() advise(blocks.forgetful(), blocks.colours(6), { epoch = 3 }) end)
  end)
end)
