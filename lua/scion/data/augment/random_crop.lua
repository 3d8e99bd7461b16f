--- augment.random_crop(padding)
--- Shifts images by whole pixels, up to so many in each direction: a border is put around them, and a part as large as before is cut out.
---@class scion.augment.random_crop: scion.FillOptions
---@field padding integer pixels of the border; from 8 up less than half of the image's height and width
---@field fill? "nearest"|"constant"|"reflect"|"wrap" what the border holds ("constant")
---@example train = train:with{ augment = { scion.augment.random_crop(4) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

local like_a_size = 8 -- from here on a padding may have been meant as the size of what is cut out, as elsewhere

return augmentation.define {
  name = "random_crop",
  kind = "geometry",
  positional = { "padding" },
  schema = { padding = { check.whole(0, 16384), required = true } },
  fills = "constant",
  stages = function(o, size)
    if o.padding >= like_a_size and 2 * o.padding >= math.min(size[1], size[2]) then
      check.raise(("scion.augment.random_crop: a border of %d pixels is too wide for images of %dx%d, most of which it would hide: padding is its width, " ..
                   "as 4, and the result is as large as the image (random_resized_crop cuts parts out)"):format(o.padding, size[1], size[2]))
    end
    local most = o.padding + 0.4999 -- rounded to whole pixels, each as likely as the others
    return { augmentation.affine { right = most / size[2], down = most / size[1], whole = 1 } }
  end,
}
