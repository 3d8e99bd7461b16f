local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.global_max_pool", function()
  it("takes the largest of each channel, also of negative ones", function()
    assert.same({ -1, 60 }, layers.output({ { { -1, 10 }, { -2, 20 } }, { { -3, 60 }, { -6, 30 } } }, nn.global_max_pool()))
  end)
end)
