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

  forward = function(self, e)
    e:emit { "max_pool_forward", x = e.x[1], y = e.y, window = self.window }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "max_pool_backward", x = e.x[1], y = e.y, dy = e.dy, dx = e:dx(1), window = self.window,
             accumulate = e:accumulates(1) }
  end,
}
