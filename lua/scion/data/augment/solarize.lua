--- augment.solarize(threshold = 128)
--- Inverts values that are not below a threshold.
---@class scion.augment.solarize: scion.AugmentationOptions
---@field threshold? number a level of pixels, which are 0 to 255: from 0, which inverts all, to 256, which inverts none (128); p is 0.5
---@example train = train:with{ augment = { scion.augment.solarize(128) } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "solarize",
  kind = "pixels",
  positional = { "threshold" },
  schema = { threshold = { augmentation.levels(256), 128 } },
  p = 0.5,
  stages = function(o) return { { op = "solarize", low = o.threshold, high = o.threshold } } end,
}
