--- augment.translate(x, y = x)
--- Shifts images to a side and up or down.
---@class scion.augment.translate: scion.FillOptions
---@field x number largest shift to either side, as a fraction of the width, from 0 to 1
---@field y? number largest shift up or down, as a fraction of the height (x)
---@example train = train:with{ augment = { scion.augment.translate(0.1) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

local fraction = augmentation.unit(check.number { from = 0, to = 1 }, "it is a fraction of the image: 20 of 224 pixels are 0.09")

return augmentation.define {
  name = "translate",
  kind = "geometry",
  positional = { "x", "y" },
  schema = { x = { fraction, required = true }, y = { fraction } },
  fills = true,
  stages = function(o) return { augmentation.affine { right = o.x, down = o.y or o.x } } end,
}
