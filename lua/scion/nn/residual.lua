--- nn.residual(layers, { activation = "relu" })
--- A block: layers (or blocks) one after the other, whose result is added to their input; where the shapes differ, to a 1x1 convolution of
--- it with batch norm, which is named name/shortcut (He et al. 2015).
---@class scion.nn.residual: scion.BlockOptions
---@field layers table[] layers and blocks
---@field activation? string after the sum, or false: none ("relu")
local options = require "scion.options"

---@param layers table[] layers and blocks
---@param given { activation: string?, name: string? }?
---@return fun(x: scion.Node): scion.Node
return function(layers, given)
  local nn = require "scion.nn"
  local o = options.check("nn.residual", given, { activation = "relu", name = false })
  return function(x)
    local y = x
    for _, layer in ipairs(layers) do y = layer(y) end
    if table.concat(x.shape, "x") ~= table.concat(y.shape, "x") then
      local stride = { math.ceil(x.shape[1] / y.shape[1]), math.ceil(x.shape[2] / y.shape[2]) }
      x = nn.conv_norm(y.shape[3], 1, { stride = stride, activation = "linear", name = o.name and o.name .. "/shortcut" or nil })(x)
    end
    return nn.add { activation = o.activation, name = o.name and o.name .. "/add" or nil } { x, y }
  end
end
