--- Sums over batches: the loss, and the confusion matrix.
local core = require "scion.core"

---@class scion.Metrics
---@field examples integer how many examples were added
---@field total number the sum of their losses
---@field counts scion.Tensor? i32 [true class, predicted class]; outputs that are not finite are not counted
---@field support scion.Tensor? i32 [class]: the examples of each class, including those with outputs that are not finite
---@field left_out integer images that could not be read
---@field first_failure string? the message about the first of them
local metrics = {}
metrics.__index = metrics

--- Sums without examples.
---@param classes integer? the number of classes; nil for a loss without classes
---@return scion.Metrics
function metrics.new(classes)
  return setmetatable({ examples = 0, total = 0, left_out = 0, counts = classes and core.new({ classes, classes }, "i32") or nil,
                        support = classes and core.new({ classes }, "i32") or nil }, metrics)
end

--- Adds a batch.
---@param losses scion.Tensor f32 [n], one for each example
---@param probabilities scion.Tensor f32 [n, classes], or [n, 1] of a single sigmoid
---@param labels scion.Tensor i32 [n], classes from 0; not read without classes
---@return number loss the mean of the batch
function metrics:add(losses, probabilities, labels)
  local n, sum = losses:shape()[1], losses:sum()
  self.examples, self.total = self.examples + n, self.total + sum
  if self.counts then core.run { "confusion", x = probabilities, labels = labels, counts = self.counts, support = self.support } end
  return sum / n
end

--- Counts images that could not be read.
---@param failures { message: string }[]
function metrics:leave_out(failures)
  if not failures[1] then return end
  self.left_out = self.left_out + #failures
  self.first_failure = self.first_failure or failures[1].message
end

--- The message that says why there are no examples.
---@param n integer the size of the data set
---@return string
function metrics:nothing_read(n)
  if n == 0 then return "the data set is empty" end
  return ("the data set gave no image that can be read, of %d%s"):format(n, self.first_failure and " (" .. self.first_failure .. ")" or "")
end

--- The mean loss; NaN if there are no examples.
---@return number
function metrics:loss() return self.examples > 0 and self.total / self.examples or 0 / 0 end

--- The share of correct predictions; nil if there are no classes or no examples.
---@return number?
function metrics:accuracy()
  if not self.counts or self.examples == 0 then return nil end
  local right = 0
  for i = 1, self.counts:shape()[1] do right = right + self.counts:get(i, i) end
  return right / self.examples
end

--- How many examples had outputs that were not finite; nil if there are no classes.
---@return integer?
function metrics:not_finite() return self.counts and self.support:sum() - self.counts:sum() or nil end

return metrics
