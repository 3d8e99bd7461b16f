-- Blocks are what one would build of their layers by hand.
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local nn = scion.nn

--- The same numbers for the same layers, since these draw their initial values in order.
local function features(build)
  scion.seed(3)
  local model = build()
  return model:features(rule.images(9), model.output.layer.name), model
end

describe("blocks", function()
  it("are their layers", function()
    local a, model = features(function()
      return scion.sequential { nn.input(9, 9, 3), nn.conv_norm(8, 3, { stride = 2, activation = "relu6", name = "stem" }),
                                nn.squeeze_excite(4, { gate = "hard_sigmoid", name = "se" }), nn.conv_norm(4, 1, { activation = "linear" }) }
    end)
    local b = features(function()
      local x = nn.conv2d(8, 3, { stride = 2, padding = "same", bias = false })(nn.input(9, 9, 3))
      x = nn.relu6()(nn.batch_norm()(x))
      local s = nn.conv2d(2, 1, { activation = "relu" })(nn.global_avg_pool { keep_dims = true }(x))
      x = nn.multiply() { x, nn.conv2d(8, 1, { activation = "hard_sigmoid" })(s) }
      return scion.model { output = nn.batch_norm()(nn.conv2d(4, 1, { bias = false })(x)) }
    end)
    assert.is_true(a:equal(b))
    assert.equal(10, #model:layers())
    assert.same({ 5, 5, 8 }, model:layer("stem/act").shape)
    assert.equal("multiply", model:layer("se/excite").kind)
  end)

  it("add their input to what they make of it, or a projection of it", function()
    local a = features(function()
      return scion.sequential { nn.input(9, 9, 3), nn.conv2d(4, 1), nn.residual { nn.conv_norm(4, 3) } }
    end)
    local b = features(function()
      local x = nn.conv2d(4, 1)(nn.input(9, 9, 3))
      local y = nn.relu()(nn.batch_norm()(nn.conv2d(4, 3, { padding = "same", bias = false })(x)))
      return scion.model { output = nn.relu()(nn.add() { x, y }) }
    end)
    assert.is_true(a:equal(b))
    local model = scion.sequential { nn.input(9, 7, 3), nn.residual({ nn.conv_norm(5, 3, { stride = 2 }) }, { name = "block" }) }
    assert.same({ 5, 4, 5 }, model.output.shape)
    assert.equal("conv2d", model:layer("block/shortcut/conv").kind)
  end)

  it("can be grafted, and train", function()
    local base = scion.sequential { nn.input(9, 9, 3), nn.conv_norm(6, 3) }
    local model = base:graft { nn.residual { nn.conv_norm(8, 3, { stride = 2 }), nn.squeeze_excite() }, nn.global_avg_pool(), nn.dense(2, "softmax") }
    local plan = model:plan_for { mode = "train", batch = 2, input_dtype = "u8", loss = "categorical" }
    assert.is_true(model:execute(plan, { images = rule.images(9), labels = scion.tensor({ 0, 1 }, "i32"), step = 0 }))
    assert.is_true(#plan.gradients >= 14)
  end)

  it("refuse unknown options", function()
    assert.has_error(function() nn.conv_norm(8, 3, { strid = 2 }) end, "nn.conv_norm: unknown option 'strid' (did you mean 'stride'?)")
  end)
end)
