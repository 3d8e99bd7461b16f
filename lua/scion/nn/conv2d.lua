--- nn.conv2d(filters, kernel, { stride = 1, padding = "valid", dilation = 1, groups = 1, bias = true, activation = })
--- A convolution of an image. Its kernel is [height, width, in / groups, out], as in Keras.
---@class scion.nn.conv2d: scion.LayerOptions
---@field filters integer channels of the result
---@field kernel integer|integer[] size of the window: a number for a square, or { height, width }
---@field stride? integer|integer[] pixels from one window to the next: a number, or { vertical, horizontal } (1)
---@field dilation? integer|integer[] pixels from one element of the kernel to the next, likewise (1)
---@field padding? "valid"|"same"|"ceil"|integer|integer[] zeros around the image. "valid": none. "same": as in Keras, so that
--- the output size is the input size divided by the stride, rounded up; an odd pixel goes to the bottom or right. "ceil": at the bottom and
--- right, so that no input pixel is left over, as with PyTorch's ceil_mode. A number: so many pixels on all sides. A list: pixels in the
--- order { top, left, bottom, right } ("valid")
---@field groups? integer parts into which the channels are cut; each part of the output is computed from the same part of the input alone. It
--- divides the channels of both. With several, a convolution is computed in f32 whatever the precision. For groups of one channel
--- nn.depthwise_conv2d is faster (1)
---@field bias? boolean whether a bias is added (true)
---@field activation? string|false an activation applied to the result: a name as for nn.activation, or false for none (false)
---@example scion.nn.conv2d(32, 3, { padding = "same", activation = "relu" })
local check = require "scion.check"
local core = require "scion.core"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local preprocessing = require "scion.preprocessing"
local quantization = require "scion.ir.quantization"

local most_bytes = 65536 -- products in a sum of whole numbers: see scion_conv2d_int8_pack

--- The number of groups as the kernels' option, which those for one group do not take.
local function groups(self) return self.options.groups > 1 and self.options.groups or nil end

--- The kernel in the memory layout that the operation's algorithm reads, scaled by the batch norm that is folded in, if any.
local function packed(self, e, transposed)
  local kernel, algorithm = self:weight "kernel", e.op.algorithm
  local pack = { algorithm .. (transposed and "_pack_transposed" or "_pack"), kernel = kernel, scale = e.fold and e.fold.scale, groups = groups(self) }
  if transposed and algorithm ~= "winograd" then pack.window = e.window end
  local elements
  if groups(self) then
    elements = core.grouped_conv2d_packed(kernel, groups(self), transposed)
  else
    elements = core[algorithm .. "_packed"](kernel, transposed and e.window)
  end
  return e:packed(self, pack, elements, algorithm == "conv2d_bf16" and "bf16" or "f32")
end

--- The kernel that takes codes, and the mean of each of their channels: of images that reads pixels, and not what preprocessing makes of them.
local function kernel_of_codes(self, e)
  local kernel, input = self:weight "kernel", e.op.inputs[1]
  local mean = quantization.mean(input)
  if not input.pixels then return kernel, mean end
  local sizes, p = kernel:shape(), preprocessing.of_channels(input.layer.options.preprocess, input.shape[3])
  local key = "pixels " .. core.json_encode { p.scale, p.shift, p.reverse }
  local made = e:derived(self, key, { kernel, mean }, function(target)
    target = target or { kernel = core.new { sizes[1], sizes[2], sizes[3] + 1, sizes[4] }, mean = core.new { sizes[3] + 1 } }
    core.run { "preprocess_fold", kernel = kernel, mean = mean, folded = target.kernel, pixel_mean = target.mean, scale_by = p.scale, shift_by = p.shift,
               reverse = p.reverse }
    return target
  end)
  return made.kernel, made.mean, key
end

--- The forward call on codes. The packed kernel is three tensors: its bytes, what they stand for and their sums.
local function forward_int8(self, e)
  local fold, channels = e.fold, self.options.filters
  local kernel, mean, of_pixels = kernel_of_codes(self, e)
  local bias = fold and fold.shift or self:weight "bias"
  local sources = { kernel, fold and fold.scale, bias, mean }
  local key = ("conv2d_int8 %s %s %s"):format(fold and fold.key or "", e.op.inputs[1].layer.name, of_pixels or "") -- of this input's means
  local made = e:derived(self, key, sources, function(target)
    target = target or { packed = core.new({ core.conv2d_int8_packed(kernel) }, "u8"), scales = core.new { channels }, sums = core.new({ channels }, "i32"),
                         shift = core.new { channels } }
    core.run { "conv2d_int8_pack", kernel = kernel, scale = fold and fold.scale, bias = bias, mean = mean, packed = target.packed, scales = target.scales,
               sums = target.sums, shift = target.shift }
    return target
  end)
  local call = { "conv2d_int8_forward", x = e.x[1], packed = made.packed, scales = made.scales, sums = made.sums,
                 bias = made.shift, addend = e.x[2], y = e.y, window = e.window, activation = e.activation }
  for name, codes in pairs { x = e.op.inputs[1].codes, addend = e.x[2] and e.op.inputs[2].codes, y = e.op.codes } do
    call[name .. "_scale"], call[name .. "_zero"] = codes.scale, codes.zero
  end
  e:emit(call)
end

return layer.define {
  kind = "conv2d",
  positional = { "filters", "kernel" },
  schema = { filters = { kinds.size, required = true }, kernel = { kinds.pair, required = true }, stride = { kinds.stride, 1 },
             dilation = { kinds.pair, 1 }, padding = { kinds.padding, "valid" }, groups = { kinds.size, 1 }, bias = { check.boolean, true },
             activation = { check.unless_false(kinds.activation), false } },
  fuses_activation = true,
  fuses_padding = true,
  fuses_addend = true, -- plan/fuse.lua makes the addend its second input, e.x[2]
  folds_norm = true,
  bf16 = "computes",
  int8 = "computes",
  folds_pixels = true,

  check = function(self)
    if groups(self) then self.bf16, self.int8 = false, false end -- the kernels for groups are of f32
  end,

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local o, channels = self.options, (...)[3]
    if o.filters % o.groups > 0 or channels % o.groups > 0 then
      self:fail("groups = %d has to divide its %d filters and the %d channels of its input", o.groups, o.filters, channels)
    end
    local height, width
    self.window, height, width = layer.window(self, ...)
    if self.window.kernel[1] * self.window.kernel[2] * (channels + 1) > most_bytes then self.int8 = false end -- 1: pixels get a further channel
    return { height, width, self.options.filters }
  end,

  define_parameters = function(self, shape)
    local kernel = layer.pair(self.options.kernel)
    local list = { { name = "kernel", shape = { kernel[1], kernel[2], shape[3] // self.options.groups, self.options.filters }, init = "he" } }
    if self.options.bias then list[2] = { name = "bias", shape = { self.options.filters }, init = "zeros" } end
    return list
  end,

  macs = function(self, x, y)
    local kernel = self.window.kernel
    return y[1] * y[2] * y[3] * kernel[1] * kernel[2] * x[3] // self.options.groups
  end,

  forward = function(self, e)
    if e.op.algorithm == "conv2d_int8" then return forward_int8(self, e) end
    e:emit { e.op.algorithm .. "_forward", x = e.x[1], packed = packed(self, e, false), bias = e.fold and e.fold.shift or self:weight "bias",
             addend = e.x[2], y = e.y, window = e.window, groups = groups(self), activation = e.activation }
  end,

  backward = function(self, e)
    local dw = e:gradient(self, "kernel")
    local dy = e.op.reads == "bf16" and (dw or e:wants(1)) and e:converted(e.dy, "bf16") or e.dy -- of an output in f32 that readers wanted
    if dw then
      e:emit { e.op.gradient_algorithm .. "_backward_weights", x = e.x[1], dy = dy, dw = dw, window = e.window, groups = groups(self) }
      e:unfold(dw)
    end
    if e:wants(1) then
      e:emit { e.op.algorithm .. "_backward_input", dy = dy, packed = packed(self, e, true), dx = e:dx(1), window = e.window,
               groups = groups(self), accumulate = e:accumulates(1) }
    end
    if e.x[2] then e:share(2, e.dy) end
  end,
}
