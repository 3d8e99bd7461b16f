--- Which images a classifier tells right that has learned from others: cross-validation.
local core = require "scion.core"
local folds = require "scion.insight.folds"
local interrupts = require "scion.interrupts"
local knn = require "scion.insight.knn"
local linear = require "scion.insight.linear"

local cross_validation = {}

--- The number of the penalty by which most is told right, from the sums of all parts but one.
local function best_without(rights, part)
  local best, highest = nil, -1
  for i = 1, #linear.penalties do
    local sum = 0
    for k, right in ipairs(rights) do sum = sum + (k ~= part and right[i]:sum() or 0) end
    if sum > highest then best, highest = i, sum end
  end
  return best
end

--- What is told right with each penalty, for each part by what the others teach.
local function rights_of(parts, x, classes, of, thin)
  local rights = {}
  for k = 1, #parts.first do
    interrupts.check(of.where)
    local test_x, train_x = folds.split(parts, x, k)
    local test_y, train_y = folds.split(parts, classes, k)
    if thin then
      local rows = thin(train_y)
      train_x, train_y = train_x:gather(1, rows), train_y:gather(1, rows)
    end
    rights[k] = linear.right(train_x, train_y, test_x, test_y, of.count)
  end
  return rights
end

--- The linear classifier. Each part is told with the penalty that is best for the others: one that its own images had a say in would flatter it, by 3
--- to 5 points with 10 or 20 images a class, as nested cross-validation shows, whose figures these are but for noise. A validation set is told with the
--- penalty that is best within the training set.
---@param of scion.Gathered
---@param x scion.Tensor f32 [images, features]
---@param thin? fun(classes: scion.Tensor): integer[] which of the rows that it could learn from it is given (all of them)
---@return scion.Tensor right f32 [images told], 1 or 0
function cross_validation.linear(of, x, thin)
  local rights, told = rights_of(of.parts, x, of.classes, of, thin), {}
  if #rights == 1 then
    local _, rows = folds.split(of.parts, x, 1)
    local _, classes = folds.split(of.parts, of.classes, 1)
    local parts = folds.of(classes:totable(), math.min(5, #classes), 0)
    local within = rights_of(parts, rows:gather(1, parts.order), classes:gather(1, parts.order), of)
    return rights[1][best_without(within)]
  end
  for k, right in ipairs(rights) do told[k] = right[best_without(rights, k)] end
  return core.concat(told)
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
