--- EfficientNet-B0 to B7 (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"): one network, made
--- wider and deeper for larger images. Layers have Keras's names. The variants: "keras" standardizes images within the network, as Keras
--- does in the network of its published weights. "torchvision" pads on all sides, and up to B4 has another epsilon, as "timm" has it for B5
--- to B7, too. "tf" is the authors' own network, as timm (tf_efficientnet_b0) and EfficientNet-PyTorch have it: Keras's without the
--- standardization. Shapes in comments are those of B0 with an input of 224 x 224.
local check = require "scion.check"
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- Stochastic depth: in training a block is left out for some examples. The probability rises with depth, from 0 to almost this.
local drop = 0.2

--- The variant's conv_norm: see builder.conv_norm. Publishers differ in epsilon, momentum and padding.
local function style(o, facts)
  -- torchvision's B5 to B7 have the epsilon and momentum of the authors' networks
  local small = o.variant == "torchvision" and not facts.large or o.variant == "timm"
  return builder.conv_norm { names = { "%s_conv", "%s_bn", "%s_activation" }, activation = "swish", padding = "same",
                             norm = { epsilon = small and 1e-5 or 1e-3, momentum = small and 0.9 or 0.99 } }
end

--- Names of a layer, or of a convolution and its norm, in torchvision and in EfficientNet-PyTorch.
local function origin(torchvision, efficientnet_pytorch) return { torchvision = torchvision, efficientnet_pytorch = efficientnet_pytorch } end

--- Padding before a convolution of stride 1 or 2, as the publisher does it. Returns x, which "keras" pads by a layer of its own where the
--- stride is 2, and the convolution's option `padding`.
local function pad(x, kernel, stride, name, o)
  if o.variant == "torchvision" or o.variant == "timm" then return x, kernel // 2 end
  if o.variant == "tf" or stride == 1 then return x, "same" end
  return nn.zero_pad(builder.keras_padding(x, kernel), { name = name })(x), "valid"
end

local function inverted_residual(x, block, expansion, filters, kernel, stride, o, conv_norm)
  local name, y, part, padding = block.name, x, 0
  local function theirs(conv, norm)
    local t, e = block.torchvision .. part, block.efficientnet_pytorch
    return origin({ t .. ".0", t .. ".1" }, { e .. conv, e .. norm })
  end
  if expansion > 1 then
    y = conv_norm(y, name .. "/expand", expansion * x.shape[3], 1, { origin = theirs("_expand_conv", "_bn0") })
    part = 1
  end
  y, padding = pad(y, kernel, stride, name .. "/dwconv_pad", o)
  y = conv_norm(y, { name .. "/dwconv", name .. "/bn", name .. "/activation" }, nil, kernel,
                { conv = nn.depthwise_conv2d, stride = stride, padding = padding, origin = theirs("_depthwise_conv", "_bn1") })
  local t, e = block.torchvision .. part + 1, block.efficientnet_pytorch
  y = builder.excite(y, name, x.shape[3] // 4, origin(t .. ".fc1", e .. "_se_reduce"), origin(t .. ".fc2", e .. "_se_expand"))
  part = part + 2
  y = conv_norm(y, name .. "/project", filters, 1, { activation = false, origin = theirs("_project_conv", "_bn2") })
  if stride == 2 or x.shape[3] ~= filters then return y end
  if block.drop > 0 then y = nn.dropout(block.drop, { examples = true, name = name .. "/drop" })(y) end
  return nn.add { name = name .. "/add" } { y, x }
end

--- The layers that standardize images in Keras's network. Keras leaves out the second rescaling where it builds the network without its
--- published weights; a file may be of either network.
local function standardize(x, o)
  if o.channels == 1 then
    check.raise "channels = 1: Keras's EfficientNet standardizes red, green and blue within the network; with 3 channels it takes grey images, too"
  end
  x = nn.rescaling(1 / 255, { name = "rescaling" })(x)
  x = nn.normalization { name = "normalization" }(x)
  local noted, file = o.file and o.file.facts, o.file and o.file.keras
  if (noted and noted.rescalings or file and require("scion.weights.keras").rescalings(file)) == 1 then return x end
  -- The published files hold standard deviations in place of variances, so that Normalization divides by the root of the deviation only.
  -- This divides by the root once more.
  return nn.rescaling({ 1 / math.sqrt(0.229), 1 / math.sqrt(0.224), 1 / math.sqrt(0.225) }, { name = "rescaling_1" })(x)
end

local function trunk(x, o, facts)
  local index, conv_norm = 0, style(o, facts)
  local function wide(channels) return builder.divisible(channels * facts.width) end
  local function deep(repeats) return math.ceil(repeats * facts.depth) end
  local blocks = 2 * deep(1) + 2 * deep(2) + 2 * deep(3) + deep(4)
  local function stage(number, repeats, expansion, channels, kernel, stride)
    for i = 1, deep(repeats) do
      local block = { name = ("block%d%s"):format(number, string.char(96 + i)), drop = drop * index / blocks,
                      torchvision = ("features.%d.%d.block."):format(number, i - 1), efficientnet_pytorch = ("_blocks.%d."):format(index) }
      x = inverted_residual(x, block, expansion, wide(channels), kernel, i == 1 and stride or 1, o, conv_norm)
      index = index + 1
    end
  end
  if builder.rescales(o) then x = standardize(x, o) end
  local padding
  x, padding = pad(x, 3, 2, "stem_conv_pad", o)
  x = conv_norm(x, "stem", wide(32), 3, { stride = 2, padding = padding,  -- 112 x 112 x 32
                                          origin = origin({ "features.0.0", "features.0.1" }, { "_conv_stem", "_bn0" }) })
  stage(1, 1, 1, 16, 3, 1)                                                -- 112 x 112 x 16
  stage(2, 2, 6, 24, 3, 2)                                                --  56 x  56 x 24
  stage(3, 2, 6, 40, 5, 2)                                                --  28 x  28 x 40
  stage(4, 3, 6, 80, 3, 2)                                                --  14 x  14 x 80
  stage(5, 3, 6, 112, 5, 1)                                               --  14 x  14 x 112
  stage(6, 4, 6, 192, 5, 2)                                               --   7 x   7 x 192
  stage(7, 1, 6, 320, 3, 1)                                               --   7 x   7 x 320
  return conv_norm(x, "top", wide(1280), 1,                               --   7 x   7 x 1280
                   { origin = origin({ "features.8.0", "features.8.1" }, { "_conv_head", "_bn1" }) })
end

local function top(x, o, facts)
  x = nn.global_avg_pool { name = "avg_pool" }(x)
  x = nn.dropout(facts.dropout, { name = "top_dropout" })(x)
  return nn.dense(o.classes, o.scores, { name = "predictions", origin = origin("classifier.1", "_fc") })(x)
end

--- EfficientNet-B`number`. `facts`: factors of width and depth, the dropout before the classifier, the size of images, and what is
--- published: the MD5 of Keras's two files, torchvision's files and how it resizes images for them, and the first digits of timm's SHA-256.
--- large: B5 to B7.
local function efficientnet(number, facts)
  local keras = "https://storage.googleapis.com/keras-applications/efficientnetb" .. number
  return builder.define {
    name = "efficientnet_b" .. number,
    input = facts.input,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = {
      { name = "keras", smallest = 32, preprocess = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false },
        weights = { { top = true, url = keras .. ".h5", md5 = facts.keras[1] }, { url = keras .. "_notop.h5", md5 = facts.keras[2] } } },
      { name = "torchvision", smallest = 1, preprocess = "torch", resize = facts.resize, crop = facts.crop or facts.input, weights = facts.torchvision },
      { name = "tf", smallest = 1, preprocess = "torch", weights = { builder.timm_file(("tf_efficientnet_b%d_aa"):format(number), facts.timm) } },
      facts.large and { name = "timm", smallest = 1, preprocess = "torch", weights = {} } or nil, -- timm's own B0 to B4 are torchvision's
    },
    trunk = function(x, o) return trunk(x, o, facts) end,
    top = function(x, o) return top(x, o, facts) end,
  }
end

local file = builder.torchvision_file

return {
  efficientnet_b0 = efficientnet(0, { width = 1.0, depth = 1.0, dropout = 0.2, input = 224, parameters = 5330571, macs = 385814752,
    keras = { "902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d" }, timm = "827b6e33",
    torchvision = { file("efficientnet_b0_rwightman", "7f5810bc") }, resize = 256 }),
  efficientnet_b1 = efficientnet(1, { width = 1.0, depth = 1.1, dropout = 0.2, input = 240, parameters = 7856239, macs = 686802832,
    keras = { "1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432" }, timm = "ea7a6ee0",
    torchvision = { file("efficientnet_b1_rwightman", "bac287d4"), file("efficientnet_b1", "c27df63c", 255) }, resize = 256 }),
  efficientnet_b2 = efficientnet(2, { width = 1.1, depth = 1.2, dropout = 0.3, input = 260, parameters = 9177569, macs = 993561872,
    keras = { "b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39" }, timm = "60c94f97",
    torchvision = { file("efficientnet_b2_rwightman", "c35c1473") }, resize = 288, crop = 288 }),
  efficientnet_b3 = efficientnet(3, { width = 1.2, depth = 1.4, dropout = 0.3, input = 300, parameters = 12320535, macs = 1827141392,
    keras = { "ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226" }, timm = "84b4657e",
    torchvision = { file("efficientnet_b3_rwightman", "b3899882") }, resize = 320 }),
  efficientnet_b4 = efficientnet(4, { width = 1.4, depth = 1.8, dropout = 0.4, input = 380, parameters = 19466823, macs = 4393771024,
    keras = { "18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba" }, timm = "818f208c",
    torchvision = { file("efficientnet_b4_rwightman", "23ab8bcd") }, resize = 384 }),
  efficientnet_b5 = efficientnet(5, { width = 1.6, depth = 2.2, dropout = 0.4, input = 456, parameters = 30562527, macs = 10266384752,
    keras = { "ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f" }, timm = "99018a74",
    torchvision = { file("efficientnet_b5_lukemelas", "1a07897c") }, resize = 456, large = true }),
  efficientnet_b6 = efficientnet(6, { width = 1.8, depth = 2.6, dropout = 0.5, input = 528, parameters = 43265143, macs = 19067593536,
    keras = { "165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743" }, timm = "80ba17e4",
    torchvision = { file("efficientnet_b6_lukemelas", "24a108a5") }, resize = 528, large = true }),
  efficientnet_b7 = efficientnet(7, { width = 2.0, depth = 3.1, dropout = 0.5, input = 600, parameters = 66658687, macs = 37745884192,
    keras = { "8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a" }, timm = "076e3472",
    torchvision = { file("efficientnet_b7_lukemelas", "c5b4e57e") }, resize = 600, large = true }),
}
