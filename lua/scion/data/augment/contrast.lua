--- augment.contrast(factor)
--- Moves all values away from the mean of the gray image, or towards it: factor 0 gives that gray, 1 the image.
---@class scion.augment.contrast: scion.AugmentationOptions
---@field factor number|number[] {lowest, highest} factor, or z up to 1 for {1 - z, 1 + z}
---@example train = train:with{ augment = { scion.augment.contrast(0.2) } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "contrast",
  kind = "colour",
  positional = { "factor" },
  schema = { factor = { augmentation.amount, required = true } },
  stages = function(o)
    local low, high = augmentation.factors(o.factor)
    return { { op = "contrast", low = low, high = high } }
  end,
}
