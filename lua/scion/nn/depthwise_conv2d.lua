--- nn.depthwise_conv2d(kernel, { stride = 1, padding = "valid", dilation = 1, multiplier = 1, bias = true, activation =, name = })
--- A convolution of each channel by itself; its kernel is [kh, kw, channels, multiplier].
local layer = require "scion.layer"

return layer.define {
  kind = "depthwise_conv2d",
  positional = { "kernel" },
  defaults = { kernel = layer.required, stride = 1, dilation = 1, padding = "valid", multiplier = 1, bias = true, activation = false },
  fuses_activation = true,
  fuses_padding = true,
  folds_norm = true,
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.window(self, ...)
    return { height, width, (...)[3] * self.options.multiplier }
  end,

  define_parameters = function(self, shape)
    local kernel, m = layer.pair(self, self.options.kernel, "kernel"), self.options.multiplier
    local list = { { name = "kernel", shape = { kernel[1], kernel[2], shape[3], m }, init = "glorot" } }
    if self.options.bias then list[2] = { name = "bias", shape = { shape[3] * m }, init = "zeros" } end
    return list
  end,

  macs = function(self, _, y) return y[1] * y[2] * y[3] * self.window.kernel[1] * self.window.kernel[2] end,

  forward = function(self, e)
    e:emit { "depthwise_forward", x = e.x[1], kernel = self:weight "kernel", scale = e.fold and e.fold.scale,
             bias = e.fold and e.fold.shift or self:weight "bias", y = e.y, window = e.window, activation = e.activation }
  end,

  backward = function(self, e)
    local dw = e:gradient(self, "kernel")
    if dw then
      e:emit { "depthwise_backward_weights", x = e.x[1], dy = e.dy, dw = dw, window = e.window }
      e:unfold(dw)
    end
    if e:wants(1) then
      e:emit { "depthwise_backward_input", dy = e.dy, kernel = self:weight "kernel", scale = e.fold and e.fold.scale, dx = e:dx(1),
               window = e.window, accumulate = e:accumulates(1) }
    end
  end,
}
