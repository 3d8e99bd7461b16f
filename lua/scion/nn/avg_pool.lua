--- nn.avg_pool(kernel, { stride = kernel, padding = "valid", include_padding = false })
--- The mean over a window of an image.
---@class scion.nn.avg_pool: scion.LayerOptions
---@field kernel integer|integer[] height and width of the window
---@field stride? integer|integer[] the window's, unless given
---@field padding? "valid"|"same"|"ceil"|integer|integer[] how the window goes over the edge: not at all, "valid"; "same" pads as Keras
--- does, so that stride 1 keeps the size, and the odd pixel comes after; "ceil" as PyTorch's ceil_mode does; or so many zeros on all
--- sides, or { top, left, bottom, right }
---@field include_padding? boolean whether padded zeros count in the divisor, as in PyTorch; not in Keras (false)
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "avg_pool",
  positional = { "kernel" },
  schema = { kernel = { kinds.pair, required = true }, stride = { check.unless_false(kinds.pair), false }, padding = { kinds.padding, "valid" },
             include_padding = { check.boolean, false } },
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.pooling_window(self, ...)
    return { height, width, (...)[3] }
  end,

  forward = function(self, e)
    e:emit { "average_pool_forward", x = e.x[1], y = e.y, window = self.window, include_padding = self.options.include_padding }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "average_pool_backward", dy = e.dy, dx = e:dx(1), window = self.window,
             include_padding = self.options.include_padding, accumulate = e:accumulates(1) }
  end,
}
