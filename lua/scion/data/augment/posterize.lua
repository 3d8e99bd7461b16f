--- augment.posterize(bits = 4)
--- Keeps the upper bits of each value.
---@class scion.augment.posterize: scion.AugmentationOptions
---@field bits? integer how many of the 8 of a value, 1 to 8: 4 leave 16 levels (4); p is 0.5
---@example train = train:with{ augment = { scion.augment.posterize(4) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "posterize",
  kind = "pixels",
  positional = { "bits" },
  schema = { bits = { augmentation.unit(check.whole(1, 8), "it is how many of a value's 8 bits stay: 4 leave 16 levels"), 4 } },
  p = 0.5,
  stages = function(o) return { { op = "posterize", low = o.bits, high = o.bits } } end,
}
