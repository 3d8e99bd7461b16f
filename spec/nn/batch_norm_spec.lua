local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.batch_norm", function()
  it("normalises channels by the statistics that it holds, and scales and shifts", function()
    local weights = { gamma = { 2, 1 }, beta = { 0, 10 }, moving_mean = { 1, 5 }, moving_variance = { 3, 15 } }
    local found = layers.output({ { { 3, 9 }, { 1, 5 } } }, nn.batch_norm { epsilon = 1, statistics = "stored" }, weights)
    layers.near({ { { 2, 11 }, { 0, 10 } } }, found)
  end)

  it("has no gamma without scale, and no beta without shift", function()
    local function names(options)
      local list = {}
      for _, p in ipairs(nn.batch_norm(options)(nn.input(2, 2, 3)).layer.parameters) do list[#list + 1] = p.name end
      return table.concat(list, " ")
    end
    assert.equal("gamma beta moving_mean moving_variance", names {})
    assert.equal("beta moving_mean moving_variance", names { scale = false })
  end)
end)
