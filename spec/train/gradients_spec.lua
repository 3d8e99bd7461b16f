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

  it("are complete from the first to the last while a run goes on, as it tells", function()
    local scion = require "scion"
    scion.seed(5)
    local model = scion.models.mobilenet_v2 { top = true, classes = 3, input = 64 }
    local images = scion.uniform({ 2, 64, 64, 3 }, -1, 1)
    local function own(output) return output:sum(2), output * 0 + 1 / 3 end
    for given, y in pairs { categorical = scion.tensor({ 1, 0 }, "i32"), [own] = scion.tensor { { 0, 1, 0 }, { 1, 0, 0 } } } do
      local _, loss = require("scion.ir.losses").kind.read(given)
      local plan = model:plan_for { mode = "train", batch = 2, input_dtype = "f32", loss = loss, labels = y:dtype() }
      model:reserve(plan)
      local flat, told = gradients.of(plan, model.arena).flat, {}
      assert.is_true(model:execute(plan, { images = images, labels = y, step = 1 }, function(elements)
        told[#told + 1] = { elements = elements, bytes = core.hash(flat:slice(1, 1, elements)) }
      end))
      assert.is_true(#told >= 4)
      local before = 0
      for _, at in ipairs(told) do
        assert.is_true(at.elements >= before + 2 ^ 18 and at.elements <= #flat)
        assert.equal(core.hash(flat:slice(1, 1, at.elements)), at.bytes)
        before = at.elements
      end
      local whole = flat:copy()
      model:execute(plan, { images = images, labels = y, step = 1 }) -- as without
      assert.equal(whole:bytes(), flat:bytes())
    end
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
