local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

local core = require "scion.core"
local scion = require "scion"

describe("nn.dropout", function()
  it("does nothing but in training", function()
    assert.same({ 1, 2, 3 }, layers.output({ 1, 2, 3 }, nn.dropout(0.5)))
  end)

  it("drops about its share in training, another at each step, and makes up for it in the others", function()
    scion.seed(4)
    local model = scion.model { output = nn.dropout(0.25)(nn.input { shape = { 4000 } }) }
    local plan = model:plan_for { mode = "train", batch = 1, input_dtype = "f32", loss = "mse" }
    local drawn = {}
    for step = 1, 2 do
      model:execute(plan, { images = scion.ones(1, 4000), labels = scion.zeros(1, 4000), step = step })
      local t = core.place(model.arena, plan.output, 1)
      drawn[step] = t:copy()
      local dropped = 0
      for _, x in ipairs(t:reshape({ -1 }):totable()) do
        if x == 0 then dropped = dropped + 1 else assert.is_true(math.abs(x - 4 / 3) < 1e-6) end
      end
      assert.is_true(math.abs(dropped / 4000 - 0.25) < 0.05)
    end
    assert.is_false(drawn[1]:equal(drawn[2]))
  end)

  it("refuses a share that leaves nothing", function()
    assert.error_matches(function() nn.dropout(1) end, "rate")
  end)
end)
