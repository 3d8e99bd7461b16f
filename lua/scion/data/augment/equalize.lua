--- augment.equalize(p = 0.5)
--- Makes all values of each channel about as frequent.
---@class scion.augment.equalize: scion.AugmentationOptions
---@field p? number the probability that it is applied to an image (0.5)
---@example train = train:with{ augment = { scion.augment.equalize() } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "equalize",
  kind = "pixels",
  positional = { "p" },
  p = 0.5,
  stages = function() return { { op = "equalize" } } end,
}
