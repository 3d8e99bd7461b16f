--- nn.adaptive_avg_pool(size)
--- Average pooling to a given size, whatever the size of the input: each output pixel is the mean of its region of the input.
---@class scion.nn.adaptive_avg_pool: scion.LayerOptions
---@field size integer|integer[] of the output: a number for a square, or { height, width }
---@example scion.nn.adaptive_avg_pool(7)
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "adaptive_avg_pool",
  positional = { "size" },
  schema = { size = { kinds.pair, required = true } },
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local size = layer.pair(self.options.size)
    return { size[1], size[2], (...)[3] }
  end,

  forward = function(_, e) e:emit { "adaptive_average_pool_forward", x = e.x[1], y = e.y } end,

  backward = function(_, e)
    if e:wants(1) then e:emit { "adaptive_average_pool_backward", dy = e.dy, dx = e:dx(1), accumulate = e:accumulates(1) } end
  end,
}
