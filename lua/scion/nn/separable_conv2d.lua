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
local value = require "scion.ir.value"

--- The pointwise kernel as a matrix, its columns scaled where batch norm is folded in.
local function pointwise(self, e)
  local kernel = self:weight "pointwise_kernel"
  local shape = kernel:shape()
  return e:scaled(self, kernel:reshape { shape[3], shape[4] })
end

return layer.define {
  kind = "separable_conv2d",
  positional = { "filters", "kernel" },
  schema = { filters = { kinds.size, required = true }, kernel = { kinds.pair, required = true }, stride = { kinds.stride, 1 },
             dilation = { kinds.pair, 1 }, padding = { kinds.padding, "valid" }, bias = { check.boolean, true },
             activation = { check.unless_false(kinds.activation), false } },
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

  forward = function(self, e)
    e.op.between = value.new(self.between)
    e:emit { "depthwise_forward", x = e.x[1], kernel = self:weight "depthwise_kernel", y = e.op.between, window = self.window }
    e:emit { "dense_forward", x = e.op.between, kernel = pointwise(self, e), bias = e.fold and e.fold.shift or self:weight "bias", y = e.y,
             activation = e.activation }
  end,

  backward = function(self, e)
    local between, deep = e.op.between, e:gradient(self, "depthwise_kernel")
    local dw = e:gradient(self, "pointwise_kernel")
    if dw then
      local matrix = value.view(dw, { self.between[3], self.options.filters })
      e:emit { "dense_backward_weights", x = between, dy = e.dy, dw = matrix }
      e:unfold(matrix)
    end
    if not deep and not e:wants(1) then return end
    local dbetween = value.new(self.between)
    e:emit { "dense_backward_input", dy = e.dy, kernel = pointwise(self, e), dx = dbetween }
    if deep then e:emit { "depthwise_backward_weights", x = e.x[1], dy = dbetween, dw = deep, window = self.window } end
    if e:wants(1) then
      e:emit { "depthwise_backward_input", dy = dbetween, kernel = self:weight "depthwise_kernel", dx = e:dx(1), window = self.window,
               accumulate = e:accumulates(1) }
    end
  end,
}
