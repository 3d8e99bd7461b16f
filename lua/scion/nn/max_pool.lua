--- nn.max_pool(kernel, { stride = kernel, padding = "valid" })
--- The maximum over a window of an image; padding never wins.
---@class scion.nn.max_pool: scion.LayerOptions
---@field kernel integer|integer[] size of the window: a number for a square, or { height, width }
---@field stride? integer|integer[] pixels from one window to the next (the size of the window)
---@field padding? "valid"|"same"|"ceil"|integer|integer[] padding around the image. "valid": none. "same": as in Keras, so that
--- the output size is the input size divided by the stride, rounded up; an odd pixel goes to the bottom or right. "ceil": at the bottom and
--- right, so that no input pixel is left over, as with PyTorch's ceil_mode. A number: so many pixels on all sides. A list: pixels in the
--- order { top, left, bottom, right } ("valid")
---@example scion.nn.max_pool(3, { stride = 2 })
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "max_pool",
  positional = { "kernel" },
  schema = { kernel = { kinds.pair, required = true }, stride = { check.unless_false(kinds.pair), false }, padding = { kinds.padding, "valid" } },
  bf16 = "computes",
  int8 = "carries",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.pooling_window(self, ...)
    return { height, width, (...)[3] }
  end,

  forward = function(self, e)
    e:emit { "max_pool_forward", x = e.x[1], y = e.y, window = self.window }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "max_pool_backward", x = e.x[1], y = e.y, dy = e.dy, dx = e:dx(1), window = self.window,
             accumulate = e:accumulates(1) }
  end,
}
