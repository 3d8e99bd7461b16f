--- augment.trivial_augment()
--- TrivialAugment (Müller and Hutter 2021) with torchvision's fourteen operations: one of them is drawn for each image, and one of 31 strengths.
--- Interpolation and what lies outside are as for RandAugment.
---@class scion.augment.trivial_augment: scion.FillOptions
---@example train = train:with{ augment = { scion.augment.trivial_augment() } }
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
        slant = 0.99 * m, right = 32 * m // 1 / size[2], down = 32 * m // 1 / size[1], rotation = 135 * m, factor = 0.99 * m,
        bits = 8 - math.floor(magnitude / 5 + 0.5), threshold = 255 * (1 - m), size = size,
      }
      table.move(those, 1, #those, #members + 1, members)
    end
    return augmentation.some_of(members, 1, true)
  end,
}
