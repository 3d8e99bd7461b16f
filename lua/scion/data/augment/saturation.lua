--- augment.saturation(factor)
--- Between the gray image, which factor 0 gives, and the image, which 1 gives, and beyond.
---@class scion.augment.saturation: scion.AugmentationOptions
---@field factor number|number[] {lowest, highest} factor, or z up to 1 for {1 - z, 1 + z}
---@example train = train:with{ augment = { scion.augment.saturation(0.2) } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "saturation",
  kind = "colour",
  positional = { "factor" },
  schema = { factor = { augmentation.amount, required = true } },
  stages = function(o)
    local low, high = augmentation.factors(o.factor)
    return { { op = "saturation", low = low, high = high } }
  end,
}
