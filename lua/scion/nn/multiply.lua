--- nn.multiply()
--- The elementwise product of two inputs of one shape: nn.multiply()({ a, b }). If a is an image and b an image of 1 x 1 pixel with as many
--- channels, each channel of a is multiplied by its number in b.
---@class scion.nn.multiply: scion.LayerOptions
---@example
---  x = scion.nn.input(8, 8, 3)
---  sum = scion.nn.multiply(){ x, scion.nn.relu()(x) }
local layer = require "scion.layer"

return layer.define {
  kind = "multiply",
  bf16 = "computes",
  fields = { "channels" }, -- whether the second input is 1x1 and scales channels

  output_shape = function(self, ...)
    self:expect({ ... }, 2)
    local a, b = ...
    self.channels = #a == 3 and table.concat(b, "x") == "1x1x" .. a[3] and a[1] * a[2] > 1
    if not self.channels and table.concat(a, "x") ~= table.concat(b, "x") then
      self:fail("inputs of shapes %s and %s cannot be multiplied", table.concat(a, "x"), table.concat(b, "x"))
    end
    return { table.unpack(a) }
  end,

  forward = function(self, e)
    if self.channels then
      e:emit { "scale_channels_forward", x = e.x[1], s = e.x[2], y = e.y }
    else
      e:emit { "multiply_forward", a = e.x[1], b = e.x[2], y = e.y }
    end
  end,

  backward = function(self, e)
    if self.channels then
      if e:wants(1) then
        e:emit { "scale_channels_backward_input", dy = e.dy, s = e.x[2], dx = e:dx(1), accumulate = e:accumulates(1) }
      end
      if e:wants(2) then
        e:emit { "scale_channels_backward_scale", x = e.x[1], dy = e.dy, ds = e:dx(2), accumulate = e:accumulates(2) }
      end
      return
    end
    for i = 1, 2 do
      if e:wants(i) then e:emit { "multiply_backward", dy = e.dy, b = e.x[3 - i], da = e:dx(i), accumulate = e:accumulates(i) } end
    end
  end,
}
