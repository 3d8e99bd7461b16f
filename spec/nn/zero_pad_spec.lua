local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.zero_pad", function()
  it("puts zeros around an image", function()
    assert.same({ { { 0 }, { 0 }, { 0 } }, { { 0 }, { 5 }, { 0 } }, { { 0 }, { 0 }, { 0 } } }, layers.output({ { { 5 } } }, nn.zero_pad(1)))
    assert.same({ { { 0 }, { 0 }, { 5 } } }, layers.output({ { { 5 } } }, nn.zero_pad { 0, 2, 0, 0 }))
  end)
end)
