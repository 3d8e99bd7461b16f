--- Names in the package transformers of Hugging Face, where its networks compute what those here do. `rules`: see renaming.lua; `variant`: of
--- scion.models, where it is not torchvision's. `families`: what is read, in words. `usual`: by the beginning of a class's name, the options in
--- its config.json that do not show in the weights, with the values that networks here have.
local function unit(name, conv, norm) return { [conv] = name .. ".convolution", [norm] = name .. ".normalization" } end

local function joined(...)
  local all = {}
  for _, names in ipairs { ... } do
    for theirs, name in pairs(names) do all[theirs] = name end
  end
  return all
end

--- The parts of RegNet's blocks: with squeeze-and-excite, that is layer 2 of them.
local function regnet(last) return joined(unit("layer.0", "f.a.0", "f.a.1"), unit("layer.1", "f.b.0", "f.b.1"), unit("layer." .. last, "f.c.0", "f.c.1"),
  unit("shortcut", "proj.0", "proj.1"), { ["f.se.fc1"] = "layer.2.attention.0", ["f.se.fc2"] = "layer.2.attention.2" }) end

local regnet_stem = joined(unit("embedder.embedder", "stem.0", "stem.1"), { fc = "classifier.1" })
local regnet_blocks = { pattern = "^trunk_output%.block(%d)%.block%d%-(%d+)%.(.+)$", as = "encoder.stages.%d.layers.%d.%s", stage = -1, block = 0 }

local expanded = joined(unit("expand_1x1", "0.0", "0.1"), unit("conv_3x3", "1.0", "1.1"), unit("reduce_1x1", "2", "3"))
local mobilenet_blocks = { ["features.1"] = { "conv_stem", joined(unit("conv_3x3", "0.0", "0.1"), unit("reduce_1x1", "1", "2")) } }
for i = 2, 17 do mobilenet_blocks["features." .. i] = { "layer." .. i - 2, expanded } end

return {
  rules = {
    { -- ResNet
      known_by = "embedder.embedder.convolution.weight",
      layers = joined(unit("embedder.embedder", "conv1", "bn1"), { fc = "classifier.1" }),
      counted = { pattern = "^layer(%d)%.(%d+)%.(.+)$", as = "encoder.stages.%d.layers.%d.%s", stage = -1, block = 0 },
      parts = joined(unit("layer.0", "conv1", "bn1"), unit("layer.1", "conv2", "bn2"), unit("layer.2", "conv3", "bn3"),
        unit("shortcut", "downsample.0", "downsample.1")),
    },
    { known_by = "encoder.stages.0.layers.0.layer.2.attention.0.weight", layers = regnet_stem, counted = regnet_blocks, parts = regnet(3) }, -- RegNet Y
    { known_by = "embedder.embedder.convolution.weight", layers = regnet_stem, counted = regnet_blocks, parts = regnet(2) }, -- RegNet X
    { -- MobileNet V2, which pads and normalizes as TensorFlow's
      known_by = "conv_stem.first_conv.convolution.weight",
      variant = "keras",
      layers = joined(unit("conv_stem.first_conv", "features.0.0", "features.0.1"), unit("conv_1x1", "features.18.0", "features.18.1"),
        { ["classifier.1"] = "classifier" }),
      inside = "conv",
      blocks = mobilenet_blocks,
    },
  },
  families = "ResNet, RegNet and MobileNetV2",
  types = { resnet = "ResNet", regnet = "RegNet", mobilenet_v2 = "MobileNetV2" }, -- by config.json's model_type
  usual = {
    ResNet = { hidden_act = "relu", downsample_in_bottleneck = false, downsample_in_first_stage = false },
    RegNet = { hidden_act = "relu", downsample_in_first_stage = true },
    MobileNetV2 = { hidden_act = "relu6", tf_padding = true, layer_norm_eps = 0.001, output_stride = 32 },
  },
}
