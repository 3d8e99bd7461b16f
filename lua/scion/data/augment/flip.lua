--- augment.flip(direction = "horizontal")
--- Mirrors images.
---@class scion.augment.flip: scion.AugmentationOptions
---@field direction? "horizontal"|"vertical" left and right change places, or top and bottom ("horizontal"); p is 0.5
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "flip",
  kind = "geometry",
  positional = { "direction" },
  schema = { direction = { check.one_of("horizontal", "vertical"), "horizontal" } },
  p = 0.5,
  stages = function(o)
    return { augmentation.affine { flip_horizontal = o.direction == "horizontal" and 1 or 0, flip_vertical = o.direction == "vertical" and 1 or 0 } }
  end,
}
