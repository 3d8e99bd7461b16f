--- Nearest neighbours: an image's class is that of the images whose features point the same way, each with its cosine as its weight.
local core = require "scion.core"
local normalization = require "scion.data.normalization"
local right_of = require "scion.insight.right"

local knn = {}

--- How many neighbours are asked.
knn.neighbours = 5

--- Rows of length 1.
---@param x scion.Tensor f32 [rows, features]
---@return scion.Tensor
function knn.normalized(x)
  return x / ((normalization.mean(x * x, 2) * x:shape()[2]):sqrt() + 1e-12)
end

--- Which rows of a test set are told right: f32 [rows], 1 or 0.
---@param x scion.Tensor f32 [rows, features] of the training set
---@param classes scion.Tensor i32 [rows], from 1
---@param test_x scion.Tensor
---@param test_classes scion.Tensor
---@param count integer of classes
---@return scion.Tensor right
function knn.right(x, classes, test_x, test_classes, count)
  local mean, k, rows = normalization.mean(x, 1), math.min(knn.neighbours, #x), #test_x
  local cosines = knn.normalized(test_x - mean):matmul(knn.normalized(x - mean):transpose())
  local values, indices = cosines:top_k(k, 2)
  local near = classes:gather(1, indices:reshape(rows * k))
  local votes = core.one_hot(near - 1, count) * (values:reshape(rows * k, 1) + 1)
  return right_of(votes:reshape(rows, k, count):sum(2), test_classes)
end

return knn
