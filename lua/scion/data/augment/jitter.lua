--- augment.jitter{ brightness = 0, contrast = 0, saturation = 0, hue = 0 }
--- Changes of brightness, contrast, saturation and hue, in an order that is drawn, as torchvision's ColorJitter. Those that follow each other
--- without the hue between them are done at once: nothing is clipped in between. At least one of them is to be given.
---@class scion.augment.jitter: scion.AugmentationOptions
---@field brightness? number|number[] as for augment.brightness (0)
---@field contrast? number|number[] as for augment.contrast (0)
---@field saturation? number|number[] as for augment.saturation (0)
---@field hue? number as for augment.hue (0)
---@example train = train:with{ augment = { scion.augment.jitter{ brightness = 0.2, contrast = 0.2 } } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

return augmentation.define {
  name = "jitter",
  kind = "pixels",
  schema = {
    brightness = { augmentation.amount, 0, usual = true }, contrast = { augmentation.amount, 0 }, saturation = { augmentation.amount, 0 },
    hue = { augmentation.turn, 0 },
  },
  check = function(where, o)
    for _, name in ipairs { "brightness", "contrast", "saturation", "hue" } do
      if o[name] ~= 0 then return end
    end
    check.raise(where .. ": it changes nothing: say what, as in jitter{ brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1 }")
  end,
  stages = function(o)
    local members = {}
    for _, name in ipairs { "brightness", "contrast", "saturation", "hue" } do
      if o[name] ~= 0 then members[#members + 1] = augmentation.stages_of(name, { o[name] })[1] end
    end
    return augmentation.some_of(members, #members)
  end,
}
