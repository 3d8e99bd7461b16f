local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.crop", function()
  it("takes pixels off each side", function()
    local image = { { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } }, { { 7 }, { 8 }, { 9 } } }
    assert.same({ { { 5 } } }, layers.output(image, nn.crop(1)))
    assert.same({ { { 4 }, { 5 } }, { { 7 }, { 8 } } }, layers.output(image, nn.crop { 1, 0, 0, 1 }))
  end)

  it("leaves something", function()
    assert.has_error(function() nn.crop(2)(nn.input(4, 4, 3)) end, "crop: an input of 4x4x3 has nothing within that border")
  end)
end)
