local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.global_avg_pool", function()
  local image = { { { 1, 10 }, { 2, 20 } }, { { 3, 30 }, { 6, 60 } } }

  it("takes the mean of each channel", function()
    assert.same({ 3, 30 }, layers.output(image, nn.global_avg_pool()))
    assert.same({ { { 3, 30 } } }, layers.output(image, nn.global_avg_pool { keep_dims = true }))
  end)
end)
