--- nn.separable_conv2d(filters, kernel, { stride = 1, padding = "valid", dilation = 1, bias = true, activation = })
--- A convolution of each channel by itself, then one of 1x1 across them (Chollet 2016). Its kernels are [height, width, in, 1] and
--- [1, 1, in, out].
---@class scion.nn.separable_conv2d: scion.LayerOptions
---@field filters integer channels of the result
---@field kernel integer|integer[] size of the window: a number for a square, or { height, width }
---@field stride? integer|integer[] pixels from one window to the next: a number, or { vertical, horizontal } (1)
---@field dilation? integer|integer[] pixels from one element of the kernel to the next, likewise (1)
---@field padding? "valid"|"same"|"ceil"|integer|integer[] zeros around the image. "valid": none. "same": as in Keras, so that
--- the output size is the input size divided by the stride, rounded up; an odd pixel goes to the bottom or right. "ceil": at the bottom and
--- right, so that no input pixel is left over, as with PyTorch's ceil_mode. A number: so many pixels on all sides. A list: pixels in the
--- order { top, left, bottom, right } ("valid")
---@field bias? boolean whether a bias is added (true)
---@field activation? string|false an activation applied to the result: a name as for nn.activation, or false for none (false)
---@example scion.nn.separable_conv2d(32, 3)
local check = require "scion.check"
local core = require "scion.core"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local value = require "scion.ir.value"

--- The pointwise kernel as a matrix, its columns scaled where batch norm is folded in.
local function pointwise(self, e)
  local kernel = self:weight "pointwise_kernel"
  local shape = kernel:shape()
  return e:scaled(self, kernel:reshape { shape[3], shape[4] })
end

--- The window of the second convolution, which in bf16 is one of images and not a product of matrices.
local point = { kernel = { 1, 1 }, stride = { 1, 1 }, dilation = { 1, 1 }, before = { 0, 0 }, after = { 0, 0 } }

--- The pointwise kernel as convolutions in bf16 read it.
local function packed(self, e, transposed)
  local kernel = self:weight "pointwise_kernel"
  local pack = { transposed and "conv2d_bf16_pack_transposed" or "conv2d_bf16_pack", kernel = kernel, scale = e.fold and e.fold.scale,
                 window = transposed and point or nil }
  return e:packed(self, pack, core.conv2d_bf16_packed(kernel, transposed and point), "bf16")
end

return layer.define {
  kind = "separable_conv2d",
  positional = { "filters", "kernel" },
  schema = { filters = { kinds.size, required = true }, kernel = { kinds.pair, required = true }, stride = { kinds.pair, 1 },
             dilation = { kinds.pair, 1 }, padding = { kinds.padding, "valid" }, bias = { check.boolean, true },
             activation = { check.unless_false(kinds.activation), false } },
  fields = { "between" },
  fuses_activation = true,
  folds_norm = true,
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.window(self, ...)
    self.between = { height, width, (...)[3] } -- the image that the second convolution reads
    return { height, width, self.options.filters }
  end,

  define_parameters = function(self, shape)
    local kernel, filters = self.window.kernel, self.options.filters
    local list = { { name = "depthwise_kernel", shape = { kernel[1], kernel[2], shape[3], 1 }, init = "glorot" },
                   { name = "pointwise_kernel", shape = { 1, 1, shape[3], filters }, init = "he" } }
    if self.options.bias then list[3] = { name = "bias", shape = { filters }, init = "zeros" } end
    return list
  end,

  macs = function(self, x, y)
    return y[1] * y[2] * x[3] * (self.window.kernel[1] * self.window.kernel[2] + y[3])
  end,

  forward = function(self, e)
    local bias = e.fold and e.fold.shift or self:weight "bias"
    e.op.between = value.new(self.between, { dtype = e.op.reads })
    e:emit { "depthwise_forward", x = e.x[1], kernel = self:weight "depthwise_kernel", y = e.op.between, window = self.window }
    if e.op.reads == "bf16" then
      e:emit { "conv2d_bf16_forward", x = e.op.between, packed = packed(self, e, false), bias = bias, y = e.y, window = point, activation = e.activation }
    else
      e:emit { "dense_forward", x = e.op.between, kernel = pointwise(self, e), bias = bias, y = e.y, activation = e.activation }
    end
  end,

  backward = function(self, e)
    local between, deep = e.op.between, e:gradient(self, "depthwise_kernel")
    local dw, further = e:gradient(self, "pointwise_kernel"), e:wants(1)
    local narrow = e.op.reads == "bf16"
    local dy = narrow and (dw or deep or further) and e:converted(e.dy, "bf16") or e.dy
    if dw then
      local matrix = value.view(dw, { self.between[3], self.options.filters })
      e:emit(narrow and { "conv2d_bf16_backward_weights", x = between, dy = dy, dw = dw, window = point } or
             { "dense_backward_weights", x = between, dy = dy, dw = matrix })
      e:unfold(matrix)
    end
    if not deep and not further then return end
    local dbetween = value.new(self.between, { dtype = e.op.reads })
    e:emit(narrow and { "conv2d_bf16_backward_input", dy = dy, packed = packed(self, e, true), dx = dbetween, window = point } or
           { "dense_backward_input", dy = dy, kernel = pointwise(self, e), dx = dbetween })
    if deep then e:emit { "depthwise_backward_weights", x = e.x[1], dy = dbetween, dw = deep, window = self.window } end
    if further then
      e:emit { "depthwise_backward_input", dy = dbetween, kernel = self:weight "depthwise_kernel", dx = e:dx(1), window = self.window,
               accumulate = e:accumulates(1) }
    end
  end,
}
