--- nn.pad_channels(before, after)
--- Channels of zeros before and after those of the input. With nn.max_pool(1, { stride = 2 }), which takes every other pixel, it makes the
--- shortcut without weights of the ResNets for CIFAR ("option A" of He et al. 2015).
---@class scion.nn.pad_channels: scion.LayerOptions
---@field before integer number of channels of zeros before the input's, from 0 up
---@field after integer number of channels of zeros after the input's, from 0 up
---@example scion.nn.pad_channels(2, 2)
local check = require "scion.check"
local layer = require "scion.layer"
local shape = require "scion.shape"
local value = require "scion.ir.value"

local count = check.whole(0, shape.largest_size)

return layer.define {
  kind = "pad_channels",
  positional = { "before", "after" },
  schema = { before = { count, required = true }, after = { count, required = true } },
  bf16 = "carries",

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local out = { table.unpack((...)) }
    out[#out] = self.options.before + out[#out] + self.options.after
    return out
  end,

  forward = function(self, e) e:emit { "pad_channels", x = e.x[1], y = e.y, before = self.options.before } end,

  backward = function(self, e)
    local shape_of_x = e.op.inputs[1].shape
    e:share(1, value.slice(e.dy, self.options.before, shape_of_x[#shape_of_x]))
  end,
}
