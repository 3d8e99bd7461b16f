--- nn.global_max_pool()
--- The maximum of each channel over the whole image, as a vector.
---@class scion.nn.global_max_pool: scion.LayerOptions
local layer = require "scion.layer"

return layer.define {
  kind = "global_max_pool",
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    return { (...)[3] }
  end,

  forward = function(_, s) s:emit { "global_max_pool_forward", x = s.x[1], y = s.y } end,

  backward = function(_, s)
    if not s:wants(1) then return end
    s:emit { "global_max_pool_backward", x = s.x[1], y = s.y, dy = s.dy, dx = s:dx(1), accumulate = s:accumulates(1) }
  end,
}
