--- nn.conv2d(filters, kernel, { stride = 1, padding = "valid", dilation = 1, bias = true, activation =, name = })
--- A convolution; its kernel is [kh, kw, in, out] as in Keras.
local core = require "scion.core"
local layer = require "scion.layer"

--- The packed kernel of a step, and the bias: folded with batch norm where the step has one.
local function packed(self, s, transposed)
  local kernel, fold = self:weight "kernel", s.fold
  local key = (transposed and "transposed" or "packed") .. (fold and fold.key or "")
  return s:derived(self, key, { kernel, fold and fold.scale }, function(target)
    target = target or core.new({ core.conv2d_packed(kernel, transposed) }, "f32")
    if transposed then
      core.run { "conv2d_pack_transposed", kernel = kernel, scale = fold and fold.scale, packed = target, window = self.window }
    else
      core.run { "conv2d_pack", kernel = kernel, scale = fold and fold.scale, packed = target }
    end
    return target
  end)
end

--- The same for a step that reads bf16: rounded after the folding.
local function packed_bf16(self, s)
  local kernel, fold = self:weight "kernel", s.fold
  return s:derived(self, "bf16" .. (fold and fold.key or ""), { kernel, fold and fold.scale }, function(target)
    target = target or core.new({ core.conv2d_bf16_packed(kernel) }, "bf16")
    core.run { "conv2d_bf16_pack", kernel = kernel, scale = fold and fold.scale, packed = target }
    return target
  end)
end

return layer.define {
  kind = "conv2d",
  positional = { "filters", "kernel" },
  defaults = { filters = layer.required, kernel = layer.required, stride = 1, dilation = 1, padding = "valid", bias = true, activation = false },
  fuses_activation = true,
  fuses_addend = true, -- its second input, then
  folds_norm = true,
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.window(self, ...)
    return { height, width, self.options.filters }
  end,

  define_parameters = function(self, shape)
    local kernel = layer.pair(self, self.options.kernel, "kernel")
    local list = { { name = "kernel", shape = { kernel[1], kernel[2], shape[3], self.options.filters }, init = "he" } }
    if self.options.bias then list[2] = { name = "bias", shape = { self.options.filters }, init = "zeros" } end
    return list
  end,

  macs = function(self, x, y)
    local kernel = self.window.kernel
    return y[1] * y[2] * y[3] * kernel[1] * kernel[2] * x[3]
  end,

  forward = function(self, s)
    local bf16 = s.x[1].dtype == "bf16"
    s:emit { bf16 and "conv2d_bf16_forward" or "conv2d_forward", x = s.x[1], packed = bf16 and packed_bf16(self, s) or packed(self, s, false),
             bias = s.fold and s.fold.shift or self:weight "bias", addend = s.x[2], y = s.y, window = self.window, activation = s.activation }
  end,

  backward = function(self, s)
    local dw = s:gradient(self, "kernel")
    if dw then
      s:emit { "conv2d_backward_weights", x = s.x[1], dy = s.dy, dw = dw, window = self.window }
      s:unfold(dw)
    end
    if s:wants(1) then
      s:emit { "conv2d_backward_input", dy = s.dy, packed = packed(self, s, true), dx = s:dx(1), window = self.window, accumulate = s:accumulates(1) }
    end
    if s.x[2] then s:share(2, s.dy) end
  end,
}
