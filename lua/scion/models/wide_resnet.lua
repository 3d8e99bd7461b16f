--- Wide ResNet (Zagoruyko and Komodakis 2016, "Wide Residual Networks") as torchvision builds it: a ResNet whose 3x3 convolutions have twice
--- the channels.
local family = require "scion.models.resnet_family"

local bottleneck = family.bottleneck(1, 128)

return {
  wide_resnet50_2 = family.define("wide_resnet50_2", bottleneck, { 3, 4, 6, 3 },
    { parameters = 68951464, macs = 11398021120, sha256 = { "95faca4d", "9ba9bcbe" } }),
  wide_resnet101_2 = family.define("wide_resnet101_2", bottleneck, { 3, 4, 23, 3 },
    { parameters = 127024552, macs = 22753050624, sha256 = { "32ee1156", "d733dc28" } }),
}
