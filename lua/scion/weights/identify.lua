--- Which architecture a file looks like, by its convolutions or else by its names, for the message when it is another than the model's.
local identify = {}

--- Architectures of scion.models by the kernels that they have without their top: how many there are, and how many numbers in them. A
--- spec compares this with the networks themselves.
local by_kernels = {
  ["5 2468544"] = "alexnet",
  ["120 6870208"] = "densenet121", ["168 12326080"] = "densenet169", ["200 17863872"] = "densenet201",
  ["81 3956192"] = "efficientnet_b0",
  ["244 54200160"] = "inception_resnet_v2",
  ["94 21751136"] = "inception_v3",
  ["27 207600"] = "mobilenet with width = 0.25", ["27 807648"] = "mobilenet with width = 0.5", ["27 1800144"] = "mobilenet with width = 0.75",
  ["27 3185088"] = "mobilenet",
  ["52 382048"] = "mobilenet_v2 with width = 0.35", ["52 669136"] = "mobilenet_v2 with width = 0.5",
  ["52 1328784"] = "mobilenet_v2 with width = 0.75", ["52 2189760"] = "mobilenet_v2", ["52 3677536"] = "mobilenet_v2 with width = 1.3",
  ["52 4267840"] = "mobilenet_v2 with width = 1.4",
  ["356 4196240"] = "nasnet_mobile",
  ["20 11166912"] = "resnet18", ["36 21267648"] = "resnet34", ["53 23454912"] = "resnet50", ["104 42394816"] = "resnet101",
  ["155 57992384"] = "resnet152",
  ["25 732448"] = "squeezenet1_0", ["25 719552"] = "squeezenet1_1",
  ["13 14710464"] = "vgg16", ["16 20018880"] = "vgg19",
  ["74 20752424"] = "xception",
}

--- The architecture whose kernels these are. torchvision's heads do not count; in Keras's order the last kernel may be the classifier's.
local function of_kernels(arrays)
  local count, elements, last = 0, 0, 0
  for _, a in ipairs(arrays) do
    if #a.shape == 4 and not a.name:find "^AuxLogits%." and not a.name:find "^classifier%." then
      last = a.shape[1] * a.shape[2] * a.shape[3] * a.shape[4]
      count, elements = count + 1, elements + last
    end
  end
  return by_kernels[("%d %d"):format(count, elements)] or by_kernels[("%d %d"):format(count - 1, elements - last)]
end

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

--- Names an architecture, as scion.models does where it has it.
---@param arrays { name: string, shape: integer[] }[] a file's arrays; a name may be that of the layer
---@param publisher "keras"|"torchvision" whose names they have
---@return string? architecture
function identify.architecture(arrays, publisher)
  local found, names = of_kernels(arrays), {}
  if found then return (publisher == "keras" and found:gsub("^resnet", "keras_resnet") or found) end
  for i, a in ipairs(arrays) do names[i] = a.name end
  return identify.by_names(names)
end

return identify
