local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.channel_shuffle", function()
  it("takes the first channel of each group, then the second of each", function()
    assert.same({ { { 1, 4, 2, 5, 3, 6 } } }, layers.output({ { { 1, 2, 3, 4, 5, 6 } } }, nn.channel_shuffle(2)))
    assert.same({ { { 1, 3, 5, 2, 4, 6 } } }, layers.output({ { { 1, 2, 3, 4, 5, 6 } } }, nn.channel_shuffle(3)))
    assert.same({ 1, 3, 2, 4 }, layers.output({ 1, 2, 3, 4 }, nn.channel_shuffle(2)))
  end)

  it("wants groups of one size", function()
    assert.has_error(function() nn.channel_shuffle(4)(nn.input(2, 2, 6)) end, "channel_shuffle: 6 channels cannot be split into 4 groups of one size")
  end)
end)
