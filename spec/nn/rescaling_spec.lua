local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.rescaling", function()
  it("scales and shifts, each channel by its own numbers or all by one", function()
    assert.same({ { { 3, 4 } } }, layers.output({ { { 1, 2 } } }, nn.rescaling(1, { offset = 2 })))
    assert.same({ { { 2, 5 } } }, layers.output({ { { 1, 2 } } }, nn.rescaling({ 2, 3 }, { offset = { 0, -1 } })))
  end)

  it("refuses another number of channels", function()
    assert.has_error(function() nn.rescaling({ 1, 2 })(nn.input(4, 4, 3)) end, "rescaling: scale has 2 numbers for 3 channels")
  end)
end)
