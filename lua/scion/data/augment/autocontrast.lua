--- augment.autocontrast(p = 0.5)
--- Stretches each channel: its lowest value becomes 0, its highest 255.
---@class scion.augment.autocontrast: scion.AugmentationOptions
---@field p? number the probability that it is applied to an image (0.5)
---@example train = train:with{ augment = { scion.augment.autocontrast() } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "autocontrast",
  kind = "pixels",
  positional = { "p" },
  p = 0.5,
  stages = function() return { { op = "autocontrast" } } end,
}
