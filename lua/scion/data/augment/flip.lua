--- augment.flip(direction = "horizontal")
--- Mirrors images.
---@class scion.augment.flip: scion.AugmentationOptions
---@field direction? "horizontal"|"vertical"|"both" left and right change places, or top and bottom, or each with the probability p of its own
--- ("horizontal"); p is 0.5
---@example train = train:with{ augment = { scion.augment.flip() } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "flip",
  kind = "geometry",
  positional = { "direction" },
  schema = { direction = { check.one_of("horizontal", "vertical", "both"), "horizontal" } },
  p = 0.5,
  stages = function(o)
    local stages = {}
    if o.direction ~= "vertical" then stages[1] = augmentation.affine { flip_horizontal = 1 } end
    if o.direction ~= "horizontal" then stages[#stages + 1] = augmentation.affine { flip_vertical = 1 } end
    stages[#stages].p = o.p -- the second draws for itself, as the first does
    return stages
  end,
}
