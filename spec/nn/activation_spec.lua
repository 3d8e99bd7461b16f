local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

describe("nn.activation", function()
  local function ramp(x) return math.min(math.max(x / 6 + 0.5, 0), 1) end
  local formulas = {
    { "linear", function(x) return x end },
    { "relu", function(x) return math.max(x, 0) end },
    { "relu6", function(x) return math.min(math.max(x, 0), 6) end },
    { "sigmoid", function(x) return 1 / (1 + math.exp(-x)) end },
    { "tanh", function(x) return 1 - 2 / (math.exp(2 * x) + 1) end },
    { "swish", function(x) return x / (1 + math.exp(-x)) end },
    { "hard_sigmoid", ramp },
    { "hard_swish", function(x) return x * ramp(x) end },
    { "gelu_tanh", function(x)
      local inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x ^ 3)
      return x / 2 * (2 - 2 / (math.exp(2 * inner) + 1))
    end },
  }
  local numbers = { -9, -2.5, -1, -0.125, 0, 0.5, 2, 3, 5.5, 8 }

  for _, row in ipairs(formulas) do
    local name, formula = table.unpack(row)
    it("computes " .. name, function()
      local expected = {}
      for i, x in ipairs(numbers) do expected[i] = formula(x) end
      layers.near(expected, layers.output(numbers, nn.activation(name)))
      if name ~= "linear" then layers.near(expected, layers.output(numbers, nn[name]())) end
    end)
  end

  it("computes gelu", function() -- PyTorch's numbers, of torch.nn.functional.gelu in double precision
    local expected = { -1.01572698e-18, -0.0155241633, -0.158655254, -0.0562827219, 0, 0.345731231, 1.95449974, 2.99595031, 5.4999999, 8 }
    layers.near(expected, layers.output(numbers, nn.gelu()))
  end)

  it("computes softmax over the channels of each pixel, of large numbers too", function()
    local e = math.exp(1)
    local expected = { { { 0.5, 0.5 }, { 1 / (1 + e), e / (1 + e) } } }
    layers.near(expected, layers.output({ { { 3, 3 }, { 1000, 1001 } } }, nn.softmax()))
  end)

  it("refuses a name that it does not know", function()
    assert.error_matches(function() nn.activation "rellu" end, "rellu")
  end)
end)
