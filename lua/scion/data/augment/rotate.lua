--- augment.rotate(degrees)
--- Turns images about their centre, by an angle from -degrees to degrees.
---@class scion.augment.rotate: scion.FillOptions
---@field degrees number largest angle in either direction, in degrees, from 0 to 180
---@example train = train:with{ augment = { scion.augment.rotate(15, { p = 0.5 }) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "rotate",
  kind = "geometry",
  positional = { "degrees" },
  schema = { degrees = { check.number { from = 0, to = 180 }, required = true } },
  fills = true,
  stages = function(o) return { augmentation.affine { rotation = o.degrees } } end,
}
