-- The flat buffer in which the gradients of a model lie.
local core = require "scion.core"
local gradients = require "scion.train.gradients"
local small = dofile "spec/small_network.lua"

describe("the buffer for gradients", function()
  it("has a slice for each parameter that trains, which the plan's backward pass fills", function()
    local model = small.model "stored"
    local plan = small.step(model)
    local buffer = model.gradients.buffer
    local offsets, elements = {}, 0
    for _, g in ipairs(plan.gradients) do
      assert.same(g.parameter.tensor:shape(), buffer:slice(g.parameter):shape())
      assert.equal(0, (buffer:slice(g.parameter) - g.tensor):abs():max())
      assert.equal(0, buffer:offset(g.parameter) % 64)
      offsets[buffer:offset(g.parameter)] = true
      elements = elements + #g.tensor:reshape { -1 }:totable()
    end
    local count = 0
    for _ in pairs(offsets) do count = count + 1 end
    assert.equal(#plan.gradients, count)
    assert.is_true(buffer.flat:shape()[1] >= elements)
    assert.is_true(buffer:finite())
    plan.gradients[1].tensor:fill(0 / 0)
    assert.is_false(buffer:finite())
  end)

  it("belongs to one state of freezing, and goes with its plans when that changes", function()
    local model = small.model "stored"
    local request = { mode = "train", batch = 4, input_dtype = "u8", loss = "categorical" }
    local whole, first = model:plan_for(request), model.gradients.buffer
    model:freeze { upto = model.order[8].layer.name }
    assert.are_not.equal(whole, model:plan_for(request))
    assert.is_true(model.gradients.buffer.flat:shape()[1] < first.flat:shape()[1])
    model:thaw()
    assert.are_not.equal(whole, model:plan_for(request)) -- its buffer is gone
    assert.same(first.flat:shape(), model.gradients.buffer.flat:shape())
  end)

  it("may be empty", function()
    local model = small.model "stored"
    model:freeze()
    assert.same({ 0 }, gradients.new(model.order).flat:shape())
    assert.is_true(core.finite(gradients.new(model.order).flat))
  end)
end)
