--- timm's names where they differ from torchvision's, as rules of renaming.lua. (timm's ResNets, DenseNets and Inception V3 have torchvision's
--- names.) `convolutions`: dense layers that are convolutions in timm.
local plain = { ["0.0"] = "conv_dw", ["0.1"] = "bn1", ["1"] = "conv_pw", ["2"] = "bn2" }
local expanded = { ["0.0"] = "conv_pw", ["0.1"] = "bn1", ["1.0"] = "conv_dw", ["1.1"] = "bn2", ["2"] = "conv_pwl", ["3"] = "bn3" }
local plain_excited = { ["0.0"] = "conv_dw", ["0.1"] = "bn1", ["1.fc1"] = "se.conv_reduce", ["1.fc2"] = "se.conv_expand", ["2.0"] = "conv_pw",
                        ["2.1"] = "bn2" }
local expanded_excited = { ["0.0"] = "conv_pw", ["0.1"] = "bn1", ["1.0"] = "conv_dw", ["1.1"] = "bn2", ["2.fc1"] = "se.conv_reduce",
                           ["2.fc2"] = "se.conv_expand", ["3.0"] = "conv_pwl", ["3.1"] = "bn3" }

return {
  { -- EfficientNet
    known_by = "conv_stem.weight",
    layers = { ["features.0.0"] = "conv_stem", ["features.0.1"] = "bn1", ["features.8.0"] = "conv_head", ["features.8.1"] = "bn2",
               ["classifier.1"] = "classifier" },
    inside = "block",
    blocks = {
      ["features.1"] = { "blocks.0", plain_excited }, ["features.2"] = { "blocks.1", expanded_excited }, ["features.3"] = { "blocks.2", expanded_excited },
      ["features.4"] = { "blocks.3", expanded_excited }, ["features.5"] = { "blocks.4", expanded_excited },
      ["features.6"] = { "blocks.5", expanded_excited }, ["features.7"] = { "blocks.6", expanded_excited },
    },
  },
  { -- MobileNet V2: torchvision numbers blocks through all stages, timm within each stage
    known_by = "conv_stem.weight",
    layers = { ["features.18.0"] = "conv_head", ["features.18.1"] = "bn2" },
    inside = "conv",
    blocks = {
      ["features.1"] = { "blocks.0.0", plain },
      ["features.2"] = { "blocks.1.0", expanded }, ["features.3"] = { "blocks.1.1", expanded },
      ["features.4"] = { "blocks.2.0", expanded }, ["features.5"] = { "blocks.2.1", expanded }, ["features.6"] = { "blocks.2.2", expanded },
      ["features.7"] = { "blocks.3.0", expanded }, ["features.8"] = { "blocks.3.1", expanded }, ["features.9"] = { "blocks.3.2", expanded },
      ["features.10"] = { "blocks.3.3", expanded },
      ["features.11"] = { "blocks.4.0", expanded }, ["features.12"] = { "blocks.4.1", expanded }, ["features.13"] = { "blocks.4.2", expanded },
      ["features.14"] = { "blocks.5.0", expanded }, ["features.15"] = { "blocks.5.1", expanded }, ["features.16"] = { "blocks.5.2", expanded },
      ["features.17"] = { "blocks.6.0", expanded },
    },
  },
  { -- RegNet
    known_by = "s1.b1.conv1.conv.weight",
    layers = { ["stem.0"] = "stem.conv", ["stem.1"] = "stem.bn", fc = "head.fc" },
    counted = { pattern = "^trunk_output%.block(%d)%.block%d%-(%d+)%.(.+)$", as = "s%d.b%d.%s", stage = 0, block = 1 },
    parts = { ["f.a.0"] = "conv1.conv", ["f.a.1"] = "conv1.bn", ["f.b.0"] = "conv2.conv", ["f.b.1"] = "conv2.bn", ["f.c.0"] = "conv3.conv",
              ["f.c.1"] = "conv3.bn", ["f.se.fc1"] = "se.fc1", ["f.se.fc2"] = "se.fc2", ["proj.0"] = "downsample.conv", ["proj.1"] = "downsample.bn" },
  },
  { -- VGG: its first two dense layers are convolutions in timm
    known_by = "pre_logits.fc1.weight",
    layers = { ["classifier.0"] = "pre_logits.fc1", ["classifier.3"] = "pre_logits.fc2", ["classifier.6"] = "head.fc" },
    convolutions = { ["classifier.0"] = true, ["classifier.3"] = true },
  },
}
