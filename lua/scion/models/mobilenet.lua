--- MobileNet (Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications"). Names are Keras's;
--- timm pads on all sides and has another epsilon. Shapes in comments are those of an input of 224 x 224 at width 1.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- The variant's conv_norm: see builder.conv_norm. Publishers differ in epsilon, momentum and padding.
local function style(o)
  local timm = o.variant == "timm"
  return builder.conv_norm { names = { "%s", "%s/bn", "%s/relu" }, norm = { epsilon = timm and 1e-5 or 1e-3, momentum = timm and 0.9 or 0.99 },
                             activation = "relu6", padding = timm and 1 or "same" }
end

--- timm's names of a convolution and its norm, for its variant. The key is `torchvision`, under which all PyTorch names are looked up.
local function origin(conv, norm, o) return o.variant == "timm" and { torchvision = { conv, norm } } or nil end

--- A depthwise 3x3 convolution, then a pointwise one. `theirs`: timm's name of the block.
local function separable(x, index, filters, stride, theirs, o)
  local conv_norm, padding = style(o), nil
  if stride == 2 and o.variant == "keras" then
    x, padding = nn.zero_pad({ 0, 0, 1, 1 }, { name = "conv_pad_" .. index })(x), "valid"
  end
  x = conv_norm(x, "conv_dw_" .. index, nil, 3, { conv = nn.depthwise_conv2d, stride = stride, padding = padding,
                                                  origin = origin(theirs .. ".conv_dw", theirs .. ".bn1", o) })
  return conv_norm(x, "conv_pw_" .. index, filters, 1, { padding = "valid", origin = origin(theirs .. ".conv_pw", theirs .. ".bn2", o) })
end

local function trunk(x, o)
  local function wide(filters) return math.floor(filters * o.width) end
  local index, conv_norm = 0, style(o)
  local function stage(number, depth, filters, stride)
    for i = 1, depth do
      index = index + 1
      x = separable(x, index, wide(filters), i == 1 and stride or 1, ("blocks.%d.%d"):format(number, i - 1), o)
    end
  end
  x = conv_norm(x, "conv1", wide(32), 3, { stride = 2, origin = origin("conv_stem", "bn1", o) }) -- 112 x 112 x 32
  stage(0, 1, 64, 1)                                                      -- 112 x 112 x 64
  stage(1, 2, 128, 2)                                                     --  56 x  56 x 128
  stage(2, 2, 256, 2)                                                     --  28 x  28 x 256
  stage(3, 6, 512, 2)                                                     --  14 x  14 x 512
  stage(4, 2, 1024, 2)                                                    --   7 x   7 x 1024
  return x
end

local function top(x, o)
  if o.variant == "timm" then
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    return nn.dense(o.classes, o.scores, { name = "predictions", origin = { torchvision = "classifier" } })(x)
  end
  x = nn.global_avg_pool { keep_dims = true, name = "avg_pool" }(x)
  x = nn.dropout(1e-3, { name = "dropout" })(x)
  x = nn.conv2d(o.classes, 1, { name = "conv_preds" })(x)
  x = nn.reshape({ o.classes }, { name = "reshape_2" })(x)
  return nn[o.scores] { name = "predictions" }(x)
end

--- Keras publishes files for four widths and four input sizes each, without hashes.
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
  variants = { { name = "keras", smallest = 32, preprocess = "tf", weights = files }, { name = "timm", smallest = 1, preprocess = "tf", weights = {} } },
  trunk = trunk,
  top = top,
}
