local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.multiply", function()
  it("multiplies element by element, or the channels by one pixel", function()
    assert.same({ { { 4, 9 } } }, layers.output({ { { 2, -3 } } }, function(x) return nn.multiply() { x, x } end))
    assert.same({ { { 2, 40 }, { 6, 80 } } }, layers.output({ { { 1, 2 }, { 3, 4 } } }, function(x)
      return nn.multiply() { x, nn.rescaling({ 1, 20 / 3 })(nn.global_avg_pool { keep_dims = true }(x)) }
    end))
  end)

  it("refuses inputs of other shapes", function()
    assert.has_error(function() nn.multiply() { nn.input(4, 4, 3), nn.input(1, 1, 2) } end, "multiply: inputs of shapes 4x4x3 and 1x1x2 cannot be multiplied")
  end)
end)
