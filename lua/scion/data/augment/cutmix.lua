--- augment.cutmix{ alpha = 1 }
--- A box of each image of a batch is taken from another image of it, and their targets are mixed by the share of the area: a class becomes
--- shares of two classes (Yun et al. 2019). The box is drawn for each batch; its share of the area is one from the Beta distribution of alpha
--- and alpha, less what lies outside. For classes the network ends in softmax.
---@class scion.augment.cutmix
---@field alpha? number above 0, up to 2: the larger, the more equal the shares (1)
---@example train = train:with{ augment = { scion.augment.cutmix() } }
local augmentation = require "scion.data.augmentation"
local core = require "scion.core"
local mixing = require "scion.data.mixing"

return augmentation.define {
  name = "cutmix",
  kind = "batch",
  schema = { alpha = { mixing.alpha, 1.0, usual = true } },
  p = false,
  apply = function(o, batch, draw)
    mixing.tell_alone("scion.augment.cutmix", draw)
    local shape, place = batch.x:shape(), mixing.numbers(draw, 3, 2)
    local row, column = math.floor(place[1] * shape[2]), math.floor(place[2] * shape[3])
    local partners = mixing.partners(draw, #batch)
    local x, kept = core.cutmix(batch.x, partners, mixing.share(draw, o.alpha), row, column)
    batch.x, batch.y = x, mixing.targets("scion.augment.cutmix", batch, draw, partners, kept)
    return batch
  end,
}
