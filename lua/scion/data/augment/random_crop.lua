--- augment.random_crop(padding)
--- Shifts images by whole pixels, up to so many in each direction: a border is put around them, and a part as large as before is cut out.
---@class scion.augment.random_crop: scion.FillOptions
---@field padding integer pixels of the border
---@field fill? "nearest"|"constant"|"reflect"|"wrap" what the border holds ("constant")
---@example train = train:with{ augment = { scion.augment.random_crop(4) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "random_crop",
  kind = "geometry",
  positional = { "padding" },
  schema = { padding = { check.whole(0, 16384), required = true } },
  fills = "constant",
  stages = function(o, size)
    local most = o.padding + 0.4999 -- rounded to whole pixels, each as likely as the others
    return { augmentation.affine { right = most / size[2], down = most / size[1], whole = 1 } }
  end,
}
