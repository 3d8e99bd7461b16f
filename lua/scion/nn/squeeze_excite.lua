--- nn.squeeze_excite(ratio, { activation = "relu", gate = "sigmoid" })
--- A block that scales each channel by what two 1x1 convolutions make of the means of all channels (Hu et al. 2017).
---@class scion.nn.squeeze_excite: scion.BlockOptions
---@field ratio? integer how many times fewer channels the first of them gives (4)
---@field activation? string of the first, or false: none ("relu")
---@field gate? string the activation of the second ("sigmoid")
local options = require "scion.options"

---@param ratio integer?
---@param given { activation: string?, gate: string?, name: string? }?
---@return fun(x: scion.Node): scion.Node
return function(ratio, given)
  local nn = require "scion.nn"
  local o = options.check("nn.squeeze_excite", given, { activation = "relu", gate = "sigmoid", name = false })
  local function named(part) return o.name and o.name .. "/" .. part or nil end
  return function(x)
    local channels = x.shape[3]
    local s = nn.global_avg_pool { keep_dims = true, name = named "squeeze" }(x)
    s = nn.conv2d(math.max(1, channels // (ratio or 4)), 1, { activation = o.activation, name = named "reduce" })(s)
    s = nn.conv2d(channels, 1, { activation = o.gate, name = named "expand" })(s)
    return nn.multiply { name = named "excite" } { x, s }
  end
end
