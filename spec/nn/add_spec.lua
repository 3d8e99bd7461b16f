local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.add", function()
  it("sums any number of inputs", function()
    assert.same({ 3, -6 }, layers.output({ 1, -2 }, function(x) return nn.add() { x, x, nn.rescaling(1)(x) } end))
  end)

  it("refuses inputs of other shapes", function()
    assert.error_matches(function() nn.add() { nn.input(4, 4, 3), nn.input(4, 5, 3) } end, "4x5x3", 1, true)
  end)
end)
