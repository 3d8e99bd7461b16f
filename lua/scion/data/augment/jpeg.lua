--- augment.jpeg{ quality = { 30, 95 } }
--- What saving as JPEG leaves of an image.
---@class scion.augment.jpeg: scion.AugmentationOptions
---@field quality? integer[] {lowest, highest}, 1 to 100 ({30, 95})
---@example train = train:with{ augment = { scion.augment.jpeg{ quality = { 40, 90 } } } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

local qualities = check.list(check.whole(1, 100), 2, "{ lowest, highest } quality, 1 to 100")

return augmentation.define {
  name = "jpeg",
  kind = "pixels",
  schema = { quality = { augmentation.ordered(qualities), { 30, 95 }, usual = true } },
  stages = function(o) return { { op = "jpeg", low = o.quality[1], high = o.quality[2] } } end,
}
