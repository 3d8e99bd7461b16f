--- augment.rand_augment{ count = 2, magnitude = 9 }
--- RandAugment (Cubuk et al. 2019) with torchvision's fourteen operations: `count` of them are drawn for each image, and all are applied with
--- the same strength. Interpolation is bilinear (torchvision's default is the nearest pixel),
--- and what lies outside is the edge's (there black).
---@class scion.augment.rand_augment: scion.FillOptions
---@field count? integer how many, 1 to 14 (2)
---@field magnitude? integer their strength, 0 to 30 (9)
---@example train = train:with{ augment = { scion.augment.rand_augment{ count = 2, magnitude = 9 } } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "rand_augment",
  kind = "pixels",
  schema = { count = { check.whole(1, 14), 2, usual = true }, magnitude = { check.whole(0, 30), 9 } },
  fills = true,
  stages = function(o, size)
    local m = o.magnitude / 30
    local function shift(length) return 150 / 331 * m * length // 1 / length end -- whole pixels
    local members = augmentation.fourteen {
      slant = 0.3 * m, right = shift(size[2]), down = shift(size[1]), rotation = 30 * m, factor = 0.9 * m,
      bits = 8 - math.floor(o.magnitude / 7.5 + 0.5), threshold = 255 * (1 - m), size = size,
    }
    return augmentation.some_of(members, o.count, true)
  end,
}
