--- Xception (Chollet 2016, "Xception: Deep Learning with Depthwise Separable Convolutions"), as Keras builds it. Shapes in
--- comments are those of an input of 299 x 299.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local conv_norm = builder.conv_norm { names = { "%s", "%s_bn", "%s_act" }, norm = {}, activation = "relu", padding = "same" }

local function separable(x, name, filters)
  return conv_norm(x, name, filters, 3, { conv = nn.separable_conv2d, activation = false })
end

--- Two separable convolutions and a pool of stride 2, beside a 1x1 convolution of stride 2.
local function shrink(x, block, between, filters, first)
  local residual = conv_norm(x, block .. "/residual", filters, 1, { stride = 2, activation = false })
  if not first then x = nn.relu { name = block .. "/sepconv1_act" }(x) end
  x = separable(x, block .. "/sepconv1", between)
  x = nn.relu { name = block .. "/sepconv2_act" }(x)
  x = separable(x, block .. "/sepconv2", filters)
  x = nn.max_pool(3, { stride = 2, padding = "same", name = block .. "/pool" })(x)
  return nn.add { name = block .. "/add" } { x, residual }
end

local function middle(x, block)
  local y = x
  for i = 1, 3 do
    local name = block .. "/sepconv" .. i
    y = nn.relu { name = name .. "_act" }(y)
    y = separable(y, name, 728)
  end
  return nn.add { name = block .. "/add" } { y, x }
end

local function trunk(x)
  x = conv_norm(x, "block1/conv1", 32, 3, { stride = 2, padding = "valid" })  -- 149 x 149 x 32
  x = conv_norm(x, "block1/conv2", 64, 3, { padding = "valid" })          -- 147 x 147 x 64
  x = shrink(x, "block2", 128, 128, true)                                 --  74 x  74 x 128
  x = shrink(x, "block3", 256, 256)                                       --  37 x  37 x 256
  x = shrink(x, "block4", 728, 728)                                       --  19 x  19 x 728
  for i = 5, 12 do x = middle(x, "block" .. i) end                        --  19 x  19 x 728
  x = shrink(x, "block13", 728, 1024)                                     --  10 x  10 x 1024
  x = separable(x, "block14/sepconv1", 1536)
  x = nn.relu { name = "block14/sepconv1_act" }(x)                        --  10 x  10 x 1536
  x = separable(x, "block14/sepconv2", 2048)
  return nn.relu { name = "block14/sepconv2_act" }(x)                     --  10 x  10 x 2048
end

return builder.define {
  name = "xception",
  input = 299,
  parameters = 22910480,
  macs = 8357403496,
  variants = { { name = "keras", smallest = 71, preprocess = "tf",
    weights = builder.keras_files("xception/xception", { "0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97" }) } },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    return nn.dense(o.classes, "softmax", { name = "predictions" })(x)
  end,
}
