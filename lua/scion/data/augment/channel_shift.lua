--- augment.channel_shift(levels)
--- Adds a number from -levels to levels, the same to all channels, and keeps within the image's own range, as Keras does.
---@class scion.augment.channel_shift: scion.AugmentationOptions
---@field levels number largest change in either direction, of 255
---@example train = train:with{ augment = { scion.augment.channel_shift(20) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "channel_shift",
  kind = "pixels",
  positional = { "levels" },
  schema = { levels = { check.number { from = 0, to = 255 }, required = true } },
  stages = function(o) return { { op = "channel_shift", low = -o.levels, high = o.levels } } end,
}
