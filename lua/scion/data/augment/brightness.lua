--- augment.brightness(factor)
--- Multiplies all values with a factor.
---@class scion.augment.brightness: scion.AugmentationOptions
---@field factor number|number[] {lowest, highest} factor, or z up to 1 for {1 - z, 1 + z}
---@example train = train:with{ augment = { scion.augment.brightness(0.2) } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "brightness",
  kind = "colour",
  positional = { "factor" },
  schema = { factor = { augmentation.amount, required = true } },
  stages = function(o)
    local low, high = augmentation.factors(o.factor)
    return { { op = "brightness", low = low, high = high } }
  end,
}
