local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.separable_conv2d", function()
  it("is a convolution of each channel and one of each pixel", function()
    local weights = { depthwise_kernel = { { { { 1 }, { 1 } }, { { 1 }, { -1 } } } }, pointwise_kernel = { { { { 1, 0 }, { 0, 2 } } } }, bias = { 0, 1 } }
    assert.same({ { { 3, -1 } } }, layers.output({ { { 1, 5 }, { 2, 6 } } }, nn.separable_conv2d(2, { 1, 2 }), weights))
  end)
end)
