--- Sums over the batches of a pass: the loss, how many predictions are right, and what the metrics that were asked for keep.
local check = require "scion.check"
local calibration = require "scion.train.metrics.calibration_error"
local core = require "scion.core"
local labels = require "scion.data.labels"
local notice = require "scion.report.notice"

---@class scion.Sums
---@field examples integer how many examples were added
---@field total number the sum of their losses
---@field told "classes"|"labels"|nil what is told of each example, as of targets.told
---@field count integer? how many classes or labels there are
---@field counts scion.Tensor? i32 of classes [true class, predicted class], of labels [label, 4], as core's kernels confusion and
--- label_confusion count them; examples with outputs that are not finite are not counted
---@field support scion.Tensor? i32 [class or label]: the examples of each, including those with outputs that are not finite
---@field exact scion.Tensor? i32 [1]: the examples of which all labels are predicted right
---@field metrics scion.Metric[] what was asked for, in that order
---@field kept table[] what each of these keeps, beside the counts; empty for those that need no more
---@field scores { probabilities: scion.Tensor, truth: scion.Tensor }[]? all batches, if a metric needs them
---@field bins table? what the calibration metric keeps, where sums:calibrate was called
---@field left_out integer images that could not be read
---@field first_failure string? the message about the first of them
local sums = {}
sums.__index = sums

--- Sums without examples.
---@param told "classes"|"labels"|nil
---@param count integer? how many classes or labels there are
---@param metrics scion.Metric[]
---@return scion.Sums
function sums.new(told, count, metrics)
  if told == "classes" then count = math.max(count, 2) end -- the kernel takes one output for two classes
  local self = { examples = 0, total = 0, left_out = 0, told = told, count = count, metrics = metrics, kept = {},
                 counts = told and core.new({ count, told == "classes" and count or 4 }, "i32"), support = told and core.new({ count }, "i32"),
                 exact = told == "labels" and core.new({ 1 }, "i32") or nil }
  for i, metric in ipairs(metrics) do
    self.kept[i] = metric.of.begin and metric.of.begin(count) or {}
    if metric.of.scores then self.scores = {} end
  end
  return setmetatable(self, sums)
end

--- What is true of a batch: i32 [n] of classes from 0, f32 [n, labels], or f32 numbers in the shape of the outputs.
local function truth_of(self, y, outputs)
  if self.told == "classes" then return y:dtype() == "f32" and (core.from_one(labels.largest(y))) or y end
  return y:reshape(outputs:shape())
end

--- Counts, of what is added from here on, how sure predictions are and how often right; where there are classes or labels.
function sums:calibrate() self.bins = self.told and calibration.begin() or nil end

--- Adds a batch.
---@param losses scion.Tensor f32 [n], one for each example
---@param probabilities scion.Tensor f32 [n, classes or labels], or [n, 1] of a single sigmoid; or numbers. It is not kept, but copied
---@param y scion.Tensor i32 [n] of classes from 0, or f32 rows; not read where nothing is told and no metric is asked for
---@return number loss the mean of the batch
function sums:add(losses, probabilities, y)
  local n, sum = losses:shape()[1], losses:sum()
  self.examples, self.total = self.examples + n, self.total + sum
  if not self.told and #self.metrics == 0 then return sum / n end
  local truth = truth_of(self, y, probabilities)
  if self.told == "classes" then
    core.run { "confusion", x = probabilities, labels = truth, counts = self.counts, support = self.support }
  elseif self.told == "labels" then
    core.run { "label_confusion", x = probabilities, labels = truth, counts = self.counts, support = self.support, exact = self.exact }
  end
  for i, metric in ipairs(self.metrics) do
    if metric.of.add then metric.of.add(self.kept[i], probabilities, truth) end
  end
  if self.bins then calibration.add(self.bins, probabilities, truth) end
  if self.scores then self.scores[#self.scores + 1] = { probabilities = probabilities:copy(), truth = truth:copy() } end
  return sum / n
end

--- Counts images that could not be read.
---@param failures { message: string }[]
function sums:leave_out(failures)
  if not failures[1] then return end
  self.left_out = self.left_out + #failures
  self.first_failure = self.first_failure or failures[1].message
end

--- The message that says why there are no examples.
---@param n integer the size of the data set
---@return string
function sums:nothing_read(n)
  if n == 0 then return "the data set is empty" end
  return ("the data set gave no image that can be read, of %d%s"):format(n, self.first_failure and " (" .. self.first_failure .. ")" or "")
end

--- The mean loss; NaN if there are no examples.
---@return number
function sums:loss() return self.examples > 0 and self.total / self.examples or 0 / 0 end

--- The share of correct predictions, of classes or of labels; nil if there are none or no examples.
---@return number?
function sums:accuracy()
  if not self.told or self.examples == 0 then return nil end
  local right = 0
  for i = 1, self.count do right = right + (self.told == "classes" and self.counts:get(i, i) or self.counts:get(i, 1) + self.counts:get(i, 4)) end
  return right / self.examples / (self.told == "labels" and self.count or 1)
end

--- The share of examples of which all labels are predicted right; nil without labels or examples.
---@return number?
function sums:exact_match() return self.exact and self.examples > 0 and self.exact:get(1) / self.examples or nil end

local lasting = { "examples", "total", "left_out", "first_failure", "counts", "support", "exact", "kept", "scores" }

--- What a checkpoint holds of them: numbers, strings, tensors and tables of them. It shares its tensors with the sums.
---@return table
function sums:state()
  local state = {}
  for _, field in ipairs(lasting) do state[field] = self[field] end
  return state
end

--- Takes back what state gave, in new sums for the same classes and metrics.
---@param state table
function sums:restore(state)
  for _, field in ipairs(lasting) do self[field] = state[field] end
end

--- How many examples had outputs that were not finite; nil if there are no classes or labels.
---@return integer?
function sums:not_finite()
  if not self.told then return nil end
  return self.told == "classes" and self.support:sum() - self.counts:sum() or self.examples - self.counts:slice(1, 1, 1):sum()
end

--- Of each class or label: how many examples have it, for how many it was predicted, and for how many rightly.
---@return { right: integer, predicted: integer, support: integer }[]
function sums:tallies()
  local list, support = {}, self.support:totable()
  local predicted = self.told == "classes" and self.counts:sum(1):totable()
  for i = 1, self.count do
    list[i] = { support = support[i], right = self.counts:get(i, predicted and i or 4),
                predicted = predicted and predicted[i] or self.counts:get(i, 2) + self.counts:get(i, 4) }
  end
  return list
end

--- a / b, or 0 if b is 0.
---@param a number
---@param b number
---@return number
function sums.ratio(a, b) return b > 0 and a / b or 0.0 end

--- Precision, recall, F1 and support of each class or label, in their order; nil if there are none.
---@param names string[]?
---@return scion.Score[]?
function sums:class_scores(names)
  if not self.told then return nil end
  local list, ratio = self:tallies(), sums.ratio
  for i, t in ipairs(list) do
    list[i] = { label = names and names[i] or tostring(i), precision = ratio(t.right, t.predicted), recall = ratio(t.right, t.support), support = t.support,
                f1 = ratio(2 * t.right, t.predicted + t.support) }
  end
  return list
end

--- The bins of confidence; nil unless sums:calibrate was called.
---@return scion.CalibrationBin[]?
function sums:calibration() return self.bins and calibration.bins(self.bins) end

-- ---- the metrics' values --------------------------------------------------------------------------------------------

--- All batches in one tensor.
local function joined(parts, field)
  local list = {}
  for i, part in ipairs(parts) do list[i] = part[field] end
  return core.concat(list)
end

--- The value of a metric, and a remark.
local function value_of(self, i, all)
  local metric = self.metrics[i]
  local value, remark = metric.of.value(self, metric, self.kept[i], all)
  if type(value) ~= "number" then check.raise(("the metric '%s' gave %s, not a number"):format(metric.name, check.show(value))) end
  return value, remark
end

--- Raises if a metric of a user's own fails on what was added so far, so that a mistake in it shows before an epoch has passed.
function sums:try()
  if not self.scores then return end
  local all = { probabilities = joined(self.scores, "probabilities"), truth = joined(self.scores, "truth") }
  for i, metric in ipairs(self.metrics) do
    if metric.compute then value_of(self, i, all) end
  end
end

--- What the metrics that were asked for are, by name; empty without examples. What is not defined is NaN, and a line on standard error
--- says why, once.
---@return table<string, number>
function sums:values()
  local values = {}
  if self.examples == 0 then return values end
  local all = self.scores and { probabilities = joined(self.scores, "probabilities"), truth = joined(self.scores, "truth") }
  for i, metric in ipairs(self.metrics) do
    local value, remark = value_of(self, i, all)
    values[metric.name] = value
    if remark then notice.once(("scion: the metric '%s' is %s"):format(metric.name, remark)) end
  end
  return values
end

return sums
