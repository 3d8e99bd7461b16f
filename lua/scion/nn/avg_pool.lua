--- nn.avg_pool(kernel, { stride = kernel, padding = "valid", include_padding = false, name = })
--- Mean over a window. include_padding: padded zeros count in the divisor (PyTorch counts them, Keras does not).
local layer = require "scion.layer"

return layer.define {
  kind = "avg_pool",
  positional = { "kernel" },
  defaults = { kernel = layer.required, stride = false, padding = "valid", include_padding = false },
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.window(self, ...)
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
