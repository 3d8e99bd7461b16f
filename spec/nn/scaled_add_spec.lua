local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.scaled_add", function()
  it("adds the scaled second input, and bends", function()
    local function build(activation)
      return function(x) return nn.scaled_add(0.5, { activation = activation }) { x, nn.rescaling({ 4, -4 })(x) } end
    end
    assert.same({ 6, -2 }, layers.output({ 2, 2 }, build()))
    assert.same({ 6, 0 }, layers.output({ 2, 2 }, build "relu"))
  end)

  it("needs a number", function()
    assert.has_error(function() nn.scaled_add "x" end, "nn.scaled_add: scale is a number, not 'x'")
  end)
end)
