--- SqueezeNet (Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters"): 1.0, and 1.1, which needs
--- fewer operations. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- A 1x1 convolution to few channels, then 1x1 and 3x3 side by side.
local function fire(x, block, index, squeeze, expand)
  local function conv(input, name, filters, kernel)
    return nn.conv2d(filters, kernel, { padding = "same", activation = "relu", name = block .. "/" .. name .. kernel .. "x" .. kernel,
                                        origin = { torchvision = ("features.%d.%s"):format(index, name == "squeeze" and name or
                                                                                           name .. kernel .. "x" .. kernel) } })(input)
  end
  x = conv(x, "squeeze", squeeze, 1)
  return nn.concatenate { name = block .. "/concat" } { conv(x, "expand", expand, 1), conv(x, "expand", expand, 3) }
end

--- torchvision's pools have ceil_mode, so that the last window may reach over the edge; those of the ports to Keras do not.
local function pool(x, name, o)
  return nn.max_pool(3, { stride = 2, padding = o.variant == "torchvision" and "ceil" or "valid", name = name })(x)
end

local function stem(x, filters, kernel)
  return nn.conv2d(filters, kernel, { stride = 2, activation = "relu", name = "conv1", origin = { torchvision = "features.0" } })(x)
end

local function trunk_1_0(x, o)
  x = stem(x, 96, 7)                                                      -- 109 x 109 x 96
  x = pool(x, "pool1", o)                                                 --  54 x  54 x 96
  x = fire(x, "fire2", 3, 16, 64)                                         --  54 x  54 x 128
  x = fire(x, "fire3", 4, 16, 64)                                         --  54 x  54 x 128
  x = fire(x, "fire4", 5, 32, 128)                                        --  54 x  54 x 256
  x = pool(x, "pool4", o)                                                 --  27 x  27 x 256
  x = fire(x, "fire5", 7, 32, 128)                                        --  27 x  27 x 256
  x = fire(x, "fire6", 8, 48, 192)                                        --  27 x  27 x 384
  x = fire(x, "fire7", 9, 48, 192)                                        --  27 x  27 x 384
  x = fire(x, "fire8", 10, 64, 256)                                       --  27 x  27 x 512
  x = pool(x, "pool8", o)                                                 --  13 x  13 x 512
  return fire(x, "fire9", 12, 64, 256)                                    --  13 x  13 x 512
end

local function trunk_1_1(x, o)
  x = stem(x, 64, 3)                                                      -- 111 x 111 x 64
  x = pool(x, "pool1", o)                                                 --  55 x  55 x 64
  x = fire(x, "fire2", 3, 16, 64)                                         --  55 x  55 x 128
  x = fire(x, "fire3", 4, 16, 64)                                         --  55 x  55 x 128
  x = pool(x, "pool3", o)                                                 --  27 x  27 x 128
  x = fire(x, "fire4", 6, 32, 128)                                        --  27 x  27 x 256
  x = fire(x, "fire5", 7, 32, 128)                                        --  27 x  27 x 256
  x = pool(x, "pool5", o)                                                 --  13 x  13 x 256
  x = fire(x, "fire6", 9, 48, 192)                                        --  13 x  13 x 384
  x = fire(x, "fire7", 10, 48, 192)                                       --  13 x  13 x 384
  x = fire(x, "fire8", 11, 64, 256)                                       --  13 x  13 x 512
  return fire(x, "fire9", 12, 64, 256)                                    --  13 x  13 x 512
end

--- The scores are never below 0, here as in the paper, so that of the sigmoid of a single class nothing is below a half.
local function top(x, o)
  x = nn.dropout(0.5, { name = "drop9" })(x)
  x = nn.conv2d(o.classes, 1, { activation = "relu", name = "conv10", origin = { torchvision = "classifier.1" } })(x)
  x = nn.global_avg_pool { name = "pool10" }(x)
  return nn[o.scores] { name = "predictions" }(x)
end

local function squeezenet(name, trunk, facts)
  return builder.define {
    name = name,
    input = 224,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = {
      { name = "torchvision", smallest = facts.smallest[1], preprocess = "torch", resize = 256, crop = 224,
        weights = { builder.torchvision_file(name, facts.sha256) } },
      { name = "keras", smallest = facts.smallest[2], preprocess = "caffe", weights = {} }, -- for ports to Keras, which has none of its own
    },
    trunk = trunk,
    top = top,
  }
end

return {
  squeezenet1_0 = squeezenet("squeezenet1_0", trunk_1_0, { parameters = 1248424, macs = 818924576, smallest = { 21, 35 }, sha256 = "b66bff10" }),
  squeezenet1_1 = squeezenet("squeezenet1_1", trunk_1_1, { parameters = 1235496, macs = 349151936, smallest = { 17, 31 }, sha256 = "b8a52dc0" }),
}
