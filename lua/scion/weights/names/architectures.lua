--- timm's networks that scion.models has, and those whose weights have the same names and shapes but that compute something else. Each
--- entry: the architecture in scion.models, its variant, and `width` where it is not 1. `but`: how the network differs from ours; its
--- weights would predict something else here. `preprocess`: how images are preprocessed for these weights, where only that differs.
--- spec/fixtures/weights/make_architectures.py looks for networks that are missing here.
local blurs, averages = "blurs before it takes every other pixel", "averages before it takes every other pixel"

local networks = {
  resnet18 = { "resnet18", "torchvision" }, resnet34 = { "resnet34", "torchvision" }, resnet50 = { "resnet50", "torchvision" },
  resnet101 = { "resnet101", "torchvision" }, resnet152 = { "resnet152", "torchvision" },
  resnetblur18 = { "resnet18", "torchvision", but = blurs }, resnetblur50 = { "resnet50", "torchvision", but = blurs },
  resnetaa50 = { "resnet50", "torchvision", but = averages },

  resnext50_32x4d = { "resnext50_32x4d", "torchvision" }, resnext101_32x8d = { "resnext101_32x8d", "torchvision" },
  resnext101_64x4d = { "resnext101_64x4d", "torchvision" },
  wide_resnet50_2 = { "wide_resnet50_2", "torchvision" }, wide_resnet101_2 = { "wide_resnet101_2", "torchvision" },

  regnetx_004_tv = { "regnet_x_400mf", "torchvision" }, regnetx_008 = { "regnet_x_800mf", "torchvision" },
  regnetx_016 = { "regnet_x_1_6gf", "torchvision" }, regnetx_032 = { "regnet_x_3_2gf", "torchvision" },
  regnetx_080 = { "regnet_x_8gf", "torchvision" }, regnetx_160 = { "regnet_x_16gf", "torchvision" },
  regnetx_320 = { "regnet_x_32gf", "torchvision" },
  regnety_004 = { "regnet_y_400mf", "torchvision" }, regnety_008_tv = { "regnet_y_800mf", "torchvision" },
  regnety_016 = { "regnet_y_1_6gf", "torchvision" }, regnety_032 = { "regnet_y_3_2gf", "torchvision" },
  regnety_080_tv = { "regnet_y_8gf", "torchvision" }, regnety_160 = { "regnet_y_16gf", "torchvision" },
  regnety_320 = { "regnet_y_32gf", "torchvision" },

  densenet121 = { "densenet121", "torchvision" }, densenet169 = { "densenet169", "torchvision" }, densenet201 = { "densenet201", "torchvision" },
  vgg16 = { "vgg16", "torchvision" }, vgg19 = { "vgg19", "torchvision" },

  inception_v3 = { "inception_v3", "torchvision" },
  tf_inception_v3 = { "inception_v3", "torchvision" }, adv_inception_v3 = { "inception_v3", "torchvision" },
  gluon_inception_v3 = { "inception_v3", "torchvision", preprocess = "torch" },
  ["inception_v3 built with transform_input = False"] = { "inception_v3", "torchvision", preprocess = "torch" },
  ["googlenet built with transform_input = False"] = { "googlenet", "torchvision", preprocess = "torch" }, -- as without published weights
  inception_resnet_v2 = { "inception_resnet_v2", "timm" }, ens_adv_inception_resnet_v2 = { "inception_resnet_v2", "timm" },
  legacy_xception = { "xception", "timm" }, xception = { "xception", "timm" },

  mobilenetv1_100 = { "mobilenet", "timm" }, mobilenetv1_125 = { "mobilenet", "timm", width = 1.25 },
  mobilenetv2_035 = { "mobilenet_v2", "torchvision", width = 0.35 }, mobilenetv2_050 = { "mobilenet_v2", "torchvision", width = 0.5 },
  mobilenetv2_075 = { "mobilenet_v2", "torchvision", width = 0.75 }, mobilenetv2_100 = { "mobilenet_v2", "torchvision" },
  mobilenetv2_140 = { "mobilenet_v2", "torchvision", width = 1.4 },
  quantizable_mobilenet_v2 = { "mobilenet_v2", "torchvision", but = "has ReLU in place of ReLU6 (torchvision.models.quantization)" },

  mobilenetv3_large_100 = { "mobilenet_v3_large", "timm" }, mobilenetv3_large_075 = { "mobilenet_v3_large", "timm", width = 0.75 },
  mobilenetv3_small_100 = { "mobilenet_v3_small", "timm" }, mobilenetv3_small_075 = { "mobilenet_v3_small", "timm", width = 0.75 },
  mobilenetv3_small_050 = { "mobilenet_v3_small", "timm", width = 0.5 },
  tf_mobilenetv3_large_100 = { "mobilenet_v3_large", "tf" }, tf_mobilenetv3_large_075 = { "mobilenet_v3_large", "tf", width = 0.75 },
  tf_mobilenetv3_small_100 = { "mobilenet_v3_small", "tf" }, tf_mobilenetv3_small_075 = { "mobilenet_v3_small", "tf", width = 0.75 },
  mobilenetv3_large_100_1k_miil = { "mobilenet_v3_large", "timm", preprocess = "unit" },

  efficientnet_blur_b0 = { "efficientnet_b0", "torchvision", but = blurs },
}

for i = 0, 7 do -- from B5 on torchvision has another epsilon than timm
  networks["efficientnet_b" .. i] = { "efficientnet_b" .. i, i < 5 and "torchvision" or "timm" }
  networks["tf_efficientnet_b" .. i] = { "efficientnet_b" .. i, "tf" }
end
for i = 0, 3 do networks["tf_efficientnetv2_b" .. i] = { "efficientnet_v2_b" .. i, "tf" } end
for _, size in ipairs { "s", "m", "l" } do -- Scion has no variant for timm's own
  networks["efficientnetv2_" .. size], networks["tf_efficientnetv2_" .. size] = { "efficientnet_v2_" .. size, "timm" }, { "efficientnet_v2_" .. size, "tf" }
end
for i = 0, 4 do
  networks["efficientnet_lite" .. i] = { "efficientnet_lite" .. i, "timm" }
  networks["tf_efficientnet_lite" .. i] = { "efficientnet_lite" .. i, "tf" }
end

--- `older`: beginnings and ends of names in older versions of timm that tell how the weights were trained; they are removed.
return { networks = networks, older = { "^tv_", "^ssl_", "^swsl_", "^gluon_", "_v1b$", "_ap$", "_ns$" } }
