-- One network of most layers: losses and gradients against PyTorch in double precision.
local gradients = dofile "spec/support/gradients.lua"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local nn = scion.nn

local golden = gradients.golden "layers"

--- The network of fixtures/models/layers.py. Values that several layers read show that gradients add up.
local function network()
  local x = nn.input { shape = { 9, 9, 3 }, preprocess = "unit" }
  x = nn.rescaling({ 2, 3, 4 }, { offset = { -0.5, 0, 0.25 }, name = "rescaling" })(x)
  x = nn.normalization { name = "normalization" }(x)
  x = nn.separable_conv2d(6, 3, { activation = "swish", name = "first" })(x)
  x = nn.separable_conv2d(8, 3, { padding = "same", bias = false, name = "second" })(x)
  x = nn.batch_norm { scale = false, statistics = "stored", name = "folded" }(x)
  x = nn.hard_swish()(x)
  x = nn.batch_norm { statistics = "stored", name = "norm" }(x)
  local s = nn.global_avg_pool { keep_dims = true }(x)
  s = nn.conv2d(8, 1, { activation = "hard_sigmoid", name = "squeeze" })(s)
  x = nn.scaled_add(0.3)({ x, nn.multiply() { x, s } })
  x = nn.prelu { name = "bent" }(nn.gelu()(nn.layer_norm { name = "layers" }(x)))
  x = nn.local_response_norm(3, { alpha = 0.5, k = 1.5 })(x)
  x = nn.add() { nn.crop({ 1, 0, 0, 1 })(x), nn.crop({ 0, 1, 1, 0 })(x) }
  x = nn.add() { nn.upsample(2)(x), nn.upsample(2, { interpolation = "bilinear" })(x) }
  x = nn.flatten()(nn.adaptive_avg_pool({ 5, 7 })(x))
  x = nn.gelu_tanh()(nn.prelu("one", { name = "one" })(x))
  local model = scion.model { output = nn.dense(4, "softmax", { name = "out" })(x) }
  rule.fill(model, "torchvision", { 0.8, 1.2 })
  return model
end

describe("a network of most layers", function()
  it("has PyTorch's losses and gradients", function() gradients.all(network, golden) end)
  it("has the same gradients whatever is frozen below", function() gradients.frozen(network, golden, { first = 12, norm = 7 }) end)
  it("is rebuilt from a saved file", function() gradients.rebuilt(network, golden) end)
end)
