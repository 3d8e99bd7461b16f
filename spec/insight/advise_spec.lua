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
      local model = base:upto(found.cut):graft { nn.global_avg_pool(), nn.dense(3, "softmax") }
      local history = model:fit(data, { schedule = found.schedule, verbose = false, quiet = true })
      assert.equal(3, #history)
      assert.matches(("Advice: cut at %s, and train "):format(cut), flat(found), 1, true)
      assert.matches(("there are %d images a class, which is %s"):format(count // 3, count == 600 and "many: 200 or more" or "few: less than 200"), flat(found), 1, true)
    end
  end)

  it("says that it guesses where nothing can be told", function()
    local same, labels = {}, {}
    local one = scion.uniform({ 1, 8, 8, 3 }, 0, 255):to "u8"
    for i = 1, 12 do same[i], labels[i] = one:select(1), i % 2 + 1 end
    local found = advise(blocks.forgetful(), scion.data.tensors(scion.stack(same), labels))
    assert.matches("so that this is a guess, too: more images, or cleaner labels, would tell", flat(found), 1, true)
  end)

  it("refuses what it cannot advise on", function()
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    refused("scion.insight.advise: the first argument is a model", function() advise("resnet18", blocks.colours(6)) end)
    refused("scion.insight.advise: unknown option 'epoch' (did you mean 'epochs'?)", function() advise(blocks.forgetful(), blocks.colours(6), { epoch = 3 }) end)
  end)
end)
