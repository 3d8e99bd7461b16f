--- EfficientNet V2 (Tan and Le 2021, "EfficientNetV2: Smaller Models and Faster Training"): S, M and L, and B0 to B3, which have the sizes
--- of the first EfficientNets. Layers have Keras's names. The variants: "keras" standardizes images within the network. "torchvision" pads
--- on all sides. "tf" is the authors' own network, as timm (tf_efficientnetv2_s) has it: Keras's without the standardization. Shapes in
--- comments are those of S with an input of 384 x 384.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- Stochastic depth: in training a block is left out for some examples. The probability rises with depth, from 0 to almost this.
local drop = 0.2

local conv_norm = builder.conv_norm { names = { "%s_conv", "%s_bn", "%s_activation" }, activation = "swish", padding = "same",
                                      norm = { epsilon = 1e-3, momentum = 0.9 } }

--- The PyTorch names of a layer, or of a convolution and its norm: timm's for the variant "tf". The key is `torchvision`, under which all
--- PyTorch names are looked up.
local function origin(o, torchvision, timm) return { torchvision = o.variant == "tf" and timm or torchvision } end

--- The padding of the convolutions larger than 1x1.
local function padding(kernel, o) return o.variant == "torchvision" and kernel // 2 or "same" end

--- A block's result, to which the input is added where the shapes agree.
local function residual(x, y, block)
  if block.stride == 2 or x.shape[3] ~= block.filters then return y end
  if block.drop > 0 then y = nn.dropout(block.drop, { examples = true, name = block.name .. "/drop" })(y) end
  return nn.add { name = block.name .. "/add" } { y, x }
end

--- A 3x3 convolution to more channels, and a 1x1 to few channels without an activation; without more channels, a 3x3 convolution alone.
local function fused(x, block, o)
  local y, expands = x, block.expansion > 1
  local function theirs(part, conv, norm)
    local t = block.torchvision .. part
    return origin(o, { t .. ".0", t .. ".1" }, { block.timm .. conv, block.timm .. norm })
  end
  if expands then
    y = conv_norm(y, block.name .. "/expand", block.expansion * x.shape[3], 3,
                  { stride = block.stride, padding = padding(3, o), origin = theirs(0, "conv_exp", "bn1") })
    y = conv_norm(y, block.name .. "/project", block.filters, 1, { activation = false, origin = theirs(1, "conv_pwl", "bn2") })
  else
    y = conv_norm(y, block.name .. "/project", block.filters, 3, { stride = block.stride, padding = padding(3, o), origin = theirs(0, "conv", "bn1") })
  end
  return residual(x, y, block)
end

--- A 1x1 convolution to more channels, a depthwise 3x3, squeeze and excite, and a 1x1 to few channels without an activation.
local function inverted_residual(x, block, o)
  local function theirs(part, conv, norm)
    local t = block.torchvision .. part
    return origin(o, { t .. ".0", t .. ".1" }, { block.timm .. conv, block.timm .. norm })
  end
  local y = conv_norm(x, block.name .. "/expand", block.expansion * x.shape[3], 1, { origin = theirs(0, "conv_pw", "bn1") })
  y = conv_norm(y, { block.name .. "/dwconv2", block.name .. "/bn", block.name .. "/activation" }, nil, 3,
                { conv = nn.depthwise_conv2d, stride = block.stride, padding = padding(3, o), origin = theirs(1, "conv_dw", "bn2") })
  y = builder.excite(y, block.name, x.shape[3] // 4, origin(o, block.torchvision .. "2.fc1", block.timm .. "se.conv_reduce"),
                     origin(o, block.torchvision .. "2.fc2", block.timm .. "se.conv_expand"))
  y = conv_norm(y, block.name .. "/project", block.filters, 1, { activation = false, origin = theirs(3, "conv_pwl", "bn3") })
  return residual(x, y, block)
end

--- The stages of each network: how often the block is repeated, how many times more channels it has within, the channels of its result, and
--- the stride. The first three stages are of fused blocks.
local stages = {
  b = { { 1, 1, 16, 1 }, { 2, 4, 32, 2 }, { 2, 4, 48, 2 }, { 3, 4, 96, 2 }, { 5, 6, 112, 1 }, { 8, 6, 192, 2 } },
  s = { { 2, 1, 24, 1 }, { 4, 4, 48, 2 }, { 4, 4, 64, 2 }, { 6, 4, 128, 2 }, { 9, 6, 160, 1 }, { 15, 6, 256, 2 } },
  m = { { 3, 1, 24, 1 }, { 5, 4, 48, 2 }, { 5, 4, 80, 2 }, { 7, 4, 160, 2 }, { 14, 6, 176, 1 }, { 18, 6, 304, 2 }, { 5, 6, 512, 1 } },
  l = { { 4, 1, 32, 1 }, { 7, 4, 64, 2 }, { 7, 4, 96, 2 }, { 10, 4, 192, 2 }, { 19, 6, 224, 1 }, { 25, 6, 384, 2 }, { 7, 6, 640, 1 } },
}

--- The layers that standardize images in Keras's network: B0 to B3 as for the first EfficientNets, the others to -1 .. 1. Where Keras has
--- the layer Normalization, its numbers are fixed.
local function standardize(x, facts)
  if facts.kind ~= "b" then return nn.rescaling(1 / 128, { offset = -1.0, name = "rescaling" })(x) end
  x = nn.rescaling(1 / 255, { name = "rescaling" })(x)
  return nn.rescaling({ 1 / 0.229, 1 / 0.224, 1 / 0.225 }, { offset = { -0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225 }, name = "normalization" })(x)
end

local function trunk(x, o, facts)
  local list, index, blocks = stages[facts.kind], 0, 0
  local function deep(repeats) return math.ceil(repeats * facts.depth) end
  local function wide(channels) return math.tointeger((channels * facts.width + 4) // 8 * 8) end -- the nearest multiple of 8
  for _, stage in ipairs(list) do blocks = blocks + stage[1] end
  if builder.rescales(o) then x = standardize(x, facts) end
  x = conv_norm(x, "stem", wide(facts.stem), 3, { stride = 2, padding = padding(3, o), -- 192 x 192 x 24
                                                  origin = origin(o, { "features.0.0", "features.0.1" }, { "conv_stem", "bn1" }) })
  for number, stage in ipairs(list) do -- 192 x 192 x 24,  96 x 96 x 48,  48 x 48 x 64,  24 x 24 x 128,  24 x 24 x 160,  12 x 12 x 256
    local repeats, expansion, channels, stride = table.unpack(stage)
    local build = number <= 3 and fused or inverted_residual
    for i = 1, deep(repeats) do
      local block = { name = ("block%d%s"):format(number, string.char(96 + i)), expansion = expansion, filters = wide(channels), stride = i == 1 and stride or 1,
                      drop = drop * index / blocks, torchvision = ("features.%d.%d.block."):format(number, i - 1), timm = ("blocks.%d.%d."):format(number - 1, i - 1) }
      x = build(x, block, o)
      index = index + 1
    end
  end
  local last = ("features.%d."):format(#list + 1)
  return conv_norm(x, "top", wide(1280), 1, { origin = origin(o, { last .. 0, last .. 1 }, { "conv_head", "bn2" }) }) --  12 x  12 x 1280
end

local function top(x, o, facts)
  x = nn.global_avg_pool { name = "avg_pool" }(x)
  x = nn.dropout(o.variant == "torchvision" and facts.dropout or 0.2, { name = "top_dropout" })(x)
  return nn.dense(o.classes, o.scores, { name = "predictions", origin = origin(o, "classifier.1", "classifier") })(x)
end

--- EfficientNet V2 `name`. `facts`: the kind of its stages, the channels of the first convolution, factors of width and depth, the size of
--- images, and what is published: the MD5 of Keras's two files, and the first digits of the SHA-256 of timm's and torchvision's. `dropout`:
--- torchvision's before the classifier.
local function efficientnet_v2(name, facts)
  local base = facts.kind == "b"
  local keras = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/efficientnetv2-" .. name
  local variants = { { name = "keras", smallest = 32, preprocess = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false },
                       weights = { { top = true, url = keras .. ".h5", md5 = facts.keras[1] }, { url = keras .. "_notop.h5", md5 = facts.keras[2] } } } }
  if not base then
    variants[2] = { name = "torchvision", smallest = 33, preprocess = name == "l" and "tf" or "torch", resize = facts.input, crop = facts.input,
                    weights = { builder.torchvision_file("efficientnet_v2_" .. name, facts.torchvision) } }
  end
  variants[#variants + 1] = { name = "tf", names = "timm", smallest = 1, preprocess = base and "torch" or "tf",
                              weights = { builder.timm_file("tf_efficientnetv2_" .. name, facts.timm, "v0.1-effv2-weights") } }
  facts.width, facts.depth = facts.width or 1.0, facts.depth or 1.0
  return builder.define {
    name = "efficientnet_v2_" .. name,
    input = facts.input,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = variants,
    trunk = function(x, o) return trunk(x, o, facts) end,
    top = function(x, o) return top(x, o, facts) end,
  }
end

return {
  efficientnet_v2_b0 = efficientnet_v2("b0", { kind = "b", stem = 32, input = 224, parameters = 7200312, macs = 718086176,
    keras = { "21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff" }, timm = "c7cc451f" }),
  efficientnet_v2_b1 = efficientnet_v2("b1", { kind = "b", stem = 32, depth = 1.1, input = 240, parameters = 8212124, macs = 1196819360,
    keras = { "069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37" }, timm = "be6e41b0" }),
  efficientnet_v2_b2 = efficientnet_v2("b2", { kind = "b", stem = 32, width = 1.1, depth = 1.2, input = 260, parameters = 10178374, macs = 1697542832,
    keras = { "424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb" }, timm = "847de54e" }),
  efficientnet_v2_b3 = efficientnet_v2("b3", { kind = "b", stem = 32, width = 1.2, depth = 1.4, input = 300, parameters = 14467622, macs = 3011458816,
    keras = { "1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856" }, timm = "57773f13" }),
  efficientnet_v2_s = efficientnet_v2("s", { kind = "s", stem = 24, input = 384, dropout = 0.2, parameters = 21612360, macs = 8365617152,
    keras = { "e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070" }, timm = "eb54923e", torchvision = "dd5fe13b" }),
  efficientnet_v2_m = efficientnet_v2("m", { kind = "m", stem = 24, input = 480, dropout = 0.3, parameters = 54431388, macs = 24582460384,
    keras = { "a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342" }, timm = "cc09e0cd", torchvision = "dc08266a" }),
  efficientnet_v2_l = efficientnet_v2("l", { kind = "l", stem = 32, input = 480, dropout = 0.4, parameters = 119027848, macs = 56079699008,
    keras = { "27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615" }, timm = "d664b728", torchvision = "59c71312" }),
}
