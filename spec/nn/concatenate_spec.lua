local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.concatenate", function()
  it("puts channels after each other", function()
    local found = layers.output({ { { 1, -2 } } }, function(x) return nn.concatenate() { x, nn.relu()(x), nn.rescaling(3)(x) } end)
    assert.same({ { { 1, -2, 1, 0, 3, -6 } } }, found)
  end)

  it("refuses images of another size", function()
    assert.error_matches(function() nn.concatenate() { nn.input(4, 4, 3), nn.input(4, 5, 3) } end, "4x5x3", 1, true)
  end)
end)
