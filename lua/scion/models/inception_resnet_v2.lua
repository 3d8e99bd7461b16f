--- Inception-ResNet V2 (Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
--- Learning"), as Keras builds it. Shapes in comments are those of an input of 299 x 299.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local shrink = { stride = 2, padding = "valid" }

local conv_norm = builder.conv_norm { names = { "%s/conv", "%s/norm", "%s/relu" }, norm = { scale = false }, activation = "relu", padding = "same" }

--- Convolutions one after the other: each { filters, kernel, options }.
local function branch(x, name, ...)
  for i, c in ipairs { ... } do x = conv_norm(x, ("%s_%d"):format(name, i), c[1], c[2], c[3]) end
  return x
end

--- The input and, scaled down, what a 1x1 convolution makes of the branches; linear: without the ReLU at the end.
local function residual(x, block, scale, branches, linear)
  local y = nn.concatenate { name = block .. "/mixed" }(branches)
  y = nn.conv2d(x.shape[3], 1, { padding = "same", name = block .. "/conv" })(y)
  x = nn.scaled_add(scale, { name = block .. "/add" }) { x, y }
  return linear and x or nn.relu { name = block .. "/ac" }(x)
end

local function block35(x, block)
  return residual(x, block, 0.17, {
    branch(x, block .. "/branch0", { 32, 1 }),
    branch(x, block .. "/branch1", { 32, 1 }, { 32, 3 }),
    branch(x, block .. "/branch2", { 32, 1 }, { 48, 3 }, { 64, 3 }),
  })
end

local function block17(x, block)
  return residual(x, block, 0.1, {
    branch(x, block .. "/branch0", { 192, 1 }),
    branch(x, block .. "/branch1", { 128, 1 }, { 160, { 1, 7 } }, { 192, { 7, 1 } }),
  })
end

local function block8(x, block, scale, linear)
  return residual(x, block, scale, {
    branch(x, block .. "/branch0", { 192, 1 }),
    branch(x, block .. "/branch1", { 192, 1 }, { 224, { 1, 3 } }, { 256, { 3, 1 } }),
  }, linear)
end

local function pool(x, name) return nn.max_pool(3, { stride = 2, name = name })(x) end

local function mixed_5b(x, block)
  local average = nn.avg_pool(3, { stride = 1, padding = "same", name = block .. "/branch_pool/pool" })(x)
  return nn.concatenate { name = block } {
    branch(x, block .. "/branch0", { 96, 1 }),
    branch(x, block .. "/branch1", { 48, 1 }, { 64, 5 }),
    branch(x, block .. "/branch2", { 64, 1 }, { 96, 3 }, { 96, 3 }),
    branch(average, block .. "/branch_pool", { 64, 1 }),
  }
end

local function mixed_6a(x, block)
  return nn.concatenate { name = block } {
    branch(x, block .. "/branch0", { 384, 3, shrink }),
    branch(x, block .. "/branch1", { 256, 1 }, { 256, 3 }, { 384, 3, shrink }),
    pool(x, block .. "/branch_pool/pool"),
  }
end

local function mixed_7a(x, block)
  return nn.concatenate { name = block } {
    branch(x, block .. "/branch0", { 256, 1 }, { 384, 3, shrink }),
    branch(x, block .. "/branch1", { 256, 1 }, { 288, 3, shrink }),
    branch(x, block .. "/branch2", { 256, 1 }, { 288, 3 }, { 320, 3, shrink }),
    pool(x, block .. "/branch_pool/pool"),
  }
end

local function trunk(x)
  x = conv_norm(x, "stem/1", 32, 3, shrink)                                 -- 149 x 149 x 32
  x = conv_norm(x, "stem/2", 32, 3, { padding = "valid" })                  -- 147 x 147 x 32
  x = conv_norm(x, "stem/3", 64, 3)                                         -- 147 x 147 x 64
  x = pool(x, "stem/pool_3")                                              --  73 x  73 x 64
  x = conv_norm(x, "stem/4", 80, 1, { padding = "valid" })                  --  73 x  73 x 80
  x = conv_norm(x, "stem/5", 192, 3, { padding = "valid" })                 --  71 x  71 x 192
  x = pool(x, "stem/pool_5")                                              --  35 x  35 x 192
  x = mixed_5b(x, "mixed_5b")                                             --  35 x  35 x 320
  for i = 1, 10 do x = block35(x, "block35_" .. i) end                    --  35 x  35 x 320
  x = mixed_6a(x, "mixed_6a")                                             --  17 x  17 x 1088
  for i = 1, 20 do x = block17(x, "block17_" .. i) end                    --  17 x  17 x 1088
  x = mixed_7a(x, "mixed_7a")                                             --   8 x   8 x 2080
  for i = 1, 9 do x = block8(x, "block8_" .. i, 0.2) end                  --   8 x   8 x 2080
  x = block8(x, "block8_10", 1.0, true)                                   --   8 x   8 x 2080
  return conv_norm(x, { "conv_7b", "conv_7b/bn", "conv_7b/ac" }, 1536, 1) --   8 x   8 x 1536
end

return builder.define {
  name = "inception_resnet_v2",
  input = 299,
  parameters = 55873736,
  macs = 13155794016,
  variants = { { name = "keras", smallest = 75, preprocess = "tf",
    weights = builder.keras_files("inception_resnet_v2/inception_resnet_v2", { "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4" }) } },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    return nn.dense(o.classes, "softmax", { name = "predictions" })(x)
  end,
}
