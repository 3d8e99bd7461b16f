--- nn.zero_pad(padding)
--- An image in a border of zeros.
---@class scion.nn.zero_pad: scion.LayerOptions
---@field padding integer|integer[] pixels on all sides, or { top, left, bottom, right }
local layer = require "scion.layer"

return layer.define {
  kind = "zero_pad",
  positional = { "padding" },
  defaults = { padding = layer.required },
  bf16 = "carries",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local p, shape = self.options.padding, ...
    if type(p) == "number" then p = { p, p, p, p } end
    if type(p) ~= "table" or #p ~= 4 then self:fail("padding is a number or { top, left, bottom, right }") end
    for _, size in ipairs(p) do
      if math.type(size) ~= "integer" or size < 0 then self:fail("padding is made of whole numbers from 0 up") end
    end
    self.top, self.left, self.bottom, self.right = table.unpack(p)
    return { shape[1] + p[1] + p[3], shape[2] + p[2] + p[4], shape[3] }
  end,

  forward = function(self, s) s:emit { "zero_pad_forward", x = s.x[1], y = s.y, top = self.top, left = self.left } end,

  backward = function(self, s)
    if s:wants(1) then
      s:emit { "zero_pad_backward", dy = s.dy, dx = s:dx(1), top = self.top, left = self.left, accumulate = s:accumulates(1) }
    end
  end,
}
