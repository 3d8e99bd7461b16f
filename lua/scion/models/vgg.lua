--- VGG (Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition"), with 16 and 19 layers
--- that have weights. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local check = require "scion.check"
local nn = require "scion.nn"

local function trunk(depths)
  return function(x)
    local index = 0 -- torchvision numbers all layers: a convolution and its ReLU take two numbers, a pool takes one
    local function block(name, depth, filters)
      for i = 1, depth do
        x = nn.conv2d(filters, 3, { padding = "same", activation = "relu", name = name .. "/conv" .. i,
                                    origin = { torchvision = "features." .. index } })(x)
        index = index + 2
      end
      x = nn.max_pool(2, { name = name .. "/pool" })(x)
      index = index + 1
    end
    block("block1", depths[1], 64)                                        -- 112 x 112 x 64
    block("block2", depths[2], 128)                                       --  56 x  56 x 128
    block("block3", depths[3], 256)                                       --  28 x  28 x 256
    block("block4", depths[4], 512)                                       --  14 x  14 x 512
    block("block5", depths[5], 512)                                       --   7 x   7 x 512
    return x
  end
end

--- Whether a Keras file has a classifier for this input size that is not the usual one, for images of 224 x 224: Keras flattens the
--- features of whatever size. Raises where the classifier is for a third size.
local function has_own_size(x, o)
  local file = o.file and o.file.keras
  local shape = o.variant == "keras" and file and require("scion.weights.keras").kernel_shape(file, "fc1")
  local features = shape and #shape == 2 and shape[1]
  if not features or features == 7 * 7 * 512 then return false end
  if features == x.shape[1] * x.shape[2] * x.shape[3] then return true end
  local side = math.tointeger(math.sqrt(features / 512))
  check.raise(("%s: its classifier fc1 takes %d features%s, not the %dx%dx512 of this input"):format(file.path, features,
    side and (" (%dx%dx512, of input = %d)"):format(side, side, 32 * side) or "", x.shape[1], x.shape[2]))
end

local function top(x, o)
  local torchvision = o.variant == "torchvision"
  if not has_own_size(x, o) and (x.shape[1] ~= 7 or x.shape[2] ~= 7) then x = nn.adaptive_avg_pool(7, { name = "avgpool" })(x) end
  x = nn.flatten { name = "flatten" }(x)
  x = nn.dense(4096, "relu", { name = "fc1", origin = { torchvision = "classifier.0" } })(x)
  if torchvision then x = nn.dropout(0.5, { name = "dropout1" })(x) end
  x = nn.dense(4096, "relu", { name = "fc2", origin = { torchvision = "classifier.3" } })(x)
  if torchvision then x = nn.dropout(0.5, { name = "dropout2" })(x) end
  return nn.dense(o.classes, o.scores, { name = "predictions", origin = { torchvision = "classifier.6" } })(x)
end

local function vgg(name, depths, facts)
  return builder.define {
    name = name,
    input = 224,
    parameters = facts.parameters,
    macs = facts.macs,
    alike = true,
    variants = {
      { name = "keras", smallest = 32, preprocess = "caffe", weights = builder.keras_files(name .. "/" .. name, facts.md5) },
      { name = "torchvision", smallest = 32, preprocess = "torch", resize = 256, crop = 224,
        weights = { builder.torchvision_file(name, facts.sha256) } },
    },
    trunk = trunk(depths),
    top = top,
  }
end

return {
  vgg16 = vgg("vgg16", { 2, 2, 3, 3, 3 }, { parameters = 138357544, macs = 15470264320, sha256 = "397923af",
    md5 = { "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc" } }),
  vgg19 = vgg("vgg19", { 2, 2, 4, 4, 4 }, { parameters = 143667240, macs = 19632062464, sha256 = "dcbb9e9d",
    md5 = { "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6" } }),
}
