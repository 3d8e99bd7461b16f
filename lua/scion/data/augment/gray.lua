--- augment.gray(p = 0.1)
--- Takes the colour away.
---@class scion.augment.gray: scion.AugmentationOptions
---@field p? number the probability that it is applied to an image (0.1)
---@example train = train:with{ augment = { scion.augment.gray() } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "gray",
  kind = "colour",
  positional = { "p" },
  p = 0.1,
  stages = function() return { { op = "saturation", low = 0, high = 0 } } end,
}
