local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.reshape", function()
  it("keeps the elements and their order", function()
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, layers.output({ { { 1, 2 }, { 3, 4 }, { 5, 6 } } }, nn.reshape { 2, 3 }))
  end)

  it("refuses another number of elements", function()
    assert.error_matches(function() nn.reshape { 5, 5 } (nn.input(4, 4, 3)) end, "4x4x3 cannot become 5x5", 1, true)
  end)
end)
