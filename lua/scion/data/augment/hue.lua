--- augment.hue(turn)
--- Turns the hue by a part of the circle of colours, from -turn to turn.
---@class scion.augment.hue: scion.AugmentationOptions
---@field turn number largest part of the circle in either direction, from 0 to 0.5
---@example train = train:with{ augment = { scion.augment.hue(0.1) } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "hue",
  kind = "pixels",
  positional = { "turn" },
  schema = { turn = { augmentation.turn, required = true } },
  stages = function(o)
    if o.turn == 0 then return {} end -- through hue and back some colours would change
    return { { op = "hue", low = -o.turn, high = o.turn } }
  end,
}
