--- nn.conv_norm(filters, kernel, { stride = 1, padding = "same", activation = "relu" })
--- A block: a convolution without bias, batch norm and an activation, named name/conv, name/norm and name/act.
---@class scion.nn.conv_norm: scion.BlockOptions
---@field filters integer channels of the result
---@field kernel integer|integer[] height and width of the window
---@field stride? integer|integer[] (1)
---@field padding? "valid"|"same"|"ceil"|integer|integer[] as for nn.conv2d ("same")
---@field activation? string or false: none ("relu")
local options = require "scion.options"

---@param filters integer
---@param kernel integer|integer[]
---@param given { stride: integer?, padding: any, activation: string?, name: string? }?
---@return fun(x: scion.Node): scion.Node
return function(filters, kernel, given)
  local nn = require "scion.nn"
  local o = options.check("nn.conv_norm", given, { stride = 1, padding = "same", activation = "relu", name = false })
  local function named(part) return o.name and o.name .. "/" .. part or nil end
  return function(x)
    x = nn.conv2d(filters, kernel, { stride = o.stride, padding = o.padding, bias = false, name = named "conv" })(x)
    x = nn.batch_norm { name = named "norm" }(x)
    if not o.activation or o.activation == "linear" then return x end
    return nn.activation(o.activation, { name = named "act" })(x)
  end
end
