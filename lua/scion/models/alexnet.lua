--- AlexNet (Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"), as torchvision builds it.
--- Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local function trunk(x)
  local function conv(filters, kernel, padding, name, index, stride)
    x = nn.conv2d(filters, kernel, { stride = stride or 1, padding = padding, activation = "relu", name = name,
                                     origin = { torchvision = "features." .. index } })(x)
  end
  conv(64, 11, 2, "conv1", 0, 4)                                          --  55 x  55 x 64
  x = nn.max_pool(3, { stride = 2, name = "pool1" })(x)                   --  27 x  27 x 64
  conv(192, 5, 2, "conv2", 3)                                             --  27 x  27 x 192
  x = nn.max_pool(3, { stride = 2, name = "pool2" })(x)                   --  13 x  13 x 192
  conv(384, 3, 1, "conv3", 6)                                             --  13 x  13 x 384
  conv(256, 3, 1, "conv4", 8)                                             --  13 x  13 x 256
  conv(256, 3, 1, "conv5", 10)                                            --  13 x  13 x 256
  return nn.max_pool(3, { stride = 2, name = "pool5" })(x)                --   6 x   6 x 256
end

local function top(x, o)
  x = nn.adaptive_avg_pool(6, { name = "avgpool" })(x)
  x = nn.flatten { name = "flatten" }(x)
  x = nn.dropout(0.5, { name = "dropout1" })(x)
  x = nn.dense(4096, "relu", { name = "fc6", origin = { torchvision = "classifier.1" } })(x)
  x = nn.dropout(0.5, { name = "dropout2" })(x)
  x = nn.dense(4096, "relu", { name = "fc7", origin = { torchvision = "classifier.4" } })(x)
  return nn.dense(o.classes, o.scores, { name = "fc8", origin = { torchvision = "classifier.6" } })(x)
end

return builder.define {
  name = "alexnet",
  input = 224,
  parameters = 61100840,
  macs = 714188480,
  variants = { { name = "torchvision", smallest = 63, preprocess = "torch", resize = 256, crop = 224,
                 weights = { builder.torchvision_file("alexnet-owt", "7be5be79") } } },
  trunk = trunk,
  top = top,
}
