--- Names of networks by "KERNELS NUMBERS": how many convolution kernels a network has without its top, and how many numbers these hold in
--- all. No two networks here share both.
return {
  -- scion.models
  ["5 2468544"] = "alexnet",
  ["120 6870208"] = "densenet121", ["168 12326080"] = "densenet169", ["200 17863872"] = "densenet201",
  ["81 3956192"] = "efficientnet_b0",
  ["91 5784576"] = "efficientnet_v2_b0", ["111 6773152"] = "efficientnet_v2_b1", ["116 8586384"] = "efficientnet_v2_b2",
  ["136 12687448"] = "efficientnet_v2_b3", ["170 19988424"] = "efficientnet_v2_s", ["245 52498504"] = "efficientnet_v2_m",
  ["339 116602144"] = "efficientnet_v2_l",
  ["244 54200160"] = "inception_resnet_v2",
  ["94 21751136"] = "inception_v3",
  ["27 207600"] = "mobilenet with width = 0.25", ["27 807648"] = "mobilenet with width = 0.5", ["27 1800144"] = "mobilenet with width = 0.75",
  ["27 3185088"] = "mobilenet",
  ["52 382048"] = "mobilenet_v2 with width = 0.35", ["52 669136"] = "mobilenet_v2 with width = 0.5",
  ["52 1328784"] = "mobilenet_v2 with width = 0.75", ["52 2189760"] = "mobilenet_v2", ["52 3677536"] = "mobilenet_v2 with width = 1.3",
  ["52 4267840"] = "mobilenet_v2 with width = 1.4",
  ["62 2942472"] = "mobilenet_v3_large", ["52 912008"] = "mobilenet_v3_small",
  ["63 4171272"] = "mobilenet_v3_large", ["53 1501832"] = "mobilenet_v3_small", -- with the first convolution of the top
  ["356 4196240"] = "nasnet_mobile",
  ["20 11166912"] = "resnet18", ["36 21267648"] = "resnet34", ["53 23454912"] = "resnet50", ["104 42394816"] = "resnet101",
  ["155 57992384"] = "resnet152",
  ["25 732448"] = "squeezenet1_0", ["25 719552"] = "squeezenet1_1",
  ["13 14710464"] = "vgg16", ["16 20018880"] = "vgg19",
  ["74 20752424"] = "xception",

  -- torchvision's others, by spec/fixtures/weights/make_kernels.py
  ["40 3643008"] = "convnext_base", ["40 7528896"] = "convnext_large", ["40 2216160"] = "convnext_small", ["22 1877472"] = "convnext_tiny",
  ["160 26252064"] = "densenet161", ["115 6436976"] = "efficientnet_b1", ["115 7618016"] = "efficientnet_b2",
  ["130 10588856"] = "efficientnet_b3", ["160 17394376"] = "efficientnet_b4", ["194 28127728"] = "efficientnet_b5",
  ["224 40458672"] = "efficientnet_b6", ["273 63403040"] = "efficientnet_b7",
  ["57 5585344"] = "googlenet",
  ["61 8552640"] = "maxvit_t", ["52 916888"] = "mnasnet0_5", ["52 1859400"] = "mnasnet0_75", ["52 3064392"] = "mnasnet1_0",
  ["52 4952440"] = "mnasnet1_3",
  ["71 52118368"] = "regnet_x_16gf", ["59 8233632"] = "regnet_x_1_6gf", ["74 105128544"] = "regnet_x_32gf",
  ["80 14224992"] = "regnet_x_3_2gf", ["71 5057120"] = "regnet_x_400mf", ["53 6549344"] = "regnet_x_800mf",
  ["74 37561184"] = "regnet_x_8gf", ["95 80419552"] = "regnet_y_16gf", ["140 10250592"] = "regnet_y_1_6gf",
  ["105 141145952"] = "regnet_y_32gf", ["110 17844768"] = "regnet_y_3_2gf", ["85 3870784"] = "regnet_y_400mf",
  ["75 5611488"] = "regnet_y_800mf", ["90 37261920"] = "regnet_y_8gf", ["104 86539456"] = "resnext101_32x8d",
  ["104 81203392"] = "resnext101_64x4d", ["53 22911680"] = "resnext50_32x4d", ["56 333840"] = "shufflenet_v2_x0_5",
  ["56 1237424"] = "shufflenet_v2_x1_0", ["56 2455184"] = "shufflenet_v2_x1_5", ["56 5311280"] = "shufflenet_v2_x2_0",
  ["8 9217728"] = "vgg11", ["10 9402048"] = "vgg13", ["104 124699840"] = "wide_resnet101_2", ["53 66766016"] = "wide_resnet50_2",

  -- timm's EfficientNet-Lite, and the ResNets for CIFAR of He et al. 2015, 6n + 2 layers deep
  ["49 3328992"] = "efficientnet_lite0", ["64 4082016"] = "efficientnet_lite1", ["64 4752976"] = "efficientnet_lite2",
  ["73 6839424"] = "efficientnet_lite3", ["91 11613200"] = "efficientnet_lite4",
  ["19 267696"] = "resnet20 for CIFAR", ["31 461232"] = "resnet32 for CIFAR", ["43 654768"] = "resnet44 for CIFAR",
  ["55 848304"] = "resnet56 for CIFAR", ["109 1719216"] = "resnet110 for CIFAR",
}
