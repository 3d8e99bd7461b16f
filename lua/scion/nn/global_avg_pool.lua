--- nn.global_avg_pool({ keep_dims = false })
--- The mean of each channel over the whole image, as a vector.
---@class scion.nn.global_avg_pool: scion.LayerOptions
---@field keep_dims? boolean an image of one pixel in place of a vector (false)
local check = require "scion.check"
local layer = require "scion.layer"

return layer.define {
  kind = "global_avg_pool",
  schema = { keep_dims = { check.boolean, false } },
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local channels = (...)[3]
    return self.options.keep_dims and { 1, 1, channels } or { channels }
  end,

  forward = function(_, s) s:emit { "global_average_pool_forward", x = s.x[1], y = s.y } end,

  backward = function(_, s)
    if not s:wants(1) then return end
    s:emit { "global_average_pool_backward", dy = s.dy, dx = s:dx(1), accumulate = s:accumulates(1) }
  end,
}
