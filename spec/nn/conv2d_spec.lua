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

  it("reads, in groups, the channels of each group alone", function()
    local two = { kernel = { { { { 1, 10 }, { 100, 1000 } } } } }
    assert.same({ { { 201, 4030 } } }, layers.output({ { { 1, 2, 3, 4 } } }, nn.conv2d(2, 1, { groups = 2, bias = false }), two))
    assert.error_matches(function() nn.conv2d(6, 3, { groups = 4 })(nn.input(4, 4, 8)) end, "groups = 4 has to divide its 6 filters and the 8 channels", 1, true)
    assert.error_matches(function() nn.conv2d(8, 3, { groups = 4 })(nn.input(4, 4, 6)) end, "8 filters and the 6 channels", 1, true)
  end)

  it("refuses an image that its kernel does not fit into", function()
    assert.error_matches(function() nn.conv2d(2, 5)(nn.input(4, 4, 3)) end, "4x4", 1, true)
  end)
end)
