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

--- The kernel packed as the operation's algorithm wants it, folded with batch norm where there is one.
local function packed(self, e, transposed)
  local kernel, algorithm = self:weight "kernel", e.op.algorithm
  local pack = { algorithm .. (transposed and "_pack_transposed" or "_pack"), kernel = kernel, scale = e.fold and e.fold.scale }
  if pack[1] == "conv2d_pack_transposed" then pack.window = e.window end
  return e:packed(self, pack, core[algorithm .. "_packed"](kernel, transposed), algorithm == "conv2d_bf16" and "bf16" or "f32")
end

return layer.define {
  kind = "conv2d",
  positional = { "filters", "kernel" },
  schema = { filters = { kinds.size, required = true }, kernel = { kinds.pair, required = true }, stride = { kinds.stride, 1 },
             dilation = { kinds.pair, 1 }, padding = { kinds.padding, "valid" }, bias = { check.boolean, true },
             activation = { check.unless_false(kinds.activation), false } },
  fuses_activation = true,
  fuses_padding = true,
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
    local kernel = layer.pair(self.options.kernel)
    local list = { { name = "kernel", shape = { kernel[1], kernel[2], shape[3], self.options.filters }, init = "he" } }
    if self.options.bias then list[2] = { name = "bias", shape = { self.options.filters }, init = "zeros" } end
    return list
  end,

  macs = function(self, x, y)
    local kernel = self.window.kernel
    return y[1] * y[2] * y[3] * kernel[1] * kernel[2] * x[3]
  end,

  forward = function(self, e)
    e:emit { e.op.algorithm .. "_forward", x = e.x[1], packed = packed(self, e, false), bias = e.fold and e.fold.shift or self:weight "bias",
             addend = e.x[2], y = e.y, window = e.window, activation = e.activation }
  end,

  backward = function(self, e)
    local dw = e:gradient(self, "kernel")
    if dw then
      e:emit { e.op.gradient_algorithm .. "_backward_weights", x = e.x[1], dy = e.dy, dw = dw, window = e.window }
      e:unfold(dw)
    end
    if e:wants(1) then
      e:emit { e.op.algorithm .. "_backward_input", dy = e.dy, packed = packed(self, e, true), dx = e:dx(1), window = e.window,
               accumulate = e:accumulates(1) }
    end
    if e.x[2] then e:share(2, e.dy) end
  end,
}
