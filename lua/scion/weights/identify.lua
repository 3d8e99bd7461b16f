--- Which architecture a file's names look like, for the message when it is another than the model's.
local identify = {}

--- How many different matches a pattern has among the names.
local function count(names, pattern)
  local seen, n = {}, 0
  for _, name in ipairs(names) do
    local found = name:match(pattern)
    if found and not seen[found] then seen[found], n = true, n + 1 end
  end
  return n
end

--- Each rule: how the family's names begin, and the name itself or what tells its members apart: a pattern to count.
local rules = {
  { "Mixed_7c", "Inception V3" },
  { "layer4%.%d+%.conv3", "ResNet", "^layer3%.(%d+)%.", { [6] = "50", [23] = "101", [36] = "152" } },
  { "layer4%.%d+%.conv2", "ResNet", "^layer3%.(%d+)%.", { [2] = "18", [6] = "34" } },
  { "layer3%.%d+%.conv2", "a ResNet for CIFAR" },
  { "features%.denseblock3", "DenseNet", "^features%.denseblock3%.(denselayer%d+)%.", { [24] = "121", [36] = "161", [32] = "169", [48] = "201" } },
  { "features%.%d+%.squeeze", "SqueezeNet" },
  { "features%.%d+%.conv%.0%.0", "MobileNet V2" },
  { "features%.%d+%.0%.block%.0%.0", "EfficientNet" },
  { "features%.%d+%.block%.0%.0", "MobileNet V3" },
  { "features%.%d+%.weight", "VGG", "^features%.(%d+)%.weight", { [8] = "11", [10] = "13", [13] = "16", [16] = "19" } },
  { "conv5_block3_out", "ResNet" },
  { "conv5_block32_", "DenseNet" },
  { "conv_dw_%d", "MobileNet V1" },
  { "block_%d+_expand", "MobileNet V2" },
  { "expanded_conv", "MobileNet V2 or V3" },
  { "block%d[a-z]_", "EfficientNet" },
  { "block14_sepconv", "Xception" },
  { "fire%d", "SqueezeNet" },
  { "block5_conv4", "VGG19" },
  { "block5_conv3", "VGG16" },
  { "res5c_", "ResNet50" },
  { "conv5_block%d+_", "ResNet", "^conv4_block(%d+)_", { [6] = "50", [23] = "101", [36] = "152" } },
  { "mixed%d", "Inception V3" },
  { "conv2d_94$", "Inception V3" },
}

--- Names an architecture by the names of its layers or arrays.
---@param names string[]
---@return string? architecture nil where nothing is known by such names
function identify.by_names(names)
  for _, rule in ipairs(rules) do
    local pattern, family, parts, sizes = table.unpack(rule)
    if count(names, "^(" .. pattern .. ")") > 0 then
      local size = parts and sizes[count(names, parts)]
      return family .. (size or "")
    end
  end
end

return identify
