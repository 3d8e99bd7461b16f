--- ResNet (He et al. 2015, "Deep Residual Learning for Image Recognition") as torchvision builds it: a bottleneck's stride is
--- on its 3x3 convolution. Shapes in comments are those of an input of 224 x 224, channels those of networks with bottlenecks.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local conv_norm = builder.conv_norm { norm = { epsilon = 1e-5, momentum = 0.9 }, activation = "relu" }

--- The names of the i-th convolution of a block, and of what follows it.
local function names(block, i) return { block .. "/conv" .. i, block .. "/bn" .. i, block .. "/relu" .. i } end

--- Adds the input x to the branch y. Where the shapes differ, x first goes through a 1x1 convolution.
local function join(x, y, block, stride)
  local filters = y.shape[3]
  if stride ~= 1 or x.shape[3] ~= filters then
    x = conv_norm(x, { block .. "/downsample/0", block .. "/downsample/1" }, filters, 1, { stride = stride, padding = 0, activation = false })
  end
  return nn.add { activation = "relu", name = block .. "/add" } { y, x }
end

local function basic(x, block, filters, stride)
  local y = conv_norm(x, names(block, 1), filters, 3, { stride = stride, padding = 1 })
  y = conv_norm(y, names(block, 2), filters, 3, { padding = 1, activation = false })
  return join(x, y, block, stride)
end

local function bottleneck(x, block, filters, stride)
  local y = conv_norm(x, names(block, 1), filters, 1, { padding = 0 })
  y = conv_norm(y, names(block, 2), filters, 3, { stride = stride, padding = 1 })
  y = conv_norm(y, names(block, 3), filters * 4, 1, { padding = 0, activation = false })
  return join(x, y, block, stride)
end

local function trunk(residual, depths)
  local function stage(x, name, depth, filters, stride)
    for i = 1, depth do x = residual(x, name .. "/" .. i - 1, filters, i == 1 and stride or 1) end
    return x
  end
  return function(x)
    x = conv_norm(x, { "conv1", "bn1", "relu" }, 64, 7, { stride = 2, padding = 3 })  -- 112 x 112 x 64
    x = nn.max_pool(3, { stride = 2, padding = 1, name = "maxpool" })(x)  --  56 x  56 x 64
    x = stage(x, "layer1", depths[1], 64, 1)                              --  56 x  56 x 256
    x = stage(x, "layer2", depths[2], 128, 2)                             --  28 x  28 x 512
    x = stage(x, "layer3", depths[3], 256, 2)                             --  14 x  14 x 1024
    return stage(x, "layer4", depths[4], 512, 2)                          --   7 x   7 x 2048
  end
end

local function resnet(name, residual, depths, facts)
  local files = {}
  for i, sha256 in ipairs(facts.sha256) do
    files[i] = builder.torchvision_file(name, sha256, i == 2 and 232 or nil) -- the second file is of a later training recipe
  end
  return builder.define {
    name = name,
    input = 224,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = { { name = "torchvision", smallest = 1, preprocess = "torch", resize = 256, crop = 224, weights = files } },
    trunk = trunk(residual, depths),
    top = function(x, o)
      x = nn.global_avg_pool { name = "avgpool" }(x)
      return nn.dense(o.classes, "softmax", { name = "fc" })(x)
    end,
  }
end

return {
  resnet18 = resnet("resnet18", basic, { 2, 2, 2, 2 }, { parameters = 11699112, macs = 1814073344, sha256 = { "f37072fd" } }),
  resnet34 = resnet("resnet34", basic, { 3, 4, 6, 3 }, { parameters = 21814696, macs = 3663761408, sha256 = { "b627a593" } }),
  resnet50 = resnet("resnet50", bottleneck, { 3, 4, 6, 3 }, { parameters = 25610152, macs = 4089184256, sha256 = { "0676ba61", "11ad3fa6" } }),
  resnet101 = resnet("resnet101", bottleneck, { 3, 4, 23, 3 },
    { parameters = 44654504, macs = 7801405440, sha256 = { "63fe2227", "cd907fc2" } }),
  resnet152 = resnet("resnet152", bottleneck, { 3, 8, 36, 3 },
    { parameters = 60344232, macs = 11513626624, sha256 = { "394f9c45", "f82ba261" } }),
}
