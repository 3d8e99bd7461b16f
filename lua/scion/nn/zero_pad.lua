--- nn.zero_pad(padding)
--- An image with a border of zeros added.
---@class scion.nn.zero_pad: scion.LayerOptions
---@field padding integer|integer[] pixels on all sides, or { top, left, bottom, right }
---@example scion.nn.zero_pad(1)
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "zero_pad",
  positional = { "padding" },
  schema = { padding = { kinds.border, required = true } },
  fields = { "top", "left", "bottom", "right" },
  bf16 = "carries",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local p, shape = layer.sides(self.options.padding), ...
    self.top, self.left, self.bottom, self.right = table.unpack(p)
    return { shape[1] + p[1] + p[3], shape[2] + p[2] + p[4], shape[3] }
  end,

  forward = function(self, e) e:emit { "zero_pad_forward", x = e.x[1], y = e.y, top = self.top, left = self.left } end,

  backward = function(self, e)
    if e:wants(1) then
      e:emit { "zero_pad_backward", dy = e.dy, dx = e:dx(1), top = self.top, left = self.left, accumulate = e:accumulates(1) }
    end
  end,
}
