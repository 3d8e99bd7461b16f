--- nn.upsample(factor, { interpolation = "nearest" })
--- An image that many times as large.
---@class scion.nn.upsample: scion.LayerOptions
---@field factor? integer|integer[] a number, or { vertical, horizontal } (2)
---@field interpolation? "nearest"|"bilinear" pixels are repeated, or one goes over into the next in a straight line ("nearest")
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "upsample",
  positional = { "factor" },
  schema = { factor = { kinds.pair, 2 }, interpolation = { check.one_of("nearest", "bilinear"), "nearest" } },
  fields = { "bilinear" },

  check = function(self) self.bilinear = self.options.interpolation == "bilinear" end,

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local factor, shape = layer.pair(self.options.factor), ...
    return { shape[1] * factor[1], shape[2] * factor[2], shape[3] }
  end,

  forward = function(self, s) s:emit { "upsample_forward", x = s.x[1], y = s.y, bilinear = self.bilinear } end,

  backward = function(self, s)
    if not s:wants(1) then return end
    s:emit { "upsample_backward", dy = s.dy, dx = s:dx(1), bilinear = self.bilinear, accumulate = s:accumulates(1) }
  end,
}
