--- augment.trivial_augment()
--- TrivialAugment (Müller and Hutter 2021) with torchvision's fourteen operations: one of them is drawn for each image, and one of 31 strengths.
--- Interpolation is bilinear, and turns are about the centre.
---@class scion.augment.trivial_augment: scion.FillOptions
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "trivial_augment",
  kind = "pixels",
  fills = true,
  stages = function(_, size)
    local members = {}
    for magnitude = 0, 30 do
      local m = magnitude / 30
      local those = augmentation.fourteen {
        slant = 0.99 * m, right = 32 / size[2] * m, down = 32 / size[1] * m, rotation = 135 * m, factor = 0.99 * m,
        bits = 8 - math.floor(magnitude / 5 + 0.5), threshold = 255 * (1 - m), size = size,
      }
      table.move(those, 1, #those, #members + 1, members)
    end
    return augmentation.some_of(members, 1, true)
  end,
}
