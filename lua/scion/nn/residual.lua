--- nn.residual(layers, { activation = "relu" })
--- A block: applies layers (or blocks) one after the other and adds their result to the input (He et al. 2015). Where the shapes of the two
--- differ, the input first goes through a 1x1 convolution with batch norm, named name/shortcut.
---@class scion.nn.residual: scion.BlockOptions
---@field layers table[] layers and blocks
---@field activation? string|false applied to the sum, or false for none ("relu")
---@example scion.nn.residual{ scion.nn.conv_norm(16, 3), scion.nn.conv_norm(16, 3, { activation = "linear" }) }
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local nn = require "scion.nn"
local shape = require "scion.shape"

--- Brings x to y's channels and size by a 1x1 convolution with a stride. Where no stride gives that size, nn.add raises.
local function shortcut(x, y, name)
  local stride = {}
  for axis = 1, 2 do stride[axis] = (x.shape[axis] + y.shape[axis] - 1) // y.shape[axis] end
  return nn.conv_norm(y.shape[3], 1, { stride = stride, activation = "linear", name = name })(x)
end

return layer.define_block {
  kind = "residual",
  positional = { "layers" },
  schema = { layers = { layer.chain, required = true }, activation = { check.unless_false(kinds.activation), "relu" } },

  build = function(x, o, named)
    local y = layer.apply("nn.residual", x, o.layers)
    if shape.text(x.shape) ~= shape.text(y.shape) then
      if #x.shape ~= 3 or #y.shape ~= 3 then
        check.raise(("nn.residual: what the layers make of an input of %s, %s, cannot be added to it"):format(shape.text(x.shape), shape.text(y.shape)))
      end
      x = shortcut(x, y, named "shortcut")
    end
    return nn.add { activation = o.activation, name = named "add" } { x, y }
  end,
}
