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

  forward = function(_, e) e:emit { "adaptive_average_pool_forward", x = e.x[1], y = e.y } end,

  backward = function(_, e)
    if e:wants(1) then e:emit { "adaptive_average_pool_backward", dy = e.dy, dx = e:dx(1), accumulate = e:accumulates(1) } end
  end,
}
