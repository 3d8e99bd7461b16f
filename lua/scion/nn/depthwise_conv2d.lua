--- nn.depthwise_conv2d(kernel, { stride = 1, padding = "valid", dilation = 1, multiplier = 1, bias = true, activation = })
--- A convolution of each channel by itself. Its kernel is [height, width, channels, multiplier].
---@class scion.nn.depthwise_conv2d: scion.LayerOptions
---@field kernel integer|integer[] size of the window: a number for a square, or { height, width }
---@field stride? integer|integer[] pixels from one window to the next: a number, or { vertical, horizontal } (1)
---@field dilation? integer|integer[] pixels from one element of the kernel to the next, likewise (1)
---@field padding? "valid"|"same"|"ceil"|integer|integer[] zeros around the image. "valid": none. "same": as in Keras, so that
--- the output size is the input size divided by the stride, rounded up; an odd pixel goes to the bottom or right. "ceil": at the bottom and
--- right, so that no input pixel is left over, as with PyTorch's ceil_mode. A number: so many pixels on all sides. A list: pixels in the
--- order { top, left, bottom, right } ("valid")
---@field multiplier? integer output channels for each input channel. Several are computed in f32 where the precision is int8 (1)
---@field bias? boolean whether a bias is added (true)
---@field activation? string|false an activation applied to the result: a name as for nn.activation, or false for none (false)
---@example scion.nn.depthwise_conv2d(3)
local check = require "scion.check"
local core = require "scion.core"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

local most_taps = 128 -- products in a sum of whole numbers: see scion_depthwise_int8_pack

--- The forward call on codes. The packed kernel is three tensors: weights of 16 bits, what they stand for and their sums.
local function forward_int8(self, e)
  local kernel, fold = self:weight "kernel", e.fold
  local made = e:derived(self, "depthwise_int8 " .. (fold and fold.key or ""), { kernel, fold and fold.scale }, function(target)
    local height, width, channels = table.unpack(kernel:shape())
    target = target or { packed = core.new({ (height * width + 1) // 2, channels }, "i32"), scales = core.new { channels }, sums = core.new({ channels }, "i32") }
    core.run { "depthwise_int8_pack", kernel = kernel, scale = fold and fold.scale, packed = target.packed, scales = target.scales, sums = target.sums }
    return target
  end)
  local from, to = e.op.inputs[1].codes, e.op.codes
  e:emit { "depthwise_int8_forward", x = e.x[1], packed = made.packed, scales = made.scales, sums = made.sums, bias = fold and fold.shift or self:weight "bias",
           y = e.y, window = e.window, activation = e.activation, x_scale = from.scale, x_zero = from.zero, y_scale = to and to.scale, y_zero = to and to.zero }
end

return layer.define {
  kind = "depthwise_conv2d",
  positional = { "kernel" },
  schema = { kernel = { kinds.pair, required = true }, stride = { kinds.pair, 1 }, dilation = { kinds.pair, 1 }, padding = { kinds.padding, "valid" },
             multiplier = { kinds.size, 1 }, bias = { check.boolean, true }, activation = { check.unless_false(kinds.activation), false } },
  fuses_activation = true,
  fuses_padding = true,
  folds_norm = true,
  bf16 = "computes",
  int8 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.window(self, ...)
    if self.options.multiplier > 1 or self.window.kernel[1] * self.window.kernel[2] > most_taps then self.int8 = false end
    return { height, width, (...)[3] * self.options.multiplier }
  end,

  define_parameters = function(self, shape)
    local kernel, m = layer.pair(self.options.kernel), self.options.multiplier
    local list = { { name = "kernel", shape = { kernel[1], kernel[2], shape[3], m }, init = "glorot" } }
    if self.options.bias then list[2] = { name = "bias", shape = { shape[3] * m }, init = "zeros" } end
    return list
  end,

  macs = function(self, _, y) return y[1] * y[2] * y[3] * self.window.kernel[1] * self.window.kernel[2] end,

  forward = function(self, e)
    if e.op.reads == "u8" then return forward_int8(self, e) end
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
