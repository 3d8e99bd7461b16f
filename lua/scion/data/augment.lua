--- The augmentation of a data set, from what users write to the numbers that the loader draws from.
local check = require "scion.check"
local options = require "scion.options"

local fills = { nearest = true, constant = true, reflect = true, wrap = true }
local flips = { horizontal = { true, false }, vertical = { false, true }, both = { true, true } }

--- Names and meanings are those of Keras's ImageDataGenerator; every range is drawn from uniformly, once for each image and
--- epoch, after the image was resized.
---@class scion.augment
---@field rotation? number degrees, both ways
---@field width_shift? number both ways: a fraction of the width, or from 1 on pixels
---@field height_shift? number
---@field shear? number degrees, both ways
---@field zoom? number|number[] z for {1 - z, 1 + z}, or {lowest, highest}; drawn for each axis, above 1 shows more
---@field flip? "horizontal"|"vertical"|"both" in half of the images
---@field brightness? number[] {lowest, highest} factor
---@field channel_shift? number levels of 255, both ways, drawn for each channel
---@field fill? "nearest"|"constant"|"reflect"|"wrap" what lies outside the image ("nearest")
---@field fill_value? number for "constant" (0)

---@param where string the function that was given it
---@param given scion.augment
---@param size integer[] {height, width} of the images
---@return table numbers for core.loader
---Raises for an unknown option or one that makes no sense.
return function(where, given, size)
  where = where .. ": augment"
  local o = options.check(where, given, { "flip", rotation = 0, width_shift = 0, height_shift = 0, shear = 0, zoom = 0,
                                          brightness = { 1, 1 }, channel_shift = 0, fill = "nearest", fill_value = 0 }, 0)
  local function want(condition, name, text)
    if not condition then check.raise(("%s: '%s' is %s"):format(where, name, text)) end
  end
  for _, name in ipairs{ "rotation", "width_shift", "height_shift", "shear", "channel_shift", "fill_value" } do
    want(math.type(o[name]) and o[name] >= 0 and o[name] < math.huge, name, "a number from 0 up")
  end
  local zoom = math.type(o.zoom) and { 1 - o.zoom, 1 + o.zoom } or o.zoom
  want(type(zoom) == "table" and math.type(zoom[1]) and math.type(zoom[2]) and zoom[1] > 0 and zoom[2] >= zoom[1], "zoom",
       "a number below 1 or {lowest, highest} above 0")
  local brightness = o.brightness
  want(type(brightness) == "table" and math.type(brightness[1]) and math.type(brightness[2]) and brightness[1] >= 0
       and brightness[2] >= brightness[1], "brightness", "{lowest, highest} from 0 up")
  want(fills[o.fill], "fill", "'nearest', 'constant', 'reflect' or 'wrap'")
  want(o.flip == nil or flips[o.flip], "flip", "'horizontal', 'vertical' or 'both'")
  local flip = flips[o.flip] or {}
  return {
    rotation = o.rotation, shear = o.shear, channel_shift = o.channel_shift, fill = o.fill, fill_value = o.fill_value,
    width_shift = o.width_shift < 1 and o.width_shift or o.width_shift / size[2],
    height_shift = o.height_shift < 1 and o.height_shift or o.height_shift / size[1],
    zoom_low = zoom[1], zoom_high = zoom[2], brightness_low = brightness[1], brightness_high = brightness[2],
    flip_horizontal = flip[1], flip_vertical = flip[2],
  }
end
