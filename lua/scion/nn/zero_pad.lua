--- nn.zero_pad(padding): a border of zeros, a number for all sides or { top, left, bottom, right }.
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

  forward = function(self, e) e:emit { "zero_pad_forward", x = e.x[1], y = e.y, top = self.top, left = self.left } end,

  backward = function(self, e)
    if e:wants(1) then
      e:emit { "zero_pad_backward", dy = e.dy, dx = e:dx(1), top = self.top, left = self.left, accumulate = e:accumulates(1) }
    end
  end,
}
