--- Running sums over batches: the loss, and what was taken for what.
local core = require "scion.core"

---@class scion.Metrics
---@field examples integer
---@field counts scion.Tensor? [true class, predicted class]; what a model says in numbers that are not finite predicts nothing
---@field support scion.Tensor? [class], the examples of each class, those for which nothing is predicted too
---@field left_out integer images that could not be read
---@field first_failure string? why, for the first of them
local metrics = {}
metrics.__index = metrics

--- classes: how many; nil for a loss without classes.
---@param classes integer?
---@return scion.Metrics
function metrics.new(classes)
  return setmetatable({ examples = 0, total = 0, left_out = 0, counts = classes and core.new({ classes, classes }, "i32") or nil,
                        support = classes and core.new({ classes }, "i32") or nil }, metrics)
end

--- Adds a batch.
---@param losses scion.Tensor of each example
---@param probabilities scion.Tensor
---@param labels scion.Tensor i32 classes from 0
---@return number loss the batch's mean
function metrics:add(losses, probabilities, labels)
  local n, sum = losses:shape()[1], losses:sum()
  self.examples, self.total = self.examples + n, self.total + sum
  if self.counts then core.run { "confusion", x = probabilities, labels = labels, counts = self.counts, support = self.support } end
  return sum / n
end

--- Counts images that could not be read.
---@param failures { message: string }[]?
function metrics:leave_out(failures)
  if not failures then return end
  self.left_out = self.left_out + #failures
  self.first_failure = self.first_failure or failures[1].message
end

--- Why there is no example.
---@param n integer how many images there should be
---@return string
function metrics:nothing_read(n)
  if n == 0 then return "the data set is empty" end
  return ("the data set gave no image that can be read, of %d%s"):format(n, self.first_failure and " (" .. self.first_failure .. ")" or "")
end

--- Mean loss of what was added.
---@return number
function metrics:loss() return self.examples > 0 and self.total / self.examples or 0 / 0 end

--- Share of right predictions, or nil where there are no classes.
---@return number?
function metrics:accuracy()
  if not self.counts or self.examples == 0 then return nil end
  local right = 0
  for i = 1, self.counts:shape()[1] do right = right + self.counts:get(i, i) end
  return right / self.examples
end

--- How many outputs were no numbers, and so predict nothing; nil where there are no classes.
---@return integer?
function metrics:not_finite() return self.counts and self.support:sum() - self.counts:sum() or nil end

return metrics
