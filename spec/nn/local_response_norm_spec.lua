local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.local_response_norm", function()
  it("divides channels by the squares around them", function()
    local function by(sum) return (2 + 0.6 / 3 * sum) ^ 0.5 end
    local expected = { { { 1 / by(5), 2 / by(14), 3 / by(13) } } }
    layers.near(expected, layers.output({ { { 1, 2, 3 } } }, nn.local_response_norm(3, { alpha = 0.6, beta = 0.5, k = 2 })))
  end)

  it("needs a channel", function()
    assert.has_error(function() nn.local_response_norm(0) end, "nn.local_response_norm: size is a whole number from 1 to 2147483647, not 0")
  end)
end)
