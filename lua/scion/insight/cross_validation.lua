--- Which images a classifier tells right that has learned from others: cross-validation.
local core = require "scion.core"
local folds = require "scion.insight.folds"
local interrupts = require "scion.interrupts"
local knn = require "scion.insight.knn"
local linear = require "scion.insight.linear"

local cross_validation = {}

--- The linear classifier with the best of its penalties.
---@param of scion.Gathered
---@param x scion.Tensor f32 [images, features]
---@param thin? fun(classes: scion.Tensor): integer[] which of the rows that it could learn from it is given (all of them)
---@return scion.Tensor right f32 [images told], 1 or 0
function cross_validation.linear(of, x, thin)
  local by_penalty, best, highest = {}, nil, -1
  for k = 1, #of.parts.first do
    interrupts.check(of.where)
    local test_x, train_x = folds.split(of.parts, x, k)
    local test_y, train_y = folds.split(of.parts, of.classes, k)
    if thin then
      local rows = thin(train_y)
      train_x, train_y = train_x:gather(1, rows), train_y:gather(1, rows)
    end
    for i, right in ipairs(linear.right(train_x, train_y, test_x, test_y, of.count)) do
      by_penalty[i] = by_penalty[i] or {}
      table.insert(by_penalty[i], right)
    end
  end
  for _, list in ipairs(by_penalty) do
    local right = core.concat(list)
    local mean = right:mean()
    if mean > highest then best, highest = right, mean end
  end
  return best
end

--- The nearest neighbours.
---@param of scion.Gathered
---@param x scion.Tensor f32 [images, features]
---@return scion.Tensor right f32 [images told], 1 or 0
function cross_validation.neighbours(of, x)
  local list = {}
  for k = 1, #of.parts.first do
    local test_x, train_x = folds.split(of.parts, x, k)
    local test_y, train_y = folds.split(of.parts, of.classes, k)
    list[k] = knn.right(train_x, train_y, test_x, test_y, of.count)
  end
  return core.concat(list)
end

return cross_validation
