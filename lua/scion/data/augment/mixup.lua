--- augment.mixup{ alpha = 0.2 }
--- Each image of a batch is blended with another one of it, and so are their targets: a class becomes shares of two classes (Zhang et al.
--- 2017). The share is drawn for each batch from the Beta distribution of alpha and alpha. For classes the network ends in softmax.
---@class scion.augment.mixup
---@field alpha? number above 0, up to 2: the larger, the more equal the shares (0.2)
---@example train = train:with{ augment = { scion.augment.mixup() } }
local augmentation = require "scion.data.augmentation"
local core = require "scion.core"
local mixing = require "scion.data.mixing"

return augmentation.define {
  name = "mixup",
  kind = "batch",
  schema = { alpha = { mixing.alpha, 0.2, usual = true } },
  p = false,
  apply = function(o, batch, draw)
    mixing.tell_alone("scion.augment.mixup", draw)
    local share, partners = mixing.share(draw, o.alpha), mixing.partners(draw, #batch)
    batch.x = core.mixup(batch.x, partners, share)
    batch.y = mixing.targets("scion.augment.mixup", batch, draw, partners, share)
    return batch
  end,
}
