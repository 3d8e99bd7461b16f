local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.normalization", function()
  it("normalises by the statistics that came with the weights", function()
    layers.near({ { { 1, -2 } } }, layers.output({ { { 5, 1 } } }, nn.normalization(), { mean = { 3, 2 }, variance = { 4, 0.25 } }))
  end)

  it("divides by 1e-7 at least, as Keras does", function()
    local output = layers.output({ { { 2, 2, 2 } } }, nn.normalization(), { mean = { 1, 1, 1 }, variance = { 0, 1e-20, 1e-12 } })
    for c, value in ipairs(output[1][1]) do output[1][1][c] = value * 1e-7 end
    layers.near({ { { 1, 1, 0.1 } } }, output)
  end)
end)
