-- The gradients of a step: one flat tensor in which each parameter's is a part.
local core = require "scion.core"
local gradients = require "scion.train.gradients"
local small = dofile "spec/small_network.lua"

describe("the gradients of a step", function()
  it("lie one after the other, without gaps, and a tensor that has them all has no others", function()
    for _, freeze in ipairs { 0, 8, 14 } do
      local model = small.model "stored"
      model:freeze { first = freeze }
      local plan = small.step(model)
      local all = gradients.of(plan, model.arena)
      local sum, elements, seen = 0, 0, {}
      for _, g in ipairs(plan.gradients) do
        local gradient = all:slice(g.parameter)
        assert.same(g.parameter.tensor:shape(), gradient:shape())
        assert.is_nil(seen[g.parameter])
        seen[g.parameter] = true
        for _, x in ipairs(gradient:reshape({ -1 }):totable()) do sum, elements = sum + x * x, elements + 1 end
      end
      assert.same({ elements }, all.flat:shape())
      assert.is_true(math.abs(all:norm() - math.sqrt(sum)) <= 1e-12 * all:norm())
      assert.is_true(all:finite())
    end
  end)

  it("are scaled, added up and limited", function()
    local model = small.model "stored"
    local all = gradients.of(small.step(model), model.arena)
    local before, norm = all.flat:copy(), all:norm()
    local sum = all:add_to(nil, 3, true)
    assert.equal(sum, all:add_to(sum, 0.5, false)) -- in the same memory
    assert.is_true((sum - before * 3.5):abs():max() <= 1e-6 * before:abs():max())
    assert.equal(sum, all:add_to(sum, 2, true))
    assert.equal(0, (sum - before * 2):abs():max())
    all:take(sum, 0.5)
    assert.equal(0, (all.flat - before):abs():max())
    all:clip { norm = 2 * norm }
    assert.equal(0, (all.flat - before):abs():max())
    all:clip { norm = norm / 2 }
    assert.is_true(math.abs(all:norm() / (norm / 2) - 1) < 1e-6)
    all:scale(2)
    assert.is_true((all.flat - before):abs():max() <= 1e-6 * before:abs():max())
    local limit = before:abs():max() / 3
    all:clip { value = limit }
    assert.is_true((all.flat - before:clamp(-limit, limit)):abs():max() <= 1e-6 * limit)
    all.flat:fill(0 / 0)
    assert.is_false(all:finite())
    assert.is_true(all:norm() ~= all:norm())
  end)

  it("may be none", function()
    local model = small.model "stored"
    model:freeze()
    local all = gradients.of(small.step(model), model.arena)
    assert.same({ 0 }, all.flat:shape())
    assert.is_true(all:finite())
    assert.equal(0, all:norm())
    assert.is_true(core.finite(all.flat))
  end)
end)
