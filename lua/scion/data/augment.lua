--- The augmentation of a data set: checks the options that users write, and converts them to the numbers that the loader takes.
local check = require "scion.check"

local flips = { horizontal = { true, false }, vertical = { false, true }, both = { true, true } }

local amount = check.number { from = 0 }

--- A kind: { lowest, highest }, each number in the range `above`.
local function range(above, what)
  local numbers = check.list(check.number(above), 2, what)
  return check.kind(what, function(value)
    local ok, pair, complaint = numbers.read(value)
    if ok and pair[1] > pair[2] then return false, nil, ("is %s, but %g is above %g"):format(what, pair[1], pair[2]) end
    return ok, pair, complaint
  end)
end

local zoom = range({ above = 0 }, "{ lowest, highest } above 0")

local schema = {
  rotation = { amount, 0 }, width_shift = { amount, 0 }, height_shift = { amount, 0 }, shear = { amount, 0 }, channel_shift = { amount, 0 },
  zoom = { check.either(check.number { from = 0, below = 1 }, zoom), 0 },
  brightness = { range({ from = 0 }, "{ lowest, highest } from 0 up"), { 1, 1 } },
  flip = { check.unless_false(check.one_of("horizontal", "vertical", "both")), false },
  fill = { check.one_of("nearest", "constant", "reflect", "wrap"), "nearest" }, fill_value = { check.number { from = 0, to = 255 }, 0 },
}

--- Random changes of images. Names and meanings are those of Keras's ImageDataGenerator. For each image and epoch a value is drawn
--- uniformly from each range and applied to the resized image.
---@class scion.augment
---@field rotation? number largest angle in either direction, in degrees (0)
---@field width_shift? number largest shift to either side: below 1 a fraction of the width, from 1 up pixels (0)
---@field height_shift? number the same for the height (0)
---@field shear? number largest angle in either direction, in degrees (0)
---@field zoom? number|number[] {lowest, highest} factor, or z below 1 for {1 - z, 1 + z}; drawn for each axis; above 1 shows more (0)
---@field flip? "horizontal"|"vertical"|"both" each with a probability of 1/2 (none)
---@field brightness? number[] {lowest, highest} factor ({1, 1})
---@field channel_shift? number largest change in either direction, in levels of 255; drawn for each channel (0)
---@field fill? "nearest"|"constant"|"reflect"|"wrap" how pixels from outside the image are filled ("nearest")
---@field fill_value? number for fill = "constant", 0 to 255 (0)

local augment = {}

--- Whether these options leave all images unchanged.
local function changes_nothing(o)
  for key, option in pairs(schema) do
    local usual = option[2]
    local low, high = table.unpack(type(o[key]) == "table" and o[key] or { o[key], o[key] })
    local same = o[key] == usual or (low == 1 and high == 1 and (key == "zoom" or key == "brightness")) -- factors: 1 changes nothing
    if not same and key ~= "fill" and key ~= "fill_value" then return false end
  end
  return true
end

local options = check.table_of(schema)

--- A table of these options. It is read as false if it changes no image: then the cache treats the images as not augmented.
augment.kind = { what = options.what, read = function(value)
  local ok, o, complaint, hint = options.read(value)
  if ok and changes_nothing(o) then return true, false end
  return ok, o, complaint, hint
end }

--- The numbers for core.loader. It checks the options again, since users may have changed the table after the data set was made; raises
--- on an unknown option and an invalid value.
---@param given scion.augment
---@param size integer[] {height, width} of the images
---@return table
function augment.numbers(given, size)
  local o = check.argument("a data set", "augment", given, options)
  local low, high = table.unpack(type(o.zoom) == "table" and o.zoom or { 1 - o.zoom, 1 + o.zoom })
  local flip = flips[o.flip] or {}
  return {
    rotation = o.rotation, shear = o.shear, channel_shift = o.channel_shift, fill = o.fill, fill_value = o.fill_value,
    width_shift = o.width_shift < 1 and o.width_shift or o.width_shift / size[2],
    height_shift = o.height_shift < 1 and o.height_shift or o.height_shift / size[1],
    zoom_low = low, zoom_high = high, brightness_low = o.brightness[1], brightness_high = o.brightness[2],
    flip_horizontal = flip[1], flip_vertical = flip[2],
  }
end

return augment
