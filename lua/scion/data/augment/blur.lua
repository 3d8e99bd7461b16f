--- augment.blur{ sigma = { 0.1, 2 } }
--- A Gaussian blur.
---@class scion.augment.blur: scion.AugmentationOptions
---@field sigma? number[] {smallest, largest} standard deviation, in pixels of the result, up to 100 ({0.1, 2})
---@example train = train:with{ augment = { scion.augment.blur{ sigma = { 0.1, 2 } } } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "blur",
  kind = "pixels",
  schema = { sigma = { augmentation.range({ from = 0.01, to = 100 }, "{ smallest, largest } standard deviation, 0.01 to 100 pixels"), { 0.1, 2 }, usual = true } },
  stages = function(o) return { { op = "blur", low = o.sigma[1], high = o.sigma[2] } } end,
}
