--- nn.conv2d(filters, kernel, { stride = 1, padding = "valid", dilation = 1, bias = true, activation = })
--- A convolution of an image. Its kernel is [height, width, in, out], as in Keras.
---@class scion.nn.conv2d: scion.LayerOptions
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
local core = require "scion.core"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

--- What minimal filtering and plain sums take, in the time of a multiply-add in the forward pass: `plain` each one; `transform` a value
--- of a tile, `weight` a transformed weight, for each of a few images at once.
local forward_costs = { plain = 1, transform = 26, weight = 2 }
local gradient_costs = { plain = 1.4, transform = 40, weight = 20 } -- of the gradient to the weights
local least_gain = 1.25 -- less is not worth the memory

--- How many times as fast minimal filtering computes a window; 1 where plain sums are to be preferred.
local function filtering_gain(window, x, y, costs)
  if not core.winograd_fits(window) then return 1 end
  local values, tiles, product = 1, 1, x[3] * y[3]
  for axis = 1, 2 do
    local taps = window.kernel[axis]
    values = values * (taps > 1 and taps + 3 or 1) -- of a tile, whose outputs are 4 along such an axis
    tiles = tiles * (taps > 1 and math.ceil(y[axis] / 4) or y[axis])
  end
  local plain = y[1] * y[2] * window.kernel[1] * window.kernel[2] * product * costs.plain
  local gain = plain / (values * (tiles * (1.2 * product + costs.transform * (x[3] + y[3])) + costs.weight * product))
  return gain > least_gain and gain or 1
end

--- The packed kernel of a step, folded with batch norm where the step has one.
local function packed(self, s, transposed)
  local kernel, algorithm = self:weight "kernel", self.gain > 1 and "winograd" or "conv2d"
  local pack = { algorithm .. (transposed and "_pack_transposed" or "_pack"), kernel = kernel, scale = s.fold and s.fold.scale }
  if pack[1] == "conv2d_pack_transposed" then pack.window = s.window end
  return s:packed(self, pack, core[algorithm .. "_packed"](kernel, transposed), "f32")
end

--- The same for a step that reads bf16: rounded after the folding.
local function packed_bf16(self, s)
  local kernel = self:weight "kernel"
  return s:packed(self, { "conv2d_bf16_pack", kernel = kernel, scale = s.fold and s.fold.scale }, core.conv2d_bf16_packed(kernel), "bf16")
end

return layer.define {
  kind = "conv2d",
  positional = { "filters", "kernel" },
  schema = { filters = { kinds.size, required = true }, kernel = { kinds.pair, required = true }, stride = { kinds.pair, 1 },
             dilation = { kinds.pair, 1 }, padding = { kinds.padding, "valid" }, bias = { check.boolean, true },
             activation = { kinds.maybe(kinds.activation), false } },
  fuses_activation = true,
  fuses_padding = true,
  fuses_addend = true, -- its second input, then
  folds_norm = true,
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 1, 3)
    local height, width
    self.window, height, width = layer.window(self, ...)
    local shape = { height, width, self.options.filters }
    self.gain = filtering_gain(self.window, (...), shape, forward_costs)
    self.gradient_gain = filtering_gain(self.window, (...), shape, gradient_costs)
    return shape
  end,

  define_parameters = function(self, shape)
    local kernel = layer.pair(self.options.kernel)
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
    s:emit { bf16 and "conv2d_bf16_forward" or self.gain > 1 and "winograd_forward" or "conv2d_forward", x = s.x[1],
             packed = bf16 and packed_bf16(self, s) or packed(self, s, false),
             bias = s.fold and s.fold.shift or self:weight "bias", addend = s.x[2], y = s.y, window = s.window, activation = s.activation }
  end,

  backward = function(self, s)
    local dw = s:gradient(self, "kernel")
    if dw then
      s:emit { self.gradient_gain > 1 and "winograd_backward_weights" or "conv2d_backward_weights", x = s.x[1], dy = s.dy, dw = dw, window = s.window }
      s:unfold(dw)
    end
    if s:wants(1) then
      s:emit { self.gain > 1 and "winograd_backward_input" or "conv2d_backward_input", dy = s.dy, packed = packed(self, s, true), dx = s:dx(1),
               window = s.window, accumulate = s:accumulates(1) }
    end
    if s.x[2] then s:share(2, s.dy) end
  end,
}
