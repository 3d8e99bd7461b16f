local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.max_pool", function()
  local image = { { { -1 }, { -2 }, { -3 } }, { { -4 }, { -5 }, { 6 } }, { { -7 }, { -8 }, { -9 } } }

  it("takes the largest of windows that touch unless a stride is given", function()
    assert.same({ { { -1 } } }, layers.output(image, nn.max_pool(2)))
    assert.same({ { { -1 }, { 6 } }, { { -4 }, { 6 } } }, layers.output(image, nn.max_pool(2, { stride = 1 })))
  end)

  it("never takes padding", function()
    assert.same({ { { -1 }, { 6 } }, { { -7 }, { -9 } } }, layers.output(image, nn.max_pool(2, { padding = "same" })))
  end)
end)
