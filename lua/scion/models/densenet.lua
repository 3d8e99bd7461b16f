--- DenseNet (Huang et al. 2016, "Densely Connected Convolutional Networks"). Names are Keras's; torchvision has the same
--- network with another epsilon. Shapes in comments are those of an input of 224 x 224, channels those of DenseNet-121.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local growth = 32

--- Functions that apply the parts of a network, with its publisher's epsilon. `torchvision` is a layer's name there.
local function layers(o)
  local epsilon = o.variant == "torchvision" and 1e-5 or 1.001e-5
  local made = {}

  function made.norm_relu(x, norm, relu, torchvision)
    x = nn.batch_norm { epsilon = epsilon, name = norm, origin = { torchvision = "features." .. torchvision } }(x)
    return nn.relu { name = relu }(x)
  end

  function made.conv(x, filters, kernel, name, torchvision, stride)
    return nn.conv2d(filters, kernel, { stride = stride or 1, padding = stride and "valid" or "same", bias = false, name = name,
                                        origin = { torchvision = "features." .. torchvision } })(x)
  end

  --- Each layer reads the outputs of all layers before it in the block, and appends its own channels to them.
  function made.dense_block(x, stage, index, depth)
    for i = 1, depth do
      local block, theirs = ("%s_block%d"):format(stage, i), ("denseblock%d.denselayer%d."):format(index, i)
      local y = made.norm_relu(x, block .. "/0_bn", block .. "/0_relu", theirs .. "norm1")
      y = made.conv(y, 4 * growth, 1, block .. "/1_conv", theirs .. "conv1")
      y = made.norm_relu(y, block .. "/1_bn", block .. "/1_relu", theirs .. "norm2")
      y = made.conv(y, growth, 3, block .. "/2_conv", theirs .. "conv2")
      x = nn.concatenate { name = block .. "/concat" } { x, y }
    end
    return x
  end

  function made.transition(x, name, index)
    x = made.norm_relu(x, name .. "/bn", name .. "/relu", ("transition%d.norm"):format(index))
    x = made.conv(x, x.shape[3] // 2, 1, name .. "/conv", ("transition%d.conv"):format(index))
    return nn.avg_pool(2, { name = name .. "/pool" })(x)
  end
  return made
end

local function trunk(depths)
  return function(x, o)
    local made = layers(o)
    x = nn.zero_pad(3, { name = "conv1/pad" })(x)
    x = made.conv(x, 64, 7, "conv1/conv", "conv0", 2)
    x = made.norm_relu(x, "conv1/bn", "conv1/relu", "norm0")              -- 112 x 112 x 64
    x = nn.zero_pad(1, { name = "pool1/pad" })(x)
    x = nn.max_pool(3, { stride = 2, name = "pool1" })(x)                 --  56 x  56 x 64
    x = made.dense_block(x, "conv2", 1, depths[1])                        --  56 x  56 x 256
    x = made.transition(x, "pool2", 1)                                    --  28 x  28 x 128
    x = made.dense_block(x, "conv3", 2, depths[2])                        --  28 x  28 x 512
    x = made.transition(x, "pool3", 2)                                    --  14 x  14 x 256
    x = made.dense_block(x, "conv4", 3, depths[3])                        --  14 x  14 x 1024
    x = made.transition(x, "pool4", 3)                                    --   7 x   7 x 512
    x = made.dense_block(x, "conv5", 4, depths[4])                        --   7 x   7 x 1024
    return made.norm_relu(x, "bn", "relu", "norm5")                       --   7 x   7 x 1024
  end
end

local function top(x, o)
  x = nn.global_avg_pool { name = "avg_pool" }(x)
  return nn.dense(o.classes, o.scores, { name = "predictions", origin = { torchvision = "classifier" } })(x)
end

local function densenet(name, depths, facts)
  return builder.define {
    name = name,
    input = 224,
    parameters = facts.parameters,
    macs = facts.macs,
    alike = true, -- their epsilons differ by 1e-8 only
    outside = { part = "features", layer = "relu", cut = "bn" },
    variants = {
      { name = "keras", smallest = 32, preprocess = "torch", weights = builder.keras_files("densenet/" .. name, facts.md5) },
      { name = "torchvision", smallest = 29, preprocess = "torch", resize = 256, crop = 224,
        weights = { builder.torchvision_file(name, facts.sha256) } },
    },
    trunk = trunk(depths),
    top = top,
  }
end

return {
  densenet121 = densenet("densenet121", { 6, 12, 24, 16 }, { parameters = 8062504, macs = 2834161664, sha256 = "a639ec97",
    md5 = { "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738" } }),
  densenet169 = densenet("densenet169", { 6, 12, 32, 32 }, { parameters = 14307880, macs = 3359843328, sha256 = "b2777c0a",
    md5 = { "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b" } }),
  densenet201 = densenet("densenet201", { 6, 12, 48, 32 }, { parameters = 20242984, macs = 4291365888, sha256 = "c1103571",
    md5 = { "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1" } }),
}
