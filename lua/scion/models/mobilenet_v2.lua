--- MobileNet V2 (Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks"). Names are Keras's; torchvision
--- pads on all sides and has another epsilon. Shapes in comments are those of an input of 224 x 224 at width 1.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- The variant's conv_norm: see builder.conv_norm. Publishers differ in epsilon, momentum and padding.
local function style(o)
  local torchvision = o.variant == "torchvision"
  return builder.conv_norm { names = { "%s", "%s_BN", "%s_relu" }, activation = "relu6", padding = "valid",
                             norm = { epsilon = torchvision and 1e-5 or 1e-3, momentum = torchvision and 0.9 or 0.999 } }
end

--- A 1x1 convolution to more channels, a depthwise 3x3, and a 1x1 to few channels without an activation. The result is added to the input
--- where the shapes agree.
local function inverted_residual(x, index, expansion, filters, stride, o)
  local block, conv_norm = index == 1 and "expanded_conv" or "block_" .. index - 1, style(o)
  local part = 0
  local function origin(conv, norm) return { torchvision = { ("features.%d.conv.%s"):format(index, conv), ("features.%d.conv.%s"):format(index, norm) } } end
  local y = x
  if expansion > 1 then
    y = conv_norm(y, block .. "/expand", expansion * x.shape[3], 1, { origin = origin("0.0", "0.1") })
    part = 1
  end
  local padding = o.variant == "torchvision" and 1 or "same"
  if stride == 2 and padding == "same" then
    y, padding = nn.zero_pad(builder.keras_padding(y, 3), { name = block .. "/pad" })(y), "valid"
  end
  y = conv_norm(y, block .. "/depthwise", nil, 3, { conv = nn.depthwise_conv2d, stride = stride, padding = padding,
                                                    origin = origin(part .. ".0", part .. ".1") })
  y = conv_norm(y, block .. "/project", filters, 1, { activation = false, origin = origin(part + 1, part + 2) })
  if stride == 1 and x.shape[3] == filters then y = nn.add { name = block .. "/add" } { x, y } end
  return y
end

local function trunk(x, o)
  local index, conv_norm = 0, style(o)
  local function stage(expansion, channels, depth, stride)
    local wide = channels * o.width -- Keras cuts this to a whole number first
    local filters = builder.divisible(o.variant == "keras" and wide // 1 or wide)
    for i = 1, depth do
      index = index + 1
      x = inverted_residual(x, index, expansion, filters, i == 1 and stride or 1, o)
    end
  end
  x = conv_norm(x, { "Conv1", "bn_Conv1", "Conv1_relu" }, builder.divisible(32 * o.width), 3, -- 112 x 112 x 32
                { stride = 2, padding = o.variant == "torchvision" and 1 or "same", origin = { torchvision = { "features.0.0", "features.0.1" } } })
  stage(1, 16, 1, 1)                                                      -- 112 x 112 x 16
  stage(6, 24, 2, 2)                                                      --  56 x  56 x 24
  stage(6, 32, 3, 2)                                                      --  28 x  28 x 32
  stage(6, 64, 4, 2)                                                      --  14 x  14 x 64
  stage(6, 96, 3, 1)                                                      --  14 x  14 x 96
  stage(6, 160, 3, 2)                                                     --   7 x   7 x 160
  stage(6, 320, 1, 1)                                                     --   7 x   7 x 320
  return conv_norm(x, { "Conv_1", "Conv_1/bn", "out_relu" }, builder.divisible(1280 * math.max(1.0, o.width)), 1, --   7 x   7 x 1280
                   { origin = { torchvision = { "features.18.0", "features.18.1" } } })
end

local function top(x, o)
  x = nn.global_avg_pool { name = "avg_pool" }(x)
  if o.variant == "torchvision" then x = nn.dropout(0.2, { name = "dropout" })(x) end
  return nn.dense(o.classes, o.scores, { name = "predictions", origin = { torchvision = "classifier.1" } })(x)
end

--- Keras publishes files for six widths and five input sizes each (the two widest for 224 only), without hashes.
local files = {}
for _, width in ipairs { 1.0, 0.35, 0.5, 0.75, 1.3, 1.4 } do
  for _, input in ipairs(width > 1 and { 224 } or { 224, 192, 160, 128, 96 }) do
    local url = ("https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_%s_%d"):format(
      width, input)
    files[#files + 1] = { top = true, width = width, input = input, url = url .. ".h5" }
    files[#files + 1] = { width = width, input = input, url = url .. "_no_top.h5" }
  end
end

local torchvision = {} -- the second file is of a later training recipe, for images resized to 232
for i, sha256 in ipairs { "b0353104", "7ebf99e0" } do
  torchvision[i] = builder.torchvision_file("mobilenet_v2", sha256, i == 2 and 232 or nil)
end

return builder.define {
  name = "mobilenet_v2",
  input = 224,
  options = { width = builder.width },
  parameters = 3538984,
  macs = 300774272,
  variants = { { name = "keras", smallest = 32, preprocess = "tf", weights = files },
               { name = "torchvision", smallest = 1, preprocess = "torch", resize = 256, crop = 224, weights = torchvision } },
  trunk = trunk,
  top = top,
}
