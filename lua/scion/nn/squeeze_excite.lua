--- nn.squeeze_excite(ratio, { activation = "relu", gate = "sigmoid", name = }): a block that scales each channel by what two 1x1
--- convolutions make of the means of all channels; the first has `ratio` times fewer of them (Hu et al. 2017).
local block = require "scion.block"
local options = require "scion.options"

---@param ratio integer?
---@param given { activation: string?, gate: string?, name: string? }?
---@return scion.Block
return function(ratio, given)
  local nn = require "scion.nn"
  local o = options.check("nn.squeeze_excite", given, { activation = "relu", gate = "sigmoid", name = false })
  local function named(part) return o.name and o.name .. "/" .. part or nil end
  return block.new("squeeze_excite", { ratio or 4 }, function(x)
    local channels = x.shape[3]
    local s = nn.global_avg_pool { keep_dims = true, name = named "squeeze" }(x)
    s = nn.conv2d(math.max(1, channels // (ratio or 4)), 1, { activation = o.activation, name = named "reduce" })(s)
    s = nn.conv2d(channels, 1, { activation = o.gate, name = named "expand" })(s)
    return nn.multiply { name = named "excite" } { x, s }
  end)
end
