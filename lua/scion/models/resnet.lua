--- ResNet (He et al. 2015, "Deep Residual Learning for Image Recognition").
local family = require "scion.models.resnet_family"

local bottleneck = family.bottleneck(1, 64)

return {
  resnet18 = family.define("resnet18", family.basic, { 2, 2, 2, 2 }, { parameters = 11699112, macs = 1814073344, sha256 = { "f37072fd" } }),
  resnet34 = family.define("resnet34", family.basic, { 3, 4, 6, 3 }, { parameters = 21814696, macs = 3663761408, sha256 = { "b627a593" } }),
  resnet50 = family.define("resnet50", bottleneck, { 3, 4, 6, 3 }, { parameters = 25610152, macs = 4089184256, sha256 = { "0676ba61", "11ad3fa6" } }),
  resnet101 = family.define("resnet101", bottleneck, { 3, 4, 23, 3 },
    { parameters = 44654504, macs = 7801405440, sha256 = { "63fe2227", "cd907fc2" } }),
  resnet152 = family.define("resnet152", bottleneck, { 3, 8, 36, 3 },
    { parameters = 60344232, macs = 11513626624, sha256 = { "394f9c45", "f82ba261" } }),
}
