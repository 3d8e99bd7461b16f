--- augment.solarize(threshold = 128)
--- Inverts values that are not below a threshold.
---@class scion.augment.solarize: scion.AugmentationOptions
---@field threshold? number from 0 to 256 (128); p is 0.5
---@example train = train:with{ augment = { scion.augment.solarize(128) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "solarize",
  kind = "pixels",
  positional = { "threshold" },
  schema = { threshold = { check.number { from = 0, to = 256 }, 128 } },
  p = 0.5,
  stages = function(o) return { { op = "solarize", low = o.threshold, high = o.threshold } } end,
}
