--- nn.conv_norm(filters, kernel, { stride = 1, padding = "same", activation = "relu" })
--- A block: a convolution without bias, batch norm and an activation, named name/conv, name/norm and name/act.
---@class scion.nn.conv_norm: scion.BlockOptions
---@field filters integer channels of the result
---@field kernel integer|integer[] size of the window: a number for a square, or { height, width }
---@field stride? integer|integer[] pixels from one window to the next: a number, or { vertical, horizontal } (1)
---@field padding? "valid"|"same"|"ceil"|integer|integer[] as for nn.conv2d ("same")
---@field activation? string|false a name as for nn.activation, or false for none ("relu")
---@example scion.nn.conv_norm(32, 3, { stride = 2 })
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local nn = require "scion.nn"

return layer.define_block {
  kind = "conv_norm",
  positional = { "filters", "kernel" },
  schema = { filters = { kinds.size, required = true }, kernel = { kinds.pair, required = true }, stride = { kinds.stride, 1 },
             padding = { kinds.padding, "same" }, activation = { check.unless_false(kinds.activation), "relu" } },

  build = function(x, o, named)
    x = nn.conv2d(o.filters, o.kernel, { stride = o.stride, padding = o.padding, bias = false, name = named "conv" })(x)
    x = nn.batch_norm { name = named "norm" }(x)
    if not o.activation or o.activation == "linear" then return x end
    return nn.activation(o.activation, { name = named "act" })(x)
  end,
}
