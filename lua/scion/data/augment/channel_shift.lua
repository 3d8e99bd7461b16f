--- augment.channel_shift(levels)
--- Adds a number from -levels to levels to each channel, drawn for each of them.
---@class scion.augment.channel_shift: scion.AugmentationOptions
---@field levels number largest change in either direction, of 255
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "channel_shift",
  kind = "colour",
  positional = { "levels" },
  schema = { levels = { check.number { from = 0, to = 255 }, required = true } },
  stages = function(o) return { { op = "levels", gain_low = 1, gain_high = 1, shift_low = -o.levels, shift_high = o.levels } } end,
}
