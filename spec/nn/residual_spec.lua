local layers = dofile "spec/support/layers.lua"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local nn = scion.nn

describe("nn.residual", function()
  it("adds its input to what it makes of it, or a projection of it", function()
    local a = layers.features(function()
      return scion.sequential { nn.input(9, 9, 3), nn.conv2d(4, 1), nn.residual { nn.conv_norm(4, 3) } }
    end)
    local b = layers.features(function()
      local x = nn.conv2d(4, 1)(nn.input(9, 9, 3))
      local y = nn.relu()(nn.batch_norm()(nn.conv2d(4, 3, { padding = "same", bias = false })(x)))
      return scion.model { output = nn.relu()(nn.add() { x, y }) }
    end)
    assert.is_true(a:equal(b))
    local model = scion.sequential { nn.input(9, 7, 3), nn.residual({ nn.conv_norm(5, 3, { stride = 2 }) }, { name = "block" }) }
    assert.same({ 5, 4, 5 }, model.output.shape)
    assert.equal("conv2d", model:layer("block/shortcut/conv").kind)
  end)

  it("can be grafted, and trains", function()
    local base = scion.sequential { nn.input(9, 9, 3), nn.conv_norm(6, 3) }
    local model = base:graft { nn.residual { nn.conv_norm(8, 3, { stride = 2 }), nn.squeeze_excite() }, nn.global_avg_pool(), nn.dense(2, "softmax") }
    local plan = model:plan_for { mode = "train", batch = 2, input_dtype = "u8", loss = "categorical" }
    assert.is_true(model:execute(plan, { images = rule.images(9), labels = scion.tensor({ 0, 1 }, "i32"), step = 0 }))
    assert.is_true(#plan.gradients >= 14)
  end)
end)
