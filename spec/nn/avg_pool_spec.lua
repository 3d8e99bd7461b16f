local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.avg_pool", function()
  local image = { { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } }, { { 7 }, { 8 }, { 9 } } }

  it("takes the mean of windows that touch unless a stride is given", function()
    assert.same({ { { 3 } } }, layers.output(image, nn.avg_pool(2)))
    assert.same({ { { 3 }, { 4 } }, { { 6 }, { 7 } } }, layers.output(image, nn.avg_pool(2, { stride = 1 })))
  end)

  it("counts padding or not", function()
    assert.same({ { { 3 }, { 4.5 } }, { { 7.5 }, { 9 } } }, layers.output(image, nn.avg_pool(2, { padding = "same" })))
    local counted = { { { 3 }, { 2.25 } }, { { 3.75 }, { 2.25 } } }
    assert.same(counted, layers.output(image, nn.avg_pool(2, { padding = "same", include_padding = true })))
  end)
end)
