--- model:evaluate: loss, accuracy, and how well each class is told.
local core = require "scion.core"
local metrics = require "scion.train.metrics"
local options = require "scion.options"
local pass = require "scion.cache.pass"
local results = require "scion.report.results"
local targets = require "scion.train.targets"

---@class scion.Evaluation
---@field loss number the mean of the examples
---@field accuracy number? the share of right predictions; none without classes
---@field classes scion.Score[]? in the order of the labels
---@field confusion scion.Tensor? how many examples: i32 [true class, predicted class]
---@field examples integer

local function ratio(a, b) return b > 0 and a / b or 0.0 end

--- Precision, recall, F1 and support from the counts of (true, predicted) and of each class.
local function per_class(counts, supports, labels)
  local table_of, list = counts:totable(), {}
  for i, row in ipairs(table_of) do
    local support, predicted = supports:get(i), 0
    for j = 1, #table_of do predicted = predicted + table_of[j][i] end
    local precision, recall = ratio(row[i], predicted), ratio(row[i], support)
    list[i] = { label = labels and labels[i] or tostring(i), precision = precision, recall = recall, support = support,
                f1 = ratio(2 * precision * recall, precision + recall) }
  end
  return list
end

---@param model scion.Model
---@param data scion.Dataset
---@param given { batch: integer?, loss: string?, cache: boolean|scion.CacheOptions|nil, precision: string? } cache: as for fit
---@return scion.Evaluation
return function(model, data, given)
  options.check("evaluate", given, { batch = false, loss = false, cache = true, precision = false })
  local loss = targets.loss(model, given.loss)
  targets.check(model, data, loss)
  targets.same_labels(model.labels, "in the model", data.labels, "in the data set")
  local outputs = model.output.shape
  local sums = metrics.new(loss ~= "mse" and math.max(outputs[#outputs], 2) or nil)
  local as_they_are = { shuffle = false, augment = false, batch = given.batch, precision = given.precision }
  for images, labels, _, _, from in pass.batches(model, data, 0, pass.options("evaluate", given.cache), as_they_are) do
    local n = images:shape()[1]
    local plan = model:plan_for { mode = "infer", batch = math.max(n, given.batch or data.batch or n), input_dtype = images:dtype(), loss = loss,
                                  precision = given.precision, from = from }
    local complete = model:execute(plan, { images = images, labels = targets.tensor(labels, loss, outputs) })
    if not complete then break end
    sums:add(core.place(model.arena, plan.losses, n), core.place(model.arena, plan.output, n), labels)
  end
  return results.evaluation { loss = sums:loss(), accuracy = sums:accuracy(), examples = sums.examples, confusion = sums.counts,
                        classes = sums.counts and per_class(sums.counts, sums.support, data.labels or model.labels) or nil }
end
