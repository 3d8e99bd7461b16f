local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.normalization", function()
  it("normalises by the statistics that came with the weights", function()
    layers.near({ { { 1, -2 } } }, layers.output({ { { 5, 1 } } }, nn.normalization(), { mean = { 3, 2 }, variance = { 4, 0.25 } }))
  end)
end)
