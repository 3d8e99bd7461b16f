--- nn.upsample(factor, { interpolation = "nearest" })
--- An image enlarged by a whole factor.
---@class scion.nn.upsample: scion.LayerOptions
---@field factor? integer|integer[] a number, or { vertical, horizontal } (2)
---@field interpolation? "nearest"|"bilinear" repeats pixels, or interpolates linearly between them ("nearest")
---@example scion.nn.upsample(2)
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "upsample",
  positional = { "factor" },
  schema = { factor = { kinds.pair, 2 }, interpolation = { check.one_of("nearest", "bilinear"), "nearest" } },
  fields = { "bilinear" },
  bf16 = "computes",

  check = function(self) self.bilinear = self.options.interpolation == "bilinear" end,

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local factor, shape = layer.pair(self.options.factor), ...
    return { shape[1] * factor[1], shape[2] * factor[2], shape[3] }
  end,

  forward = function(self, e) e:emit { "upsample_forward", x = e.x[1], y = e.y, bilinear = self.bilinear } end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "upsample_backward", dy = e.dy, dx = e:dx(1), bilinear = self.bilinear, accumulate = e:accumulates(1) }
  end,
}
