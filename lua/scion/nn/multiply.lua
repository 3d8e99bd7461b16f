--- nn.multiply()
--- The elementwise product of two inputs of one shape, nn.multiply()({ a, b }); or b is an image of one pixel, by which the channels of a
--- are scaled.
---@class scion.nn.multiply: scion.LayerOptions
local layer = require "scion.layer"

return layer.define {
  kind = "multiply",
  bf16 = "computes",
  fields = { "channels" }, -- whether it scales channels

  output_shape = function(self, ...)
    self:expect({ ... }, 2)
    local a, b = ...
    self.channels = #a == 3 and table.concat(b, "x") == "1x1x" .. a[3] and a[1] * a[2] > 1
    if not self.channels and table.concat(a, "x") ~= table.concat(b, "x") then
      self:fail("inputs of shapes %s and %s cannot be multiplied", table.concat(a, "x"), table.concat(b, "x"))
    end
    if self.channels then self.bf16 = false end -- its kernels know f32 alone
    return { table.unpack(a) }
  end,

  forward = function(self, s)
    if self.channels then
      s:emit { "scale_channels_forward", x = s.x[1], s = s.x[2], y = s.y }
    else
      s:emit { "multiply_forward", a = s.x[1], b = s.x[2], y = s.y }
    end
  end,

  backward = function(self, s)
    if self.channels then
      if s:wants(1) then
        s:emit { "scale_channels_backward_input", dy = s.dy, s = s.x[2], dx = s:dx(1), accumulate = s:accumulates(1) }
      end
      if s:wants(2) then
        s:emit { "scale_channels_backward_scale", x = s.x[1], dy = s.dy, ds = s:dx(2), accumulate = s:accumulates(2) }
      end
      return
    end
    for i = 1, 2 do
      if s:wants(i) then s:emit { "multiply_backward", dy = s.dy, b = s.x[3 - i], da = s:dx(i), accumulate = s:accumulates(i) } end
    end
  end,
}
