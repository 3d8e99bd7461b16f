--- augment.shear(degrees)
--- Slants images sideways, by an angle from -degrees to degrees, as Keras does.
---@class scion.augment.shear: scion.FillOptions
---@field degrees number largest angle in either direction, in degrees, from 0 to 80
---@example train = train:with{ augment = { scion.augment.shear(10) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "shear",
  kind = "geometry",
  positional = { "degrees" },
  schema = { degrees = { check.number { from = 0, to = 80 }, required = true } },
  fills = true,
  stages = function(o) return { augmentation.affine { shear = o.degrees } } end,
}
