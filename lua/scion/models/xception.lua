--- Xception (Chollet 2016, "Xception: Deep Learning with Depthwise Separable Convolutions"). Names are Keras's; timm pads its pools on
--- all sides and has another epsilon. Shapes in comments are those of an input of 299 x 299.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- The variant's conv_norm: see builder.conv_norm. Publishers differ in epsilon, momentum and padding.
local function style(o)
  local timm = o.variant == "timm"
  return builder.conv_norm { names = { "%s", "%s_bn", "%s_act" }, norm = { epsilon = timm and 1e-5 or 1e-3, momentum = timm and 0.9 or 0.99 },
                             activation = "relu", padding = "same" }
end

--- timm's names of a convolution and its norm, for its variant. The key is `torchvision`, under which all PyTorch names are looked up.
local function origin(conv, norm, o) return o.variant == "timm" and { torchvision = { conv, norm } } or nil end

--- A separable convolution with batch norm. `conv`, `norm`: timm's names, of which the convolution is a module of two layers there.
local function separable(x, name, filters, conv, norm, o)
  local theirs = origin(conv, norm, o)
  if theirs then theirs.torchvision_depthwise = { conv .. ".conv1" } end
  return style(o)(x, name, filters, 3, { conv = nn.separable_conv2d, activation = false, origin = theirs })
end

--- The i-th separable convolution of a block. timm numbers all layers of a block: ReLUs, convolutions and norms. first: without a ReLU
--- before it.
local function part(x, block, i, filters, theirs, first, o)
  local index = 3 * (i - 1) + (first and 0 or 1)
  return separable(x, ("%s/sepconv%d"):format(block, i), filters, ("%s.rep.%d"):format(theirs, index), ("%s.rep.%d"):format(theirs, index + 1), o)
end

--- Two separable convolutions and a pool of stride 2; a 1x1 convolution of stride 2 beside them is added.
local function shrink(x, number, between, filters, o)
  local block, theirs, first = "block" .. number, "block" .. number - 1, number == 2
  local residual = style(o)(x, block .. "/residual", filters, 1, { stride = 2, activation = false,
                                                                   origin = origin(theirs .. ".skip", theirs .. ".skipbn", o) })
  if not first then x = nn.relu { name = block .. "/sepconv1_act" }(x) end
  x = part(x, block, 1, between, theirs, first, o)
  x = nn.relu { name = block .. "/sepconv2_act" }(x)
  x = part(x, block, 2, filters, theirs, first, o)
  x = nn.max_pool(3, { stride = 2, padding = o.variant == "timm" and 1 or "same", name = block .. "/pool" })(x)
  return nn.add { name = block .. "/add" } { x, residual }
end

local function middle(x, number, o)
  local y, block = x, "block" .. number
  for i = 1, 3 do
    y = nn.relu { name = ("%s/sepconv%d_act"):format(block, i) }(y)
    y = part(y, block, i, 728, "block" .. number - 1, false, o)
  end
  return nn.add { name = block .. "/add" } { y, x }
end

local function trunk(x, o)
  local conv_norm = style(o)
  x = conv_norm(x, "block1/conv1", 32, 3, { stride = 2, padding = "valid", origin = origin("conv1", "bn1", o) }) -- 149 x 149 x 32
  x = conv_norm(x, "block1/conv2", 64, 3, { padding = "valid", origin = origin("conv2", "bn2", o) }) -- 147 x 147 x 64
  x = shrink(x, 2, 128, 128, o)                                           --  74 x  74 x 128
  x = shrink(x, 3, 256, 256, o)                                           --  37 x  37 x 256
  x = shrink(x, 4, 728, 728, o)                                           --  19 x  19 x 728
  for number = 5, 12 do x = middle(x, number, o) end                      --  19 x  19 x 728
  x = shrink(x, 13, 728, 1024, o)                                         --  10 x  10 x 1024
  x = separable(x, "block14/sepconv1", 1536, "conv3", "bn3", o)
  x = nn.relu { name = "block14/sepconv1_act" }(x)                        --  10 x  10 x 1536
  x = separable(x, "block14/sepconv2", 2048, "conv4", "bn4", o)
  return nn.relu { name = "block14/sepconv2_act" }(x)                     --  10 x  10 x 2048
end

return builder.define {
  name = "xception",
  input = 299,
  parameters = 22910480,
  macs = 8357403496,
  variants = { { name = "keras", smallest = 71, preprocess = "tf",
    weights = builder.keras_files("xception/xception", { "0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97" }) },
               { name = "timm", smallest = 71, preprocess = "tf", weights = {} } },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    return nn.dense(o.classes, o.scores, { name = "predictions", origin = o.variant == "timm" and { torchvision = "fc" } or nil })(x)
  end,
}
