--- nn.global_avg_pool({ keep_dims = false })
--- The mean of each channel over the whole image, as a vector.
---@class scion.nn.global_avg_pool: scion.LayerOptions
---@field keep_dims? boolean whether the result is an image of 1 x 1 pixel instead of a vector (false)
---@example scion.nn.global_avg_pool()
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

  forward = function(_, e) e:emit { "global_average_pool_forward", x = e.x[1], y = e.y } end,

  backward = function(_, e)
    if not e:wants(1) then return end
    e:emit { "global_average_pool_backward", dy = e.dy, dx = e:dx(1), accumulate = e:accumulates(1) }
  end,
}
