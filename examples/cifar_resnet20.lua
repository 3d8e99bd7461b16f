-- Usage: lua5.4 cifar_resnet20.lua WEIGHTS IMAGE..
-- ResNet-20 for CIFAR-10 (He et al. 2015) with shortcuts that have no weights ("option A"), from layers. WEIGHTS is a state dict of PyTorch
-- with the usual names: conv1.weight, layer1.0.conv1.weight, layer1.0.bn1.weight, …, linear.weight. Prints what the network sees in the
-- images, which are resized to 32 x 32.
local scion = require "scion"
local nn = scion.nn

if not arg[2] then
  print "usage: cifar_resnet20.lua WEIGHTS IMAGE.."
  os.exit(2)
end

local function conv_norm(x, block, i, filters, stride)
  x = nn.conv2d(filters, 3, { stride = stride, padding = 1, bias = false, name = block .. "conv" .. i })(x)
  return nn.batch_norm { epsilon = 1e-5, momentum = 0.9, statistics = "stored", name = block .. "bn" .. i }(x)
end

local x = nn.relu()(conv_norm(nn.input(32, 32, 3, { preprocess = "torch" }), "", 1, 16, 1))
for stage, filters in ipairs { 16, 32, 64 } do
  for i = 0, 2 do -- three blocks a stage make 20 layers, nine 56
    local block, stride = ("layer%d/%d/"):format(stage, i), stage > 1 and i == 0 and 2 or 1
    local y = nn.relu()(conv_norm(x, block, 1, filters, stride))
    if stride == 2 then x = nn.pad_channels(filters // 4, filters // 4)(nn.max_pool(1, { stride = 2 })(x)) end
    x = nn.add { activation = "relu" } { conv_norm(y, block, 2, filters, 1), x }
  end
end
local model = scion.model { output = nn.dense(10, "softmax", { name = "linear" })(nn.global_avg_pool()(x)) }
model:load_weights(arg[1], { preprocess = "torch" })
model.labels = { "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck" }
print(model:predict { table.unpack(arg, 2) })
