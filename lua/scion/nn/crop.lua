--- nn.crop(border)
--- An image without its border.
---@class scion.nn.crop: scion.LayerOptions
---@field border integer|integer[] pixels on all sides, or { top, left, bottom, right }
---@example scion.nn.crop(2)
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local value = require "scion.ir.value"

return layer.define {
  kind = "crop",
  positional = { "border" },
  fields = { "top", "left" },
  bf16 = "carries",
  schema = { border = { kinds.border, required = true } },

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local b, shape = layer.sides(self.options.border), ...
    self.top, self.left = b[1], b[2]
    local height, width = shape[1] - b[1] - b[3], shape[2] - b[2] - b[4]
    if height < 1 or width < 1 then self:fail("an input of %s has nothing within that border", table.concat(shape, "x")) end
    return { height, width, shape[3] }
  end,

  forward = function(self, e) -- cropping is the gradient of zero padding, and the other way round
    e:emit { "zero_pad_backward", dy = e.x[1], dx = e.y, top = self.top, left = self.left }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    local padded = e:dx(1) -- zero_pad_forward cannot add to what is there: then it writes a temporary value
    local accumulate = e:accumulates(1)
    if accumulate then padded = value.new(e.x[1].shape, { dtype = e.x[1].dtype }) end
    e:emit { "zero_pad_forward", x = e.dy, y = padded, top = self.top, left = self.left }
    if accumulate then e:emit { "copy", x = padded, y = e:dx(1), accumulate = true } end
  end,
}
