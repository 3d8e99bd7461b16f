--- nn.max_pool(kernel, { stride = kernel, padding = "valid", name = })
--- Maximum over a window; padding never wins.
local layer = require "scion.layer"

return layer.define {
  kind = "max_pool",
  positional = { "kernel" },
  defaults = { kernel = layer.required, stride = false, padding = "valid" },
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.window(self, ...)
    return { height, width, (...)[3] }
  end,

  forward = function(self, s)
    s:emit { "max_pool_forward", x = s.x[1], y = s.y, window = self.window }
  end,

  backward = function(self, s)
    if not s:wants(1) then return end
    s:emit { "max_pool_backward", x = s.x[1], y = s.y, dy = s.dy, dx = s:dx(1), window = self.window,
             accumulate = s:accumulates(1) }
  end,
}
