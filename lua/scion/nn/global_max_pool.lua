--- nn.global_max_pool()
--- The maximum of each channel over the whole image, as a vector.
---@class scion.nn.global_max_pool: scion.LayerOptions
---@example scion.nn.global_max_pool()
local layer = require "scion.layer"

return layer.define {
  kind = "global_max_pool",
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    return { (...)[3] }
  end,

  forward = function(_, e) e:emit { "global_max_pool_forward", x = e.x[1], y = e.y } end,

  backward = function(_, e)
    if not e:wants(1) then return end
    e:emit { "global_max_pool_backward", x = e.x[1], y = e.y, dy = e.dy, dx = e:dx(1), accumulate = e:accumulates(1) }
  end,
}
