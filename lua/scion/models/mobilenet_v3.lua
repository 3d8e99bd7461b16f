--- MobileNet V3 (Howard et al. 2019, "Searching for MobileNetV3"), Large and Small. Layers have Keras's names. The variants: "keras"
--- rescales images within the network and pads as TensorFlow does. "torchvision" pads on all sides. "tf" is the authors' own network, as
--- timm (tf_mobilenetv3_large_100) has it: Keras's without the rescaling. "timm" is timm's own (mobilenetv3_large_100), which pads on all
--- sides and has another epsilon. Shapes in comments are those of an input of 224 x 224 at width 1.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- The variant's conv_norm: see builder.conv_norm. Publishers differ in epsilon, momentum and padding.
local function style(o)
  local momentum = { keras = 0.999, timm = 0.9 }
  return builder.conv_norm { names = { "%s", "%s_bn", "%s_activation" }, activation = "hard_swish", padding = "same",
                             norm = { epsilon = o.variant == "timm" and 1e-5 or 1e-3, momentum = momentum[o.variant] or 0.99 } }
end

--- The PyTorch names of a layer, or of a convolution and its norm: timm's for its variants. The key is `torchvision`, under which all
--- PyTorch names are looked up.
local function origin(o, torchvision, timm) return { torchvision = (o.variant == "timm" or o.variant == "tf") and timm or torchvision } end

--- Padding before a convolution of stride 1 or 2, as the publisher does it. Returns x, which "keras" pads by a layer of its own where the
--- stride is 2, and the convolution's option `padding`.
local function pad(x, kernel, stride, name, o)
  if o.variant == "torchvision" or o.variant == "timm" then return x, kernel // 2 end
  if o.variant == "tf" or stride == 1 then return x, "same" end
  return nn.zero_pad(builder.keras_padding(x, kernel), { name = name })(x), "valid"
end

--- Squeeze and excite (Hu et al. 2017): multiplies each channel by a factor that two 1x1 convolutions compute from the means of all
--- channels. Its gate is a hard sigmoid.
local function excite(x, name, torchvision, timm, o)
  local channels = x.shape[3]
  local s = nn.global_avg_pool { keep_dims = true, name = name .. "/avg_pool" }(x)
  s = nn.conv2d(builder.divisible(channels // 4), 1, { name = name .. "/conv", origin = origin(o, torchvision .. ".fc1", timm .. ".conv_reduce") })(s)
  s = nn.relu { name = name .. "/relu" }(s)
  s = nn.conv2d(channels, 1, { name = name .. "/conv_1", origin = origin(o, torchvision .. ".fc2", timm .. ".conv_expand") })(s)
  s = nn.hard_sigmoid { name = name .. "/gate" }(s)
  return nn.multiply { name = name .. "/mul" } { x, s }
end

--- A 1x1 convolution to more channels, a depthwise one, squeeze and excite in some blocks, and a 1x1 to few channels without an
--- activation. The result is added to the input where the shapes agree. `b` describes the block: `expanded`, the number of channels in
--- between; `kernel`, `stride`, `activation`, `excite`, `filters`; and its names.
local function inverted_residual(x, b, o, conv_norm)
  local y, part, norm, padding = x, 0, 1
  local function theirs(conv)
    return origin(o, { b.torchvision .. part .. ".0", b.torchvision .. part .. ".1" }, { b.timm .. conv, b.timm .. "bn" .. norm })
  end
  local function done() part, norm = part + 1, norm + 1 end
  if b.expands then
    y = conv_norm(y, b.name .. "/expand", b.expanded, 1, { activation = b.activation, origin = theirs "conv_pw" })
    done()
  end
  y, padding = pad(y, b.kernel, b.stride, b.name .. "/depthwise_pad", o)
  y = conv_norm(y, b.name .. "/depthwise", nil, b.kernel, { conv = nn.depthwise_conv2d, stride = b.stride, padding = padding,
                                                           activation = b.activation, origin = theirs "conv_dw" })
  done()
  if b.excite then
    y = excite(y, b.name .. "/squeeze_excite", b.torchvision .. part, b.timm .. "se", o)
    part = part + 1
  end
  y = conv_norm(y, b.name .. "/project", b.filters, 1, { activation = false, origin = theirs(b.expands and "conv_pwl" or "conv_pw") })
  if b.stride == 1 and x.shape[3] == b.filters then y = nn.add { name = b.name .. "/add" } { x, y } end
  return y
end

--- The stages of the two networks: the channels of the result, kernel, stride, whether the blocks have squeeze and excite, the activation,
--- and for each block the number of channels in between.
local stages = {
  large = {
    { 16, 3, 1, false, "relu", { 16 } },                                  -- 112 x 112 x 16
    { 24, 3, 2, false, "relu", { 64, 72 } },                              --  56 x  56 x 24
    { 40, 5, 2, true, "relu", { 72, 120, 120 } },                         --  28 x  28 x 40
    { 80, 3, 2, false, "hard_swish", { 240, 200, 184, 184 } },            --  14 x  14 x 80
    { 112, 3, 1, true, "hard_swish", { 480, 672 } },                      --  14 x  14 x 112
    { 160, 5, 2, true, "hard_swish", { 672, 960, 960 } },                 --   7 x   7 x 160
  },
  small = {
    { 16, 3, 2, true, "relu", { 16 } },                                   --  56 x  56 x 16
    { 24, 3, 2, false, "relu", { 72, 88 } },                              --  28 x  28 x 24
    { 40, 5, 2, true, "hard_swish", { 96, 240, 240 } },                   --  14 x  14 x 40
    { 48, 5, 1, true, "hard_swish", { 120, 144 } },                       --  14 x  14 x 48
    { 96, 5, 2, true, "hard_swish", { 288, 576, 576 } },                  --   7 x   7 x 96
  },
}

--- The channels of the first convolution: Keras's are 16 at every width, timm's below a width of 0.75.
local function stem(o)
  if o.variant == "keras" or o.variant ~= "torchvision" and o.width < 0.75 then return 16 end
  return builder.divisible(16 * o.width)
end

local function trunk(x, o, facts)
  local index, before, conv_norm = 0, 16, style(o)
  local function stage(number, channels, kernel, stride, excited, activation, blocks)
    for i, expanded in ipairs(blocks) do
      -- torchvision multiplies this number by the width, the others the block's channels by how many times as many these are
      local wide = o.variant == "torchvision" and expanded * o.width or expanded / before * x.shape[3]
      local b = { name = index == 0 and "expanded_conv" or "expanded_conv_" .. index, timm = ("blocks.%d.%d."):format(number - 1, i - 1),
                  torchvision = ("features.%d.block."):format(index + 1), expanded = builder.divisible(wide), kernel = kernel,
                  stride = i == 1 and stride or 1, excite = excited, activation = activation, filters = builder.divisible(channels * o.width) }
      b.expands = index > 0 and (o.variant ~= "torchvision" or b.expanded ~= x.shape[3])
      x = inverted_residual(x, b, o, conv_norm)
      index, before = index + 1, channels
    end
  end
  if builder.rescales(o) then x = nn.rescaling(1 / 127.5, { offset = -1.0, name = "rescaling" })(x) end
  local symmetric = o.variant == "torchvision" or o.variant == "timm"
  x = conv_norm(x, "conv", stem(o), 3, { stride = 2, padding = symmetric and 1 or "same",
                                         origin = origin(o, { "features.0.0", "features.0.1" }, { "conv_stem", "bn1" }) })
  for number, each in ipairs(stages[facts.size]) do stage(number, table.unpack(each)) end
  local t, m = ("features.%d."):format(index + 1), ("blocks.%d.0."):format(#stages[facts.size])
  return conv_norm(x, "conv_1", builder.divisible(6 * x.shape[3]), 1, { origin = origin(o, { t .. 0, t .. 1 }, { m .. "conv", m .. "bn1" }) })
end

--- The number of features before the classifier.
local function features(o, facts)
  local factor = { keras = math.max(1.0, o.width), torchvision = o.width }
  return builder.divisible(facts.features * (factor[o.variant] or 1.0))
end

--- In Keras both layers of the classifier are convolutions, in timm the first, in torchvision none.
local function top(x, o, facts)
  local torchvision = o.variant == "torchvision"
  x = nn.global_avg_pool { keep_dims = not torchvision, name = "avg_pool" }(x)
  if torchvision then
    x = nn.dense(features(o, facts), { name = "conv_2", origin = { torchvision = "classifier.0" } })(x)
  else
    x = nn.conv2d(features(o, facts), 1, { name = "conv_2", origin = { torchvision = "conv_head" } })(x)
  end
  x = nn.hard_swish { name = "conv_2_activation" }(x)
  if o.variant == "keras" then
    x = nn.dropout(0.2, { name = "dropout" })(x)
    x = nn.conv2d(o.classes, 1, { name = "logits" })(x)
    x = nn.flatten { name = "flatten" }(x)
    return nn[o.scores] { name = "predictions" }(x)
  end
  if not torchvision then x = nn.flatten { name = "flatten" }(x) end
  x = nn.dropout(0.2, { name = "dropout" })(x)
  return nn.dense(o.classes, o.scores, { name = "logits", origin = origin(o, "classifier.3", "classifier") })(x)
end

--- Keras's files of a size, for two widths: the MD5 of each with the classifier and without.
local function keras_files(size, md5)
  local files = {}
  for _, each in ipairs(md5) do
    local url = ("https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/weights_mobilenet_v3_%s_224_%s_float"):format(size, each.width)
    files[#files + 1] = { top = true, width = each.width, input = 224, url = url .. ".h5", md5 = each[1] }
    files[#files + 1] = { width = each.width, input = 224, url = url .. "_no_top_v2.h5", md5 = each[2] }
  end
  return files
end

--- timm's file for a width.
local function timm_file(width, name, sha256)
  local file = builder.timm_file(name, sha256)
  file.width, file.input = width, 224
  return file
end

local function mobilenet_v3(size, facts)
  facts.size = size
  return builder.define {
    name = "mobilenet_v3_" .. size,
    input = 224,
    options = { width = builder.width },
    parameters = facts.parameters,
    macs = facts.macs,
    variants = {
      { name = "keras", smallest = 32, preprocess = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false }, weights = keras_files(size, facts.keras) },
      { name = "torchvision", smallest = 1, preprocess = "torch", resize = 256, crop = 224, weights = facts.torchvision },
      { name = "timm", names = "timm", smallest = 1, preprocess = "torch", weights = facts.timm },
      { name = "tf", names = "timm", smallest = 1, preprocess = "tf", weights = facts.tf },
    },
    trunk = function(x, o) return trunk(x, o, facts) end,
    top = function(x, o) return top(x, o, facts) end,
  }
end

local file = builder.torchvision_file

return {
  mobilenet_v3_large = mobilenet_v3("large", { features = 1280, parameters = 5507432, macs = 216589760,
    keras = { { width = 1.0, "59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389" },
              { width = 0.75, "765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e" } },
    torchvision = { file("mobilenet_v3_large", "8738ca79"), file("mobilenet_v3_large", "5c1a4163", 232) }, -- the second of a later recipe
    timm = { timm_file(1.0, "mobilenetv3_large_100_ra", "f55367f5") },
    tf = { timm_file(1.0, "tf_mobilenetv3_large_100", "427764d5"), timm_file(0.75, "tf_mobilenetv3_large_075", "150ee8b0") } }),
  mobilenet_v3_small = mobilenet_v3("small", { features = 1024, parameters = 2554968, macs = 56510400,
    keras = { { width = 1.0, "8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836" },
              { width = 0.75, "cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819" } },
    torchvision = { file("mobilenet_v3_small", "047dcff4") },
    timm = { timm_file(1.0, "mobilenetv3_small_100_lamb", "266a294c"), timm_file(0.75, "mobilenetv3_small_075_lambc", "384766db"),
             timm_file(0.5, "mobilenetv3_small_050_lambc", "4b7bbe87") },
    tf = { timm_file(1.0, "tf_mobilenetv3_small_100", "37f49e2b"), timm_file(0.75, "tf_mobilenetv3_small_075", "da427f52") } }),
}
