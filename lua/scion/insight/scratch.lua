--- A small network that is trained from scratch: what a pretrained one has to do better than.
local check = require "scion.check"
local gathered = require "scion.insight.gathered"
local nn = require "scion.nn"
local optim = require "scion.optim"
local cosine = require "scion.lr.cosine"
local random = require "scion.random"
local right_of = require "scion.insight.right"

local epochs, side = 20, 64 -- larger images are made about as small as that by the first layer's stride

--- Three blocks of convolution, batch norm and pooling, and a classifier.
local function network(shape, classes)
  local stride = math.max(math.max(shape[1], shape[2]) // side, 1)
  local x = nn.input { shape = shape, preprocess = shape[3] == 3 and "tf" or nil }
  for block, filters in ipairs { 32, 64, 128 } do
    local first = block == 1
    x = nn.conv2d(filters, first and stride > 1 and 2 * stride - 1 or 3, { stride = first and stride or 1, padding = "same", bias = false })(x)
    x = nn.relu()(nn.batch_norm { momentum = 0.9 }(x))
    if math.min(x.shape[1], x.shape[2]) > 1 then x = nn.max_pool(2)(x) end
  end
  return require("scion.model").new { output = nn.dense(classes, "softmax")(nn.global_avg_pool()(x)) }
end

--- Trains it on a set, with its augmentation, and returns which images of another set it tells right: f32 [images that can be read], 1 or 0.
---@param where string the name of the function that the user called, for messages
---@param shape integer[] of an image
---@param train scion.Dataset
---@param val scion.Dataset
---@param classes integer
---@return scion.Tensor
return function(where, shape, train, val, classes)
  if #shape ~= 3 then check.raise(where .. ": scratch = true trains a small network for images, and the data set has none") end
  return random.with(0, function()
    local model = network(shape, classes)
    model:fit(train, { epochs = epochs, optimizer = optim.adam { lr = cosine(2e-3) }, verbose = false, quiet = true })
    return right_of(gathered.outputs(where, model, val, { cache = false }))
  end)
end
