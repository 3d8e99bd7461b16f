--- ResNeXt (Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks"): a ResNet whose 3x3 convolutions are in groups.
--- 32x4d: 32 groups of 4 channels in the first stage, of twice as many in each of the next.
local family = require "scion.models.resnet_family"

return {
  resnext50_32x4d = family.define("resnext50_32x4d", family.bottleneck(32, 4), { 3, 4, 6, 3 },
    { parameters = 25097128, macs = 4230479872, sha256 = { "7cdf4587", "1a0047aa" } }),
  resnext101_32x8d = family.define("resnext101_32x8d", family.bottleneck(32, 8), { 3, 4, 23, 3 },
    { parameters = 88994216, macs = 16414015488, sha256 = { "8ba56ff5", "110c445d" } }),
  resnext101_64x4d = family.define("resnext101_64x4d", family.bottleneck(64, 4), { 3, 4, 23, 3 },
    { parameters = 83658152, macs = 15460270080, sha256 = { "173b62eb" }, later = true }),
}
