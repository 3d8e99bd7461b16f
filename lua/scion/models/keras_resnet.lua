--- ResNet (He et al. 2015, "Deep Residual Learning for Image Recognition") as Keras builds it: a bottleneck's stride is on its first 1x1
--- convolution, as in the paper, and convolutions have a bias. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local conv_norm = builder.conv_norm { names = { "%s_conv", "%s_bn", "%s_relu" }, norm = { epsilon = 1.001e-5 }, activation = "relu", padding = "valid",
                                      bias = true }

local function bottleneck(x, block, filters, stride, project)
  local shortcut = project and conv_norm(x, block .. "/0", filters * 4, 1, { stride = stride, activation = false }) or x
  local y = conv_norm(x, block .. "/1", filters, 1, { stride = stride })
  y = conv_norm(y, block .. "/2", filters, 3, { padding = "same" })
  y = conv_norm(y, block .. "/3", filters * 4, 1, { activation = false })
  y = nn.add { name = block .. "/add" } { shortcut, y }
  return nn.relu { name = block .. "/out" }(y)
end

local function trunk(depths)
  local function stage(x, name, depth, filters, stride)
    for i = 1, depth do x = bottleneck(x, name .. "_block" .. i, filters, i == 1 and stride or 1, i == 1) end
    return x
  end
  return function(x)
    x = nn.zero_pad(3, { name = "conv1_pad" })(x)
    x = conv_norm(x, "conv1", 64, 7, { stride = 2 })                      -- 112 x 112 x 64
    x = nn.zero_pad(1, { name = "pool1_pad" })(x)
    x = nn.max_pool(3, { stride = 2, name = "pool1_pool" })(x)            --  56 x  56 x 64
    x = stage(x, "conv2", depths[1], 64, 1)                               --  56 x  56 x 256
    x = stage(x, "conv3", depths[2], 128, 2)                              --  28 x  28 x 512
    x = stage(x, "conv4", depths[3], 256, 2)                              --  14 x  14 x 1024
    return stage(x, "conv5", depths[4], 512, 2)                           --   7 x   7 x 2048
  end
end

local function resnet(name, depths, facts)
  return builder.define {
    name = name,
    input = 224,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = { { name = "keras", smallest = 32, preprocess = "caffe", weights = builder.keras_files("resnet/" .. name:gsub("^keras_", ""), facts.md5) } },
    trunk = trunk(depths),
    top = function(x, o)
      x = nn.global_avg_pool { name = "avg_pool" }(x)
      return nn.dense(o.classes, o.scores, { name = "predictions" })(x)
    end,
  }
end

return {
  keras_resnet50 = resnet("keras_resnet50", { 3, 4, 6, 3 }, { parameters = 25636712, macs = 3857973248,
    md5 = { "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626" } }),
  keras_resnet101 = resnet("keras_resnet101", { 3, 4, 23, 3 }, { parameters = 44707176, macs = 7570194432,
    md5 = { "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21" } }),
  keras_resnet152 = resnet("keras_resnet152", { 3, 8, 36, 3 }, { parameters = 60419944, macs = 11282415616,
    md5 = { "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c" } }),
}
