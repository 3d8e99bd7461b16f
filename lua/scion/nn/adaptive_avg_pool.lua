--- nn.adaptive_avg_pool(size): an image of that size, a number or { height, width }, whatever the input's: each pixel the mean
--- of its share of the input.
local layer = require "scion.layer"

return layer.define {
  kind = "adaptive_avg_pool",
  positional = { "size" },
  defaults = { size = layer.required },

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local size = layer.pair(self, self.options.size, "size")
    return { size[1], size[2], (...)[3] }
  end,

  forward = function(_, s) s:emit { "adaptive_average_pool_forward", x = s.x[1], y = s.y } end,

  backward = function(_, s)
    if s:wants(1) then s:emit { "adaptive_average_pool_backward", dy = s.dy, dx = s:dx(1), accumulate = s:accumulates(1) } end
  end,
}
