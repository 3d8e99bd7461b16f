local layers = dofile "spec/support/layers.lua"
local scion = require "scion"
local nn = scion.nn

describe("nn.conv_norm", function()
  it("is a convolution, batch norm and an activation", function()
    local a, model = layers.features(function()
      return scion.sequential { nn.input(9, 9, 3), nn.conv_norm(8, 3, { stride = 2, activation = "relu6", name = "stem" }),
                                nn.conv_norm(4, 1, { activation = "linear" }) }
    end)
    local b = layers.features(function()
      local x = nn.conv2d(8, 3, { stride = 2, padding = "same", bias = false })(nn.input(9, 9, 3))
      x = nn.relu6()(nn.batch_norm()(x))
      return scion.model { output = nn.batch_norm()(nn.conv2d(4, 1, { bias = false })(x)) }
    end)
    assert.is_true(a:equal(b))
    assert.equal(6, #model:layers())
    assert.same({ 5, 5, 8 }, model:layer("stem/act").shape)
  end)

  it("refuses unknown options", function()
    assert.has_error(function() nn.conv_norm(8, 3, { strid = 2 }) end, "nn.conv_norm: unknown option 'strid' (did you mean 'stride'?)")
  end)
end)
