--- EfficientNet-B0 (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"), as Keras
--- builds it for its published weights: images are standardized within the network. Shapes in comments are those of an input of
--- 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- In training a block is left out for some examples, the deeper the more often.
local drop, blocks = 0.2, 16

local function norm_swish(x, norm, activation)
  x = nn.batch_norm { name = norm }(x)
  return nn.swish { name = activation }(x)
end

--- Squeeze and excite (Hu et al. 2017): channels scaled by what two small layers make of their means.
local function excite(x, block, filters)
  local channels = x.shape[3]
  local s = nn.global_avg_pool { name = block .. "/se_squeeze" }(x)
  s = nn.reshape({ 1, 1, channels }, { name = block .. "/se_reshape" })(s)
  s = nn.conv2d(filters, 1, { padding = "same", activation = "swish", name = block .. "/se_reduce" })(s)
  s = nn.conv2d(channels, 1, { padding = "same", activation = "sigmoid", name = block .. "/se_expand" })(s)
  return nn.multiply { name = block .. "/se_excite" } { x, s }
end

local function inverted_residual(x, block, index, expansion, filters, kernel, stride)
  local y, padding = x, "same"
  if expansion > 1 then
    y = nn.conv2d(expansion * x.shape[3], 1, { padding = "same", bias = false, name = block .. "/expand_conv" })(y)
    y = norm_swish(y, block .. "/expand_bn", block .. "/expand_activation")
  end
  if stride == 2 then
    y, padding = nn.zero_pad(builder.keras_padding(y, kernel), { name = block .. "/dwconv_pad" })(y), "valid"
  end
  y = nn.depthwise_conv2d(kernel, { stride = stride, padding = padding, bias = false, name = block .. "/dwconv" })(y)
  y = norm_swish(y, block .. "/bn", block .. "/activation")
  y = excite(y, block, x.shape[3] // 4)
  y = nn.conv2d(filters, 1, { padding = "same", bias = false, name = block .. "/project_conv" })(y)
  y = nn.batch_norm { name = block .. "/project_bn" }(y)
  if stride == 2 or x.shape[3] ~= filters then return y end
  if index > 0 then y = nn.dropout(drop * index / blocks, { examples = true, name = block .. "/drop" })(y) end
  return nn.add { name = block .. "/add" } { y, x }
end

local function trunk(x)
  local index = 0
  local function stage(number, depth, expansion, filters, kernel, stride)
    for i = 1, depth do
      local block = ("block%d%s"):format(number, ("abcd"):sub(i, i))
      x = inverted_residual(x, block, index, expansion, filters, kernel, i == 1 and stride or 1)
      index = index + 1
    end
  end
  x = nn.rescaling(1 / 255, { name = "rescaling" })(x)
  x = nn.normalization { name = "normalization" }(x)
  -- the variances stored with the weights are deviations: their roots are missing
  x = nn.rescaling({ 1 / math.sqrt(0.229), 1 / math.sqrt(0.224), 1 / math.sqrt(0.225) }, { name = "rescaling_1" })(x)
  x = nn.zero_pad(builder.keras_padding(x, 3), { name = "stem_conv_pad" })(x)
  x = nn.conv2d(32, 3, { stride = 2, bias = false, name = "stem_conv" })(x)
  x = norm_swish(x, "stem_bn", "stem_activation")                         -- 112 x 112 x 32
  stage(1, 1, 1, 16, 3, 1)                                                -- 112 x 112 x 16
  stage(2, 2, 6, 24, 3, 2)                                                --  56 x  56 x 24
  stage(3, 2, 6, 40, 5, 2)                                                --  28 x  28 x 40
  stage(4, 3, 6, 80, 3, 2)                                                --  14 x  14 x 80
  stage(5, 3, 6, 112, 5, 1)                                               --  14 x  14 x 112
  stage(6, 4, 6, 192, 5, 2)                                               --   7 x   7 x 192
  stage(7, 1, 6, 320, 3, 1)                                               --   7 x   7 x 320
  x = nn.conv2d(1280, 1, { padding = "same", bias = false, name = "top_conv" })(x)
  return norm_swish(x, "top_bn", "top_activation")                        --   7 x   7 x 1280
end

local function top(x, o)
  x = nn.global_avg_pool { name = "avg_pool" }(x)
  x = nn.dropout(0.2, { name = "top_dropout" })(x)
  return nn.dense(o.classes, "softmax", { name = "predictions" })(x)
end

return {
  efficientnet_b0 = builder.define {
    name = "efficientnet_b0",
    input = 224,
    parameters = 5330571,
    macs = 385814752,
    variants = { { name = "keras", smallest = 32, preprocess = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false },
      weights = { { top = true, url = "https://storage.googleapis.com/keras-applications/efficientnetb0.h5", md5 = "902e53a9f72be733fc0bcb005b3ebbac" },
                  { url = "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5", md5 = "50bc09e76180e00e4465e1a485ddc09d" } } } },
    trunk = trunk,
    top = top,
  },
}
