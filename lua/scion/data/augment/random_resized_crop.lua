--- augment.random_resized_crop{ scale = { 0.08, 1 }, ratio = { 3/4, 4/3 } }
--- A random part of the image becomes the whole, as torchvision's RandomResizedCrop draws it: of ten parts the first that fits, else the
--- middle. It is resized once, from the photograph. A data set keeps no decoded images then (`memory`): each epoch needs another part.
---@class scion.augment.random_resized_crop: scion.AugmentationOptions
---@field scale? number[] {smallest, largest} share of the image's area ({0.08, 1})
---@field ratio? number[] {smallest, largest} width of the part, in units of its height ({3/4, 4/3})
---@example train = train:with{ augment = { scion.augment.random_resized_crop() } }
local augmentation = require "scion.data.augmentation"

return augmentation.define {
  name = "random_resized_crop",
  kind = "geometry",
  schema = {
    scale = { augmentation.range({ from = 1e-6, to = 1 }, "{ smallest, largest } share of the area, up to 1"), { 0.08, 1 }, usual = true },
    ratio = { augmentation.range({ from = 1e-3, to = 1000 }, "{ smallest, largest } ratio of width to height"), { 3 / 4, 4 / 3 } },
  },
  stages = function(o)
    return { { op = "crop", scale_low = o.scale[1], scale_high = o.scale[2], ratio_low = o.ratio[1], ratio_high = o.ratio[2] } }
  end,
}
