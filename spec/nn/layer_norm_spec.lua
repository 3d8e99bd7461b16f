local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.layer_norm", function()
  it("normalizes the channels of each pixel, and scales and shifts", function()
    local found = layers.output({ { { 1, 3 }, { 10, 4 } } }, nn.layer_norm { epsilon = 3 }, { gamma = { 2, 4 }, beta = { 0, 10 } })
    layers.near({ { { -1, 12 }, { 2 * 3 / 12 ^ 0.5, 10 - 4 * 3 / 12 ^ 0.5 } } }, found)
  end)

  it("normalizes a vector", function()
    layers.near({ -1, 1, -1, 1 }, layers.output({ 2, 4, 2, 4 }, nn.layer_norm { epsilon = 1e-9 }))
  end)

  it("has no gamma without scale, and no beta without center", function()
    local function names(options)
      local list = {}
      for _, p in ipairs(nn.layer_norm(options)(nn.input(2, 2, 3)).layer.parameters) do list[#list + 1] = p.name end
      return table.concat(list, " ")
    end
    assert.equal("gamma beta", names {})
    assert.equal("beta", names { scale = false })
    assert.equal("", names { scale = false, center = false })
  end)
end)
