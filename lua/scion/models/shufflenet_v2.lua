--- ShuffleNet V2 (Ma et al. 2018, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design") as torchvision has it, in four
--- widths. Shapes in comments are those of an input of 224 x 224 at width 1.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local conv_norm = builder.conv_norm { names = { "%s/conv", "%s/bn", "%s/relu" }, norm = { epsilon = 1e-5, momentum = 0.9 }, activation = "relu" }

--- torchvision's names of a convolution and its norm: the i-th and the next part of a Sequential, from 0.
local function origin(sequential, i)
  local theirs = sequential:gsub("/", ".")
  return { torchvision = { ("%s.%d"):format(theirs, i), ("%s.%d"):format(theirs, i + 1) } }
end

--- A 1x1 convolution, and a depthwise 3x3 without an activation.
local function pointwise(x, branch, part, i, filters) return conv_norm(x, branch .. "/" .. part, filters, 1, { origin = origin(branch, i) }) end
local function depthwise(x, branch, i, stride)
  return conv_norm(x, branch .. "/depthwise", nil, 3, { conv = nn.depthwise_conv2d, stride = stride, padding = 1, activation = false, origin = origin(branch, i) })
end

--- A unit of stride 1 works on half of the channels and leaves the others as they are; one of stride 2 has two branches that see them all.
--- Then the channels of both halves are shuffled.
local function unit(x, block, filters, stride)
  local half = filters // 2
  local left, right
  if stride == 1 then
    left = nn.slice(1, half, { name = block .. "/left" })(x)
    right = nn.slice(half + 1, filters, { name = block .. "/right" })(x)
  else
    local branch = block .. "/branch1"
    left, right = pointwise(depthwise(x, branch, 0, stride), branch, "project", 2, half), x
  end
  local branch = block .. "/branch2"
  right = pointwise(right, branch, "reduce", 0, half)
  right = depthwise(right, branch, 3, stride)
  right = pointwise(right, branch, "project", 5, half)
  x = nn.concatenate { name = block .. "/concat" } { left, right }
  return nn.channel_shuffle(2, { name = block .. "/shuffle" })(x)
end

--- `channels` of the three stages and of the last convolution.
local function trunk(channels)
  local function stage(x, name, filters, units)
    for i = 1, units do x = unit(x, ("%s/%d"):format(name, i - 1), filters, i == 1 and 2 or 1) end
    return x
  end
  return function(x)
    x = conv_norm(x, "conv1", 24, 3, { stride = 2, padding = 1, origin = origin("conv1", 0) })  -- 112 x 112 x 24
    x = nn.max_pool(3, { stride = 2, padding = 1, name = "maxpool" })(x)  --  56 x  56 x 24
    x = stage(x, "stage2", channels[1], 4)                                --  28 x  28 x 116
    x = stage(x, "stage3", channels[2], 8)                                --  14 x  14 x 232
    x = stage(x, "stage4", channels[3], 4)                                --   7 x   7 x 464
    return conv_norm(x, "conv5", channels[4], 1, { origin = origin("conv5", 0) })  --   7 x   7 x 1024
  end
end

--- `facts`: what an architecture has of its own; `file` is the name of torchvision's file and the first digits of its SHA-256.
local function shufflenet(name, channels, facts)
  return builder.define {
    name = name,
    input = 224,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = { { name = "torchvision", smallest = 1, preprocess = "torch", resize = facts.resize, crop = 224,
                   weights = { builder.torchvision_file(table.unpack(facts.file)) } } },
    trunk = trunk(channels),
    top = function(x, o)
      x = nn.global_avg_pool { name = "avgpool" }(x)
      return nn.dense(o.classes, o.scores, { name = "fc" })(x)
    end,
  }
end

return {
  shufflenet_v2_x0_5 = shufflenet("shufflenet_v2_x0_5", { 48, 96, 192, 1024 },
    { parameters = 1374744, macs = 40476448, file = { "shufflenetv2_x0.5", "f707e7126e" }, resize = 256 }),
  shufflenet_v2_x1_0 = shufflenet("shufflenet_v2_x1_0", { 116, 232, 464, 1024 },
    { parameters = 2294784, macs = 144907992, file = { "shufflenetv2_x1", "5666bf0f80" }, resize = 256 }),
  shufflenet_v2_x1_5 = shufflenet("shufflenet_v2_x1_5", { 176, 352, 704, 1024 },
    { parameters = 3527064, macs = 295759392, file = { "shufflenetv2_x1_5", "3c479a10" }, resize = 232 }),
  shufflenet_v2_x2_0 = shufflenet("shufflenet_v2_x2_0", { 244, 488, 976, 2048 },
    { parameters = 7427712, macs = 583253464, file = { "shufflenetv2_x2_0", "8be3c8ee" }, resize = 232 }),
}
