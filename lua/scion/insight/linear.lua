--- A linear classifier in closed form: least squares to one-hot targets, with a penalty (ridge regression), on features that have mean 0 and
--- deviation 1 in the training rows.
local core = require "scion.core"
local normalization = require "scion.data.normalization"
local right_of = require "scion.insight.right"

local linear = {}

--- Penalties to choose from, for each training row.
linear.penalties = { 1e-3, 1e-2, 1e-1, 1, 10 }

local least = 1e-6 -- what hardly varies is not made large

--- For each penalty, which rows of a test set are told right: f32 [rows], 1 or 0.
---@param x scion.Tensor f32 [rows, features] of the training set
---@param classes scion.Tensor i32 [rows], from 1
---@param test_x scion.Tensor
---@param test_classes scion.Tensor
---@param count integer of classes
---@return scion.Tensor[] right one for each penalty
function linear.right(x, classes, test_x, test_classes, count)
  local rows, mean, deviation = #x, normalization.mean(x, 1), normalization.deviation(x, 1) + least
  local targets = core.one_hot(classes - 1, count)
  local share, scaled = targets:mean(1), {}
  for i, penalty in ipairs(linear.penalties) do scaled[i] = penalty * rows end
  local w = ((x - mean) / deviation):least_squares(targets - share, scaled)
  local tests, right = (test_x - mean) / deviation, {}
  for i = 1, #scaled do right[i] = right_of(tests:matmul(w:select(i)) + share, test_classes) end
  return right
end

return linear
