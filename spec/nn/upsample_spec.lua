local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.upsample", function()
  it("repeats pixels, or goes over from one to the next", function()
    assert.same({ { { 0 }, { 0 }, { 4 }, { 4 } } }, layers.output({ { { 0 }, { 4 } } }, nn.upsample { 1, 2 }))
    assert.same({ { { 0 }, { 1 }, { 3 }, { 4 } } }, layers.output({ { { 0 }, { 4 } } }, nn.upsample({ 1, 2 }, { interpolation = "bilinear" })))
  end)

  it("knows two interpolations", function()
    assert.has_error(function() nn.upsample(2, { interpolation = "cubic" }) end, "nn.upsample: interpolation is 'nearest' or 'bilinear', not 'cubic'")
  end)
end)
