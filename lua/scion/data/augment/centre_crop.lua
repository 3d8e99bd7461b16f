--- augment.centre_crop(part = 0.875)
--- The middle of the image becomes the whole: the largest part that has the shape of the result, and of that the middle. 0.875 is what a
--- resize to 256 and a crop of 224 give.
---@class scion.augment.centre_crop: scion.AugmentationOptions
---@field part? number what is kept of the largest part's width and height, above 0 up to 1 (0.875)
---@example train = train:with{ augment = { scion.augment.centre_crop(0.875) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "centre_crop",
  kind = "geometry",
  positional = { "part" },
  schema = { part = { check.number { from = 1e-3, to = 1 }, 0.875 } },
  stages = function(o) return { { op = "centre", part = o.part } } end,
}
