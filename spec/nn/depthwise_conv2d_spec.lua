local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.depthwise_conv2d", function()
  it("has kernels for each channel alone, several of them with a multiplier", function()
    local weights = { kernel = { { { { 1, 2 }, { 100, 200 } }, { { 10, 20 }, { 1000, 2000 } } } }, bias = { 0, 0, 0, -1 } }
    local found = layers.output({ { { 1, 5 }, { 2, 6 } } }, nn.depthwise_conv2d({ 1, 2 }, { multiplier = 2 }), weights)
    assert.same({ { { 21, 42, 6500, 12999 } } }, found)
  end)
end)
