--- augment.invert(p = 0.5)
--- The negative.
---@class scion.augment.invert: scion.AugmentationOptions
---@field p? number the probability that it is applied to an image (0.5)
---@example train = train:with{ augment = { scion.augment.invert() } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "invert",
  kind = "pixels",
  positional = { "p" },
  p = 0.5,
  stages = function() return { { op = "invert" } } end,
}
