--- GoogLeNet (Szegedy et al. 2014, "Going Deeper with Convolutions", also called Inception V1) as torchvision has it: with batch norm, and
--- with 3x3 convolutions where the paper has 5x5. Its files hold two auxiliary classifiers (aux1, aux2), which only training from scratch
--- uses and which are left out here. Names are torchvision's. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local conv_norm = builder.conv_norm { names = { "%s/conv", "%s/bn", "%s/relu" }, norm = { epsilon = 1e-3, momentum = 0.9 }, activation = "relu",
                                      padding = "same" }

--- Where a window would begin in the image and reach over its edge, there is one more.
local function shrink(x, kernel, name) return nn.max_pool(kernel, { stride = 2, padding = "ceil", name = name })(x) end

--- Four branches side by side: 1x1; 1x1 and 3x3, twice; max pooling and 1x1. `filters` of their six convolutions.
local function inception(x, block, filters)
  local one, three_reduced, three, five_reduced, five, pooled = table.unpack(filters)
  local a = conv_norm(x, block .. "/branch1", one, 1)
  local b = conv_norm(x, block .. "/branch2/0", three_reduced, 1)
  b = conv_norm(b, block .. "/branch2/1", three, 3)
  local c = conv_norm(x, block .. "/branch3/0", five_reduced, 1)
  c = conv_norm(c, block .. "/branch3/1", five, 3)
  local d = nn.max_pool(3, { stride = 1, padding = "same", name = block .. "/branch4/0" })(x)
  d = conv_norm(d, block .. "/branch4/1", pooled, 1)
  return nn.concatenate { name = block } { a, b, c, d }
end

local function trunk(x)
  x = conv_norm(x, "conv1", 64, 7, { stride = 2, padding = 3 })           -- 112 x 112 x 64
  x = shrink(x, 3, "maxpool1")                                            --  56 x  56 x 64
  x = conv_norm(x, "conv2", 64, 1)                                        --  56 x  56 x 64
  x = conv_norm(x, "conv3", 192, 3)                                       --  56 x  56 x 192
  x = shrink(x, 3, "maxpool2")                                            --  28 x  28 x 192
  x = inception(x, "inception3a", { 64, 96, 128, 16, 32, 32 })            --  28 x  28 x 256
  x = inception(x, "inception3b", { 128, 128, 192, 32, 96, 64 })          --  28 x  28 x 480
  x = shrink(x, 3, "maxpool3")                                            --  14 x  14 x 480
  x = inception(x, "inception4a", { 192, 96, 208, 16, 48, 64 })           --  14 x  14 x 512
  x = inception(x, "inception4b", { 160, 112, 224, 24, 64, 64 })          --  14 x  14 x 512
  x = inception(x, "inception4c", { 128, 128, 256, 24, 64, 64 })          --  14 x  14 x 512
  x = inception(x, "inception4d", { 112, 144, 288, 32, 64, 64 })          --  14 x  14 x 528
  x = inception(x, "inception4e", { 256, 160, 320, 32, 128, 128 })        --  14 x  14 x 832
  x = shrink(x, 2, "maxpool4")                                            --   7 x   7 x 832
  x = inception(x, "inception5a", { 256, 160, 320, 32, 128, 128 })        --   7 x   7 x 832
  return inception(x, "inception5b", { 384, 192, 384, 48, 128, 128 })     --   7 x   7 x 1024
end

return builder.define {
  name = "googlenet",
  input = 224,
  parameters = 6639464,
  macs = 1498376192,
  -- torchvision standardizes images, but with the published weights its network (transform_input) turns them back into -1 .. 1
  variants = { { name = "torchvision", smallest = 15, preprocess = "tf", resize = 256, crop = 224,
                 weights = { builder.torchvision_file("googlenet", "1378be20") } } },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avgpool" }(x)
    x = nn.dropout(0.2, { name = "dropout" })(x)
    return nn.dense(o.classes, o.scores, { name = "fc" })(x)
  end,
}
