--- EfficientNet-B0 (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"). Names are Keras's,
--- which standardizes images within the network, as it builds it for its published weights; torchvision pads on all sides and has
--- another epsilon. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- In training a block is left out for some examples, the deeper the more often.
local drop, blocks = 0.2, 16

--- What follows every convolution.
local function norm(x, name, o, torchvision)
  local theirs = o.variant == "torchvision"
  return nn.batch_norm { epsilon = theirs and 1e-5 or 1e-3, momentum = theirs and 0.9 or 0.99, name = name,
                         origin = { torchvision = torchvision } }(x)
end

local function norm_swish(x, name, activation, o, torchvision)
  return nn.swish { name = activation }(norm(x, name, o, torchvision))
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
  local y, part, padding = x, 0
  local function origin(which) return { torchvision = ("%s.block.%d.%d"):format(torchvision, part, which) } end
  local function their_norm() return origin(1).torchvision end
  if expansion > 1 then
    y = nn.conv2d(expansion * x.shape[3], 1, { padding = "same", bias = false, name = block .. "/expand_conv", origin = origin(0) })(y)
    y = norm_swish(y, block .. "/expand_bn", block .. "/expand_activation", o, their_norm())
    part = 1
  end
  y, padding = pad(y, kernel, stride, block .. "/dwconv_pad", o)
  y = nn.depthwise_conv2d(kernel, { stride = stride, padding = padding, bias = false, name = block .. "/dwconv", origin = origin(0) })(y)
  y = norm_swish(y, block .. "/bn", block .. "/activation", o, their_norm())
  y = excite(y, block, x.shape[3] // 4, ("%s.block.%d"):format(torchvision, part + 1))
  part = part + 2
  y = nn.conv2d(filters, 1, { padding = "same", bias = false, name = block .. "/project_conv", origin = origin(0) })(y)
  y = norm(y, block .. "/project_bn", o, their_norm())
  if stride == 2 or x.shape[3] ~= filters then return y end
  if index > 0 then y = nn.dropout(drop * index / blocks, { examples = true, name = block .. "/drop" })(y) end
  return nn.add { name = block .. "/add" } { y, x }
end

local function standardize(x)
  x = nn.rescaling(1 / 255, { name = "rescaling" })(x)
  x = nn.normalization { name = "normalization" }(x)
  -- the variances stored with the weights are deviations: their roots are missing
  return nn.rescaling({ 1 / math.sqrt(0.229), 1 / math.sqrt(0.224), 1 / math.sqrt(0.225) }, { name = "rescaling_1" })(x)
end

local function trunk(x, o)
  local index = 0
  local function stage(number, depth, expansion, filters, kernel, stride)
    for i = 1, depth do
      local block = ("block%d%s"):format(number, ("abcd"):sub(i, i))
      x = inverted_residual(x, block, index, expansion, filters, kernel, i == 1 and stride or 1, o, ("features.%d.%d"):format(number, i - 1))
      index = index + 1
    end
  end
  if o.variant == "keras" then x = standardize(x) end
  local padding
  x, padding = pad(x, 3, 2, "stem_conv_pad", o)
  x = nn.conv2d(32, 3, { stride = 2, padding = padding, bias = false, name = "stem_conv", origin = { torchvision = "features.0.0" } })(x)
  x = norm_swish(x, "stem_bn", "stem_activation", o, "features.0.1")      -- 112 x 112 x 32
  stage(1, 1, 1, 16, 3, 1)                                                -- 112 x 112 x 16
  stage(2, 2, 6, 24, 3, 2)                                                --  56 x  56 x 24
  stage(3, 2, 6, 40, 5, 2)                                                --  28 x  28 x 40
  stage(4, 3, 6, 80, 3, 2)                                                --  14 x  14 x 80
  stage(5, 3, 6, 112, 5, 1)                                               --  14 x  14 x 112
  stage(6, 4, 6, 192, 5, 2)                                               --   7 x   7 x 192
  stage(7, 1, 6, 320, 3, 1)                                               --   7 x   7 x 320
  x = nn.conv2d(1280, 1, { padding = "same", bias = false, name = "top_conv", origin = { torchvision = "features.8.0" } })(x)
  return norm_swish(x, "top_bn", "top_activation", o, "features.8.1")     --   7 x   7 x 1280
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
