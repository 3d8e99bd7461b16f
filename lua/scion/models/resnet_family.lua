--- What ResNet, ResNeXt and wide ResNet share, as torchvision builds them: a bottleneck's stride is on its 3x3 convolution. Shapes in
--- comments are those of an input of 224 x 224, channels those of networks with bottlenecks.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local family = {}

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

--- A block of two 3x3 convolutions.
---@param x scion.Node
---@param block string its name
---@param filters integer
---@param stride integer of the first
---@return scion.Node
function family.basic(x, block, filters, stride)
  local y = conv_norm(x, names(block, 1), filters, 3, { stride = stride, padding = 1 })
  y = conv_norm(y, names(block, 2), filters, 3, { padding = 1, activation = false })
  return join(x, y, block, stride)
end

--- A bottleneck: a 3x3 convolution between two of 1x1. It has so many groups, each of so many channels in the first stage.
---@param groups integer
---@param group_width integer
---@return function
function family.bottleneck(groups, group_width)
  return function(x, block, filters, stride)
    local width = filters * group_width // 64 * groups
    local y = conv_norm(x, names(block, 1), width, 1, { padding = 0 })
    y = conv_norm(y, names(block, 2), width, 3, { stride = stride, padding = 1, groups = groups })
    y = conv_norm(y, names(block, 3), filters * 4, 1, { padding = 0, activation = false })
    return join(x, y, block, stride)
  end
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

--- Defines an architecture of four stages of such blocks.
---@param name string
---@param residual function family.basic, or what family.bottleneck returns
---@param depths integer[] blocks of each stage
---@param facts { parameters: integer, macs: integer, sha256: string[], later: boolean? } sha256: in the names of its files; later: whether
--- the first file is of the later training recipe already
---@return scion.Architecture
function family.define(name, residual, depths, facts)
  local files = {}
  for i, sha256 in ipairs(facts.sha256) do -- the second file is of a later training recipe, for images resized to 232
    files[i] = builder.torchvision_file(name, sha256, (i == 2 or facts.later) and 232 or nil)
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
      return nn.dense(o.classes, o.scores, { name = "fc" })(x)
    end,
  }
end

return family
