local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.dense", function()
  local weights = { kernel = { { 1, 10 }, { 100, 1000 }, { 0.5, 0.25 } }, bias = { 1, -4020 } }

  it("multiplies by its kernel, adds the bias and bends", function()
    assert.same({ 404, 0 }, layers.output({ 1, 4, 4 }, nn.dense(2, "relu"), weights))
    assert.same({ 403, 4011 }, layers.output({ 1, 4, 4 }, nn.dense(2, { bias = false }), weights))
  end)

  it("refuses an image", function()
    assert.error_matches(function() nn.dense(2)(nn.input(1, 2, 3)) end, "dense: takes vectors", 1, true)
  end)
end)
