local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.flatten", function()
  it("lays rows, pixels and channels after each other", function()
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, layers.output({ { { 1, 2 }, { 3, 4 } }, { { 5, 6 }, { 7, 8 } } }, nn.flatten()))
  end)
end)
