--- augment.zoom(factor)
--- Shows a smaller or a larger part of images, with the same factor for both axes.
---@class scion.augment.zoom: scion.FillOptions
---@field factor number|number[] {lowest, highest} factor, or z below 1 for {1 - z, 1 + z}; above 1 shows more, as Keras's does
---@example train = train:with{ augment = { scion.augment.zoom(0.1) } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "zoom",
  kind = "geometry",
  positional = { "factor" },
  schema = { factor = { augmentation.factor({ from = 0.01, to = 100 }, "{ lowest, highest } from 0.01 to 100"), required = true } },
  fills = true,
  stages = function(o)
    local low, high = augmentation.factors(o.factor)
    return { augmentation.affine { zoom_low = low, zoom_high = high, even = 1 } }
  end,
}
