--- EfficientNet-B0 (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"). Names are Keras's,
--- which standardizes images within the network, as it builds it for its published weights; torchvision pads on all sides and has
--- another epsilon. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- In training a block is left out for some examples, the deeper the more often.
local drop, blocks = 0.2, 16

--- What the network of a publisher is made of.
local function style(o)
  local torchvision = o.variant == "torchvision"
  return builder.conv_norm { names = { "%s_conv", "%s_bn", "%s_activation" }, activation = "swish", padding = "same",
                             norm = { epsilon = torchvision and 1e-5 or 1e-3, momentum = torchvision and 0.9 or 0.99 } }
end

--- Squeeze and excite (Hu et al. 2017): channels scaled by what two small layers make of their means.
local function excite(x, block, filters, torchvision)
  local channels = x.shape[3]
  local s = nn.global_avg_pool { name = block .. "/se_squeeze" }(x)
  s = nn.reshape({ 1, 1, channels }, { name = block .. "/se_reshape" })(s)
  s = nn.conv2d(filters, 1, { padding = "same", activation = "swish", name = block .. "/se_reduce", origin = { torchvision = torchvision .. ".fc1" } })(s)
  s = nn.conv2d(channels, 1, { padding = "same", activation = "sigmoid", name = block .. "/se_expand", origin = { torchvision = torchvision .. ".fc2" } })(s)
  return nn.multiply { name = block .. "/se_excite" } { x, s }
end

--- The convolution of stride 2 or 1 that all blocks have, padded as the publisher does.
local function pad(x, kernel, stride, name, o)
  if o.variant == "torchvision" then return x, kernel // 2 end
  if stride == 1 then return x, "same" end
  return nn.zero_pad(builder.keras_padding(x, kernel), { name = name })(x), "valid"
end

local function inverted_residual(x, block, index, expansion, filters, kernel, stride, o, torchvision)
  local conv_norm, y, part, padding = style(o), x, 0
  local function origin() return { torchvision = { ("%s.block.%d.0"):format(torchvision, part), ("%s.block.%d.1"):format(torchvision, part) } } end
  if expansion > 1 then
    y = conv_norm(y, block .. "/expand", expansion * x.shape[3], 1, { origin = origin() })
    part = 1
  end
  y, padding = pad(y, kernel, stride, block .. "/dwconv_pad", o)
  y = conv_norm(y, { block .. "/dwconv", block .. "/bn", block .. "/activation" }, nil, kernel,
                { conv = nn.depthwise_conv2d, stride = stride, padding = padding, origin = origin() })
  y = excite(y, block, x.shape[3] // 4, ("%s.block.%d"):format(torchvision, part + 1))
  part = part + 2
  y = conv_norm(y, block .. "/project", filters, 1, { activation = false, origin = origin() })
  if stride == 2 or x.shape[3] ~= filters then return y end
  if index > 0 then y = nn.dropout(drop * index / blocks, { examples = true, name = block .. "/drop" })(y) end
  return nn.add { name = block .. "/add" } { y, x }
end

--- Keras leaves the second rescaling out where it builds the network without its published weights.
local function standardize(x, o)
  x = nn.rescaling(1 / 255, { name = "rescaling" })(x)
  x = nn.normalization { name = "normalization" }(x)
  if o.weights and require("scion.weights.keras").rescalings(o.weights) == 1 then return x end
  -- the variances stored with the weights are deviations: their roots are missing
  return nn.rescaling({ 1 / math.sqrt(0.229), 1 / math.sqrt(0.224), 1 / math.sqrt(0.225) }, { name = "rescaling_1" })(x)
end

local function trunk(x, o)
  local index, conv_norm = 0, style(o)
  local function stage(number, depth, expansion, filters, kernel, stride)
    for i = 1, depth do
      local block = ("block%d%s"):format(number, ("abcd"):sub(i, i))
      x = inverted_residual(x, block, index, expansion, filters, kernel, i == 1 and stride or 1, o, ("features.%d.%d"):format(number, i - 1))
      index = index + 1
    end
  end
  if o.variant == "keras" then x = standardize(x, o) end
  local padding
  x, padding = pad(x, 3, 2, "stem_conv_pad", o)
  x = conv_norm(x, "stem", 32, 3, { stride = 2, padding = padding, origin = { torchvision = { "features.0.0", "features.0.1" } } }) -- 112 x 112 x 32
  stage(1, 1, 1, 16, 3, 1)                                                -- 112 x 112 x 16
  stage(2, 2, 6, 24, 3, 2)                                                --  56 x  56 x 24
  stage(3, 2, 6, 40, 5, 2)                                                --  28 x  28 x 40
  stage(4, 3, 6, 80, 3, 2)                                                --  14 x  14 x 80
  stage(5, 3, 6, 112, 5, 1)                                               --  14 x  14 x 112
  stage(6, 4, 6, 192, 5, 2)                                               --   7 x   7 x 192
  stage(7, 1, 6, 320, 3, 1)                                               --   7 x   7 x 320
  return conv_norm(x, "top", 1280, 1, { origin = { torchvision = { "features.8.0", "features.8.1" } } }) --   7 x   7 x 1280
end

local function top(x, o)
  x = nn.global_avg_pool { name = "avg_pool" }(x)
  x = nn.dropout(0.2, { name = "top_dropout" })(x)
  return nn.dense(o.classes, "softmax", { name = "predictions", origin = { torchvision = "classifier.1" } })(x)
end

return {
  efficientnet_b0 = builder.define {
    name = "efficientnet_b0",
    input = 224,
    parameters = 5330571,
    macs = 385814752,
    variants = { { name = "keras", smallest = 32, preprocess = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false },
      weights = { { top = true, url = "https://storage.googleapis.com/keras-applications/efficientnetb0.h5", md5 = "902e53a9f72be733fc0bcb005b3ebbac" },
                  { url = "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5", md5 = "50bc09e76180e00e4465e1a485ddc09d" } } },
      { name = "torchvision", smallest = 1, preprocess = "torch", resize = 256, crop = 224,
        weights = { builder.torchvision_file("efficientnet_b0_rwightman", "7f5810bc") } } },
    trunk = trunk,
    top = top,
  },
}
