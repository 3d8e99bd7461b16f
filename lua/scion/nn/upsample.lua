--- nn.upsample(factor, { interpolation = "nearest" }): an image that many times as large, factor a number or { vertical,
--- horizontal }; "nearest" repeats pixels, "bilinear" goes from one to the next in a straight line.
local layer = require "scion.layer"

return layer.define {
  kind = "upsample",
  positional = { "factor" },
  defaults = { factor = 2, interpolation = "nearest" },

  check = function(self)
    local name = self.options.interpolation
    if name ~= "nearest" and name ~= "bilinear" then self:fail("interpolation is 'nearest' or 'bilinear', not '%s'", tostring(name)) end
    self.bilinear = name == "bilinear"
  end,

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local factor, shape = layer.pair(self, self.options.factor, "factor"), ...
    return { shape[1] * factor[1], shape[2] * factor[2], shape[3] }
  end,

  forward = function(self, e) e:emit { "upsample_forward", x = e.x[1], y = e.y, bilinear = self.bilinear } end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "upsample_backward", dy = e.dy, dx = e:dx(1), bilinear = self.bilinear, accumulate = e:accumulates(1) }
  end,
}
