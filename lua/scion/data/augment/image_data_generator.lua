--- augment.image_data_generator{ rotation = 0, width_shift = 0, height_shift = 0, shear = 0, zoom = 0, … }
--- The changes of Keras's ImageDataGenerator, by its names and with its meaning: from each range a value is drawn uniformly, and all are
--- applied at once to the resized image. `augment = { shear = … }` is this alone.
---@class scion.augment.image_data_generator
---@field rotation? number largest angle in either direction, in degrees (0)
---@field width_shift? number largest shift to either side: below 1 a fraction of the width, from 1 up pixels (0)
---@field height_shift? number the same for the height (0)
---@field shear? number largest angle in either direction, in degrees (0)
---@field zoom? number|number[] {lowest, highest} factor, or z below 1 for {1 - z, 1 + z}; drawn for each axis; above 1 shows more (0)
---@field flip? "horizontal"|"vertical"|"both" each with a probability of 1/2 (none)
---@field brightness? number[] {lowest, highest} factor ({1, 1})
---@field channel_shift? number largest change in either direction, in levels of 255, within the image's own range (0)
---@field fill? "nearest"|"constant"|"reflect"|"wrap" how pixels from outside the image are filled ("nearest")
---@field fill_value? number for fill = "constant", a level from 0 to 255 (0)
---@example train = train:with{ augment = { scion.augment.image_data_generator{ rotation = 20, zoom = 0.2, flip = "horizontal" } } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

local amount = check.number { from = 0, to = 1e6 }
local flips = { horizontal = { 0.5, 0 }, vertical = { 0, 0.5 }, both = { 0.5, 0.5 } }

-- a shift as a fraction of the size
local function fraction(shift, size) return shift < 1 and shift or shift / size end

return augmentation.define {
  name = "image_data_generator",
  kind = "geometry", -- and colour
  fills = true,
  p = false,
  schema = {
    rotation = { amount, 0 }, width_shift = { amount, 0 }, height_shift = { amount, 0 }, shear = { amount, 0 },
    channel_shift = { augmentation.levels(1e6), 0 },
    zoom = { augmentation.factor({ above = 0, to = 1e6 }, "{ lowest, highest } above 0, up to 1e6"), 0 },
    brightness = { augmentation.range({ from = 0, to = 1e6 }, "{ lowest, highest } from 0 up to 1e6"), { 1, 1 } },
    flip = { check.unless_false(check.one_of("horizontal", "vertical", "both")), false },
  },

  stages = function(o, size)
    local low, high = augmentation.factors(o.zoom)
    local flip = flips[o.flip] or { 0, 0 }
    local affine = augmentation.affine {
      rotation = o.rotation, right = fraction(o.width_shift, size[2]), down = fraction(o.height_shift, size[1]), shear = o.shear,
      zoom_low = low, zoom_high = high, flip_horizontal = flip[1], flip_vertical = flip[2], antialias = 0,
    }
    local stages = { affine } -- it draws eight words, and four are one count
    if o.channel_shift > 0 then stages[2] = { op = "channel_shift", low = -o.channel_shift, high = o.channel_shift, counter = 3 } end
    stages[#stages + 1] = { op = "brightness", low = o.brightness[1], high = o.brightness[2], counter = 2 }
    return stages
  end,
}
