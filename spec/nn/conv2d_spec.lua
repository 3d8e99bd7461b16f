local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.conv2d", function()
  local image = { { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } }, { { 7 }, { 8 }, { 9 } } }
  local weights = { kernel = { { { { 1, 0 } }, { { 10, 0 } } }, { { { 100, 0 } }, { { 1000, 1 } } } }, bias = { 0.5, -7 } }

  it("correlates with its kernel, adds the bias and bends", function()
    local expected = { { { 5421.5, 0 }, { 6532.5, 0 } }, { { 8754.5, 1 }, { 9865.5, 2 } } }
    assert.same(expected, layers.output(image, nn.conv2d(2, 2, { activation = "relu" }), weights))
  end)

  it("pads as Keras does, the odd pixel after the image, and strides and dilates", function()
    assert.same({ { { 5421.5, -2 }, { 603.5, -7 } }, { { 87.5, -7 }, { 9.5, -7 } } },
      layers.output(image, nn.conv2d(2, 2, { padding = "same", stride = 2 }), weights))
    assert.same({ { { 9731.5, 2 } } }, layers.output(image, nn.conv2d(2, 2, { dilation = 2 }), weights))
  end)

  it("refuses an image that its kernel does not fit into", function()
    assert.error_matches(function() nn.conv2d(2, 5)(nn.input(4, 4, 3)) end, "4x4", 1, true)
  end)
end)
