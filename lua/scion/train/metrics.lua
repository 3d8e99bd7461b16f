--- Sums over batches: the loss, and how many predictions are right.
local core = require "scion.core"

---@class scion.Metrics
---@field examples integer how many examples were added
---@field total number the sum of their losses
---@field told "classes"|"labels"|nil what is told of each example, as of targets.told
---@field count integer? how many classes or labels there are
---@field counts scion.Tensor? i32 of classes [true class, predicted class], of labels [label, 4], as core's kernels confusion and
--- label_confusion count them; examples with outputs that are not finite are not counted
---@field support scion.Tensor? i32 [class or label]: the examples of each, including those with outputs that are not finite
---@field exact scion.Tensor? i32 [1]: the examples of which all labels are predicted right
---@field left_out integer images that could not be read
---@field first_failure string? the message about the first of them
local metrics = {}
metrics.__index = metrics

--- Sums without examples.
---@param told "classes"|"labels"|nil
---@param count integer? how many classes or labels there are
---@return scion.Metrics
function metrics.new(told, count)
  if told == "classes" then count = math.max(count, 2) end -- the kernel takes one output for two classes
  return setmetatable({ examples = 0, total = 0, left_out = 0, told = told, count = count,
                        counts = told and core.new({ count, told == "classes" and count or 4 }, "i32"), support = told and core.new({ count }, "i32"),
                        exact = told == "labels" and core.new({ 1 }, "i32") or nil }, metrics)
end

--- The class with the largest share in each row, from 0.
local function most_of(rows)
  local best = rows:argmax(2)
  return (core.from_one(type(best) == "number" and { best } or best))
end

--- Adds a batch.
---@param losses scion.Tensor f32 [n], one for each example
---@param probabilities scion.Tensor f32 [n, classes or labels], or [n, 1] of a single sigmoid
---@param y scion.Tensor i32 [n] of classes from 0, or f32 rows; not read where nothing is told
---@return number loss the mean of the batch
function metrics:add(losses, probabilities, y)
  local n, sum = losses:shape()[1], losses:sum()
  self.examples, self.total = self.examples + n, self.total + sum
  if self.told == "classes" then
    core.run { "confusion", x = probabilities, labels = y:dtype() == "f32" and most_of(y) or y, counts = self.counts, support = self.support }
  elseif self.told == "labels" then
    core.run { "label_confusion", x = probabilities, labels = y:reshape(n, self.count), counts = self.counts, support = self.support, exact = self.exact }
  end
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

--- The share of correct predictions, of classes or of labels; nil if there are none or no examples.
---@return number?
function metrics:accuracy()
  if not self.told or self.examples == 0 then return nil end
  local right = 0
  for i = 1, self.count do right = right + (self.told == "classes" and self.counts:get(i, i) or self.counts:get(i, 1) + self.counts:get(i, 4)) end
  return right / self.examples / (self.told == "labels" and self.count or 1)
end

--- The share of examples of which all labels are predicted right; nil without labels or examples.
---@return number?
function metrics:exact_match() return self.exact and self.examples > 0 and self.exact:get(1) / self.examples or nil end

--- How many examples had outputs that were not finite; nil if there are no classes or labels.
---@return integer?
function metrics:not_finite()
  if not self.told then return nil end
  return self.told == "classes" and self.support:sum() - self.counts:sum() or self.examples - self.counts:slice(1, 1, 1):sum()
end

local function ratio(a, b) return b > 0 and a / b or 0.0 end

--- Precision, recall, F1 and support of each class or label, in their order; nil if there are none.
---@param names string[]?
---@return scion.Score[]?
function metrics:scores(names)
  if not self.told then return nil end
  local predicted, list = self.told == "classes" and self.counts:sum(1):totable(), {}
  for i, row in ipairs(self.counts:totable()) do
    local right, support = predicted and row[i] or row[4], self.support:get(i)
    local hits, recall = ratio(right, predicted and predicted[i] or row[2] + row[4]), ratio(right, support)
    list[i] = { label = names and names[i] or tostring(i), precision = hits, recall = recall, support = support, f1 = ratio(2 * hits * recall, hits + recall) }
  end
  return list
end

return metrics
