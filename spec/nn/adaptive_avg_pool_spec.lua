local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.adaptive_avg_pool", function()
  it("gives each pixel the mean of its share, which may overlap its neighbour's", function()
    local image = { { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } } }
    assert.same({ { { 3 }, { 4 } } }, layers.output(image, nn.adaptive_avg_pool { 1, 2 }))
    assert.same({ { { 1 }, { 2 }, { 3 } }, { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } }, { { 4 }, { 5 }, { 6 } } },
      layers.output(image, nn.adaptive_avg_pool { 4, 3 }))
  end)

  it("refuses a size of nothing", function()
    assert.has_error(function() nn.adaptive_avg_pool(0)(nn.input(4, 4, 3)) end)
  end)
end)
