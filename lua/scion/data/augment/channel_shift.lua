--- augment.channel_shift(levels)
--- Adds a number from -levels to levels, the same to all channels, and keeps within the image's own range, as Keras does.
---@class scion.augment.channel_shift: scion.AugmentationOptions
---@field levels number largest change in either direction, in levels of pixels, which are 0 to 255
---@example train = train:with{ augment = { scion.augment.channel_shift(20) } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "channel_shift",
  kind = "pixels",
  positional = { "levels" },
  schema = { levels = { augmentation.levels(255), required = true } },
  stages = function(o) return { { op = "channel_shift", low = -o.levels, high = o.levels } } end,
}
