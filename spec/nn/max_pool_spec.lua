local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.max_pool", function()
  local image = { { { -1 }, { -2 }, { -3 } }, { { -4 }, { -5 }, { 6 } }, { { -7 }, { -8 }, { -9 } } }

  it("takes the largest of windows that touch unless a stride is given", function()
    assert.same({ { { -1 } } }, layers.output(image, nn.max_pool(2)))
    assert.same({ { { -1 }, { 6 } }, { { -4 }, { 6 } } }, layers.output(image, nn.max_pool(2, { stride = 1 })))
  end)

  it("takes windows as large as the kernels do, and says so of larger ones", function()
    for _, pool in ipairs { nn.max_pool(2, { stride = 70000 }), nn.max_pool(70000, { padding = "same" }) } do
      assert.error_matches(function() pool(nn.input(16, 16, 3)) end, "max_pool: kernel, stride, dilation and padding of a window are at most 65535, not 70000")
    end
  end)

  it("never takes padding", function()
    assert.same({ { { -1 }, { 6 } }, { { -7 }, { -9 } } }, layers.output(image, nn.max_pool(2, { padding = "same" })))
  end)
end)
