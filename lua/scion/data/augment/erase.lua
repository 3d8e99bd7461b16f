--- augment.erase{ scale = { 0.02, 0.33 }, ratio = { 0.3, 3.3 }, value = 0 }
--- A random part becomes one value, one colour or noise (cutout; torchvision's RandomErasing).
---@class scion.augment.erase: scion.AugmentationOptions
---@field scale? number[] {smallest, largest} share of the image's area ({0.02, 0.33}); p is 0.5
---@field ratio? number[] {smallest, largest} width of the part, in units of its height ({0.3, 3.3})
---@field value? number|number[]|"noise" 0 to 255, or {red, green, blue} (0)
---@example train = train:with{ augment = { scion.augment.erase() } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

local level = augmentation.levels(255)

return augmentation.define {
  name = "erase",
  kind = "pixels",
  schema = {
    scale = { augmentation.range({ from = 0, to = 1 }, "{ smallest, largest } share of the area, up to 1"), { 0.02, 0.33 }, usual = true },
    ratio = { augmentation.range({ from = 1e-3, to = 1000 }, "{ smallest, largest } ratio of width to height"), { 0.3, 3.3 } },
    value = { check.either(check.either(level, check.one_of "noise"), check.list(level, 3, "a list of three (red, green, blue)"),
                           "a number from 0 to 255, { red, green, blue } or 'noise'"), 0 },
  },
  p = 0.5,
  stages = function(o)
    local v = type(o.value) == "table" and o.value or type(o.value) == "number" and { o.value, o.value, o.value } or { 0, 0, 0 }
    return { { op = "erase", scale_low = o.scale[1], scale_high = o.scale[2], ratio_low = o.ratio[1], ratio_high = o.ratio[2], red = v[1],
               green = v[2], blue = v[3], noise = o.value == "noise" and 1 or 0 } }
  end,
}
