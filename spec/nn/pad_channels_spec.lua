local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.pad_channels", function()
  it("puts channels of zeros before and after", function()
    assert.same({ { { 0, 0, 5, 6, 0 }, { 0, 0, 7, 8, 0 } } }, layers.output({ { { 5, 6 }, { 7, 8 } } }, nn.pad_channels(2, 1)))
    assert.same({ 1, 2, 0 }, layers.output({ 1, 2 }, nn.pad_channels(0, 1)))
  end)

  it("makes, behind every other pixel, a shortcut without weights", function()
    local image = { { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } }, { { 7 }, { 8 }, { 9 } } }
    local function shortcut(x) return nn.pad_channels(1, 1)(nn.max_pool(1, { stride = 2 })(x)) end
    assert.same({ { { 0, 1, 0 }, { 0, 3, 0 } }, { { 0, 7, 0 }, { 0, 9, 0 } } }, layers.output(image, shortcut))
  end)
end)
