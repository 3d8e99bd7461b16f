--- nn.separable_conv2d(filters, kernel, { stride = 1, padding = "valid", dilation = 1, bias = true, activation = })
--- A convolution of each channel by itself, then one of 1x1 across them (Chollet 2016). Its kernels are [height, width, in, 1] and
--- [1, 1, in, out].
---@class scion.nn.separable_conv2d: scion.LayerOptions
---@field filters integer channels of the result
---@field kernel integer|integer[] height and width of the window
---@field stride? integer|integer[] (1)
---@field dilation? integer|integer[] distance of the kernel's taps (1)
---@field padding? "valid"|"same"|"ceil"|integer|integer[] how the window goes over the edge: not at all, "valid"; "same" pads as Keras
--- does, so that stride 1 keeps the size, and the odd pixel comes after; "ceil" as PyTorch's ceil_mode does; or so many zeros on all
--- sides, or { top, left, bottom, right }
---@field bias? boolean (true)
---@field activation? string or false: an activation that follows, as for nn.activation; none unless given
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local value = require "scion.plan.value"

--- The pointwise kernel as a matrix, its columns scaled where batch norm is folded in.
local function pointwise(self, s)
  local kernel = self:weight "pointwise_kernel"
  local shape = kernel:shape()
  return s:scaled(self, kernel:reshape { shape[3], shape[4] })
end

return layer.define {
  kind = "separable_conv2d",
  positional = { "filters", "kernel" },
  schema = { filters = { kinds.size, required = true }, kernel = { kinds.pair, required = true }, stride = { kinds.pair, 1 },
             dilation = { kinds.pair, 1 }, padding = { kinds.padding, "valid" }, bias = { check.boolean, true },
             activation = { kinds.maybe(kinds.activation), false } },
  fields = { "between" },
  fuses_activation = true,
  folds_norm = true,

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

  forward = function(self, s)
    s.op.between = value.new(self.between)
    s:emit { "depthwise_forward", x = s.x[1], kernel = self:weight "depthwise_kernel", y = s.op.between, window = self.window }
    s:emit { "dense_forward", x = s.op.between, kernel = pointwise(self, s), bias = s.fold and s.fold.shift or self:weight "bias", y = s.y,
             activation = s.activation }
  end,

  backward = function(self, s)
    local between, deep = s.op.between, s:gradient(self, "depthwise_kernel")
    local dw = s:gradient(self, "pointwise_kernel")
    if dw then
      local matrix = value.view(dw, { self.between[3], self.options.filters })
      s:emit { "dense_backward_weights", x = between, dy = s.dy, dw = matrix }
      s:unfold(matrix)
    end
    if not deep and not s:wants(1) then return end
    local dbetween = value.new(self.between)
    s:emit { "dense_backward_input", dy = s.dy, kernel = pointwise(self, s), dx = dbetween }
    if deep then s:emit { "depthwise_backward_weights", x = s.x[1], dy = dbetween, dw = deep, window = self.window } end
    if s:wants(1) then
      s:emit { "depthwise_backward_input", dy = dbetween, kernel = self:weight "depthwise_kernel", dx = s:dx(1), window = self.window,
               accumulate = s:accumulates(1) }
    end
  end,
}
