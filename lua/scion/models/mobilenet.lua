--- MobileNet (Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications"), as Keras
--- builds it. Shapes in comments are those of an input of 224 x 224 at width 1.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local conv_norm = builder.conv_norm { names = { "%s", "%s/bn", "%s/relu" }, norm = {}, activation = "relu6", padding = "same" }

--- A depthwise 3x3 convolution, then a pointwise one.
local function separable(x, index, filters, stride)
  local padding = "same"
  if stride == 2 then
    x, padding = nn.zero_pad({ 0, 0, 1, 1 }, { name = "conv_pad_" .. index })(x), "valid"
  end
  x = conv_norm(x, "conv_dw_" .. index, nil, 3, { conv = nn.depthwise_conv2d, stride = stride, padding = padding })
  return conv_norm(x, "conv_pw_" .. index, filters, 1, { padding = "valid" })
end

local function trunk(x, o)
  local function wide(filters) return math.floor(filters * o.width) end
  x = conv_norm(x, "conv1", wide(32), 3, { stride = 2 })                  -- 112 x 112 x 32
  x = separable(x, 1, wide(64), 1)                                        -- 112 x 112 x 64
  x = separable(x, 2, wide(128), 2)                                       --  56 x  56 x 128
  x = separable(x, 3, wide(128), 1)                                       --  56 x  56 x 128
  x = separable(x, 4, wide(256), 2)                                       --  28 x  28 x 256
  x = separable(x, 5, wide(256), 1)                                       --  28 x  28 x 256
  x = separable(x, 6, wide(512), 2)                                       --  14 x  14 x 512
  for index = 7, 11 do x = separable(x, index, wide(512), 1) end          --  14 x  14 x 512
  x = separable(x, 12, wide(1024), 2)                                     --   7 x   7 x 1024
  return separable(x, 13, wide(1024), 1)                                  --   7 x   7 x 1024
end

local function top(x, o)
  x = nn.global_avg_pool { keep_dims = true, name = "avg_pool" }(x)
  x = nn.dropout(1e-3, { name = "dropout" })(x)
  x = nn.conv2d(o.classes, 1, { name = "conv_preds" })(x)
  x = nn.reshape({ o.classes }, { name = "reshape_2" })(x)
  return nn.softmax { name = "predictions" }(x)
end

--- Keras publishes four widths for four sizes of input each, without hashes.
local files = {}
for _, width in ipairs { { 1.0, "1_0" }, { 0.75, "7_5" }, { 0.5, "5_0" }, { 0.25, "2_5" } } do
  for _, input in ipairs { 224, 192, 160, 128 } do
    local url = ("https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/mobilenet_%s_%d_tf"):format(width[2], input)
    files[#files + 1] = { top = true, width = width[1], input = input, url = url .. ".h5" }
    files[#files + 1] = { width = width[1], input = input, url = url .. "_no_top.h5" }
  end
end

return builder.define {
  name = "mobilenet",
  input = 224,
  options = { width = builder.width },
  parameters = 4253864,
  macs = 568740352,
  variants = { { name = "keras", smallest = 32, preprocess = "tf", weights = files } },
  trunk = trunk,
  top = top,
}
