local layers = dofile "spec/support/layers.lua"
local scion = require "scion"
local nn = scion.nn

describe("nn.squeeze_excite", function()
  it("scales channels by what two convolutions make of their means", function()
    local a, model = layers.features(function()
      return scion.sequential { nn.input(9, 9, 3), nn.conv2d(8, 3), nn.squeeze_excite(4, { gate = "hard_sigmoid", name = "se" }) }
    end)
    local b = layers.features(function()
      local x = nn.conv2d(8, 3)(nn.input(9, 9, 3))
      local s = nn.conv2d(2, 1, { activation = "relu" })(nn.global_avg_pool { keep_dims = true }(x))
      return scion.model { output = nn.multiply() { x, nn.conv2d(8, 1, { activation = "hard_sigmoid" })(s) } }
    end)
    assert.is_true(a:equal(b))
    assert.equal("multiply", model:layer("se/excite").kind)
  end)
end)
