local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.prelu", function()
  local pixels = { { { 2, -4 }, { -8, 0 } } }

  it("multiplies what is below 0 by a slope, for each channel, for all, or for each element", function()
    layers.near({ { { 2, -1 }, { -2, 0 } } }, layers.output(pixels, nn.prelu()))
    layers.near({ { { 2, -4 * 3 }, { -8 * 2, 0 } } }, layers.output(pixels, nn.prelu(), { slope = { { { 2, 3 } } } }))
    layers.near({ { { 2, -4 * 3 }, { -8 * 3, 0 } } }, layers.output(pixels, nn.prelu "one", { slope = { { { 3 } } } }))
    layers.near({ { { 2, -4 * 3 }, { -8 * 4, 0 } } }, layers.output(pixels, nn.prelu "element", { slope = { { { 2, 3 }, { 4, 5 } } } }))
    layers.near({ 3, -10 }, layers.output({ 3, -5 }, nn.prelu(), { slope = { 7, 2 } }))
  end)

  it("refuses another number of slopes", function()
    assert.error_matches(function() nn.prelu "all" end, "slopes is 'channel', 'one' or 'element'", 1, true)
  end)
end)
