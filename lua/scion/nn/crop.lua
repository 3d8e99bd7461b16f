--- nn.crop(border): an image without its border, a number for all sides or { top, left, bottom, right }.
local layer = require "scion.layer"
local value = require "scion.ir.value"

return layer.define {
  kind = "crop",
  positional = { "border" },
  defaults = { border = layer.required },

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local b, shape = self.options.border, ...
    if type(b) == "number" then b = { b, b, b, b } end
    if type(b) ~= "table" or #b ~= 4 then self:fail("border is a number or { top, left, bottom, right }") end
    for _, size in ipairs(b) do
      if math.type(size) ~= "integer" or size < 0 then self:fail("border is made of whole numbers from 0 up") end
    end
    self.top, self.left = b[1], b[2]
    local height, width = shape[1] - b[1] - b[3], shape[2] - b[2] - b[4]
    if height < 1 or width < 1 then self:fail("an input of %s has nothing within that border", table.concat(shape, "x")) end
    return { height, width, shape[3] }
  end,

  forward = function(self, e) -- what is cut off by the gradient of zero padding
    e:emit { "zero_pad_backward", dy = e.x[1], dx = e.y, top = self.top, left = self.left }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    local padded = e:dx(1)
    local accumulate = e:accumulates(1)
    if accumulate then padded = value.new(e.x[1].shape) end
    e:emit { "zero_pad_forward", x = e.dy, y = padded, top = self.top, left = self.left }
    if accumulate then e:emit { "copy", x = padded, y = e:dx(1), accumulate = true } end
  end,
}
