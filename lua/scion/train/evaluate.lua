--- model:evaluate: loss, accuracy, and precision, recall and F1 of each class.
local batches = require "scion.data.batch"
local cached = require "scion.cache.cached"
local check = require "scion.check"
local checkpoint = require "scion.train.checkpoint"
local core = require "scion.core"
local distributed = require "scion.train.distributed"
local inputs = require "scion.train.inputs"
local interrupts = require "scion.interrupts"
local metrics = require "scion.train.metrics"
local notice = require "scion.report.notice"
local precision = require "scion.precision"
local progress = require "scion.report.progress"
local results = require "scion.report.results"
local targets = require "scion.train.targets"

--- It has the metrics that were asked for as well, by their names, such as top_3.
---@class scion.Evaluation
---@field loss number mean over the examples
---@field accuracy number? the share of correct predictions: of the examples' classes, or of all labels of all examples, where one is
--- predicted if its probability is over 0.5; nil without either
---@field exact_match number? where images can have several labels: the share of examples of which all labels are predicted right
---@field classes scion.Score[]? in the order of the labels; nil without classes or labels
---@field confusion scion.Tensor? i32 [true class, predicted class]: how many examples; nil unless each has one class. Where an image has
--- shares of classes, the class with the largest share is the true one
---@field examples integer how many images were evaluated
---@field left_out integer how many could not be read
---@field not_finite integer? examples with outputs that are not finite: they count as wrong, and to the support of their class
---@field calibration scion.CalibrationBin[]? 15 bins of equal width, by the probability of the predicted class; where an image can have several
--- labels, each of them is an example, a decision between no and yes. Outputs that are not finite are in no bin
---@field confusion_table table<string, table<string, integer>>? the same counts by labels: confusion_table.glass.metal is how many of glass
--- were taken for metal. It prints as a table

--- Predictions that are about equally sure.
---@class scion.CalibrationBin
---@field from number the lowest confidence
---@field to number
---@field examples integer
---@field accuracy number? the share that is right; nil without examples
---@field confidence number? the mean of the probabilities

local schema = { batch = { inputs.batch }, loss = { targets.kind }, metrics = { metrics.kind }, cache = { cached.kind, {} },
                 precision = { precision.kind }, distributed = { distributed.kind } }

--- Runs the network on all batches of this process, and calls add(losses, output, batch) and leave_out(failed) for each. Returns what tells of a batch
--- with numbers that are not finite.
local function run(where, model, data, o, loss, source, add, leave_out)
  local names, broken = data.labels or model.labels, nil
  for batch in source:pass(0) do
    local n = #batch
    if n > 0 then
      local target = targets.tensor(where, batch.y, loss, model, names, n)
      local plan = model:plan_for { mode = "infer", batch = inputs.capacity(data, o.batch, n), input_dtype = batch.x:dtype(), loss = loss,
                                    labels = target:dtype(), precision = o.precision, from = batch.node }
      if not model:execute(plan, { images = batch.x, labels = target }) then break end
      local loss_of_batch = add(core.place(model.arena, plan.losses, n), core.place(model.arena, plan.output, n), batch)
      if not broken and (loss_of_batch ~= loss_of_batch or math.abs(loss_of_batch) == math.huge) then broken = inputs.not_finite(batch) end
    end
    leave_out(batch.failed)
  end
  return broken
end

--- Adds up the batches of all ranks, which have computed one behind the other: see distributed.block.
local function join(sums, comm, data, rows, failed)
  local joined = comm:rows("evaluate", { core.from_table(rows.sizes, "i32") })
  local sizes = joined and joined[1]:totable()
  local list = sizes and { core.concat(rows.losses), core.concat(rows.output), core.concat(rows.y) }
  joined = list and comm:rows("evaluate", list)
  local left_out = joined and distributed.failures(comm, "evaluate", data, failed)
  if not left_out then return end
  sums:leave_out(left_out)
  local at = 1
  for _, n in ipairs(sizes) do
    local part = {}
    for i, whole in ipairs(joined) do part[i] = whole:slice(1, at, at + n - 1) end
    sums:add(part[1], part[2], part[3])
    at = at + n
  end
end

--- Runs the network on all batches and adds up losses and predictions. The second result tells of a batch with numbers that are not finite.
local function add_up(where, model, data, o, loss, source, heard)
  local told, count = targets.told(model, loss, data.labels or model.labels)
  local sums, comm = metrics.new(told, count, o.metrics), distributed.comm(o.distributed)
  sums:calibrate()
  if not comm then
    return sums, run(where, model, data, o, loss, source, function(losses, output, batch)
      local loss_of_batch = sums:add(losses, output, batch.y)
      if heard.output then heard.output(output, batches.numbers(where, batch), losses) end
      return loss_of_batch
    end, function(list)
      sums:leave_out(list)
      heard.done(sums.examples + sums.left_out, #data)
    end)
  end
  local rows, failed, done = distributed.no_rows(model, data), {}, 0
  local broken = run(where, model, data, o, loss, source, function(losses, output, batch)
    local n = #losses
    rows.sizes[#rows.sizes + 1], done = n, done + n
    for name, tensor in pairs { losses = losses, output = output, y = batch.y } do rows[name][#rows[name] + 1] = tensor:copy() end
    return losses:sum() / n
  end, function(list)
    table.move(list, 1, #list, #failed + 1, failed)
    heard.done(math.min((done + #failed) * comm.size, #data), #data)
  end)
  if core.interrupted() then comm:hear() else join(sums, comm, data, rows, failed) end
  return sums, broken
end

--- What is behind the checks.
local function run_all(model, data, o, loss, where, heard, alone)
  if alone and distributed.comm(o.distributed) then
    local facts = checkpoint.facts_of(model, data, o.batch, precision.in_use(o.precision or model.precision, model, #data))
    facts[#facts + 1] = { "loss", tostring(loss) }
    facts[#facts + 1] = { "list of metrics", metrics.names(o.metrics) }
    distributed.same(where, o.distributed, facts)
  end
  if alone then inputs.tell_reading(where, model, data) end
  if alone then cached.tell(where, model, data, o.cache, { augment = false }) end
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  local source
  source, o.precision = cached.over(model, data, o.cache, { where = where, shuffle = false, augment = false, batch = o.batch, precision = o.precision,
                                                     frozen = not alone, share = distributed.block_of(o.distributed, data, o.batch) })
  local bar <close> = progress.counter("evaluate", #data)
  local sums, broken = add_up(where, model, data, o, loss, source, { done = heard and heard.done or bar.tell, output = heard and heard.output })
  if alone then interrupts.check(where) end
  if sums.examples == 0 and not core.interrupted() then check.raise(("%s: %s"):format(where, sums:nothing_read(#data))) end
  local found = {
    loss = sums:loss(), accuracy = sums:accuracy(), exact_match = sums:exact_match(), examples = sums.examples, left_out = sums.left_out, not_finite = sums:not_finite(),
    confusion = sums.told == "classes" and sums.counts or nil, classes = sums:class_scores(data.labels or model.labels),
    calibration = sums:calibration(),
  }
  metrics.fill(found, o.metrics, sums:values())
  if broken and alone then notice.once(("scion: %s: the loss is not finite: %s"):format(where, broken)) end
  if alone then interrupts.check(where) end -- one that came last, too
  return results.evaluation(found), broken
end

local function evaluate(model, data, given, where, heard)
  metrics.refuse_within(where or "evaluate")
  local alone = where == nil or heard ~= nil and heard.alone -- else fit has called it, which prints notices about the cache and handles interrupts itself
  where = where or "evaluate"
  inputs.dataset(where, data)
  local o = check.options(where, given, schema)
  local loss = targets.fits(where, model, data, o.loss)
  o.metrics = o.metrics or model.metrics or {}
  metrics.check(where, o.metrics, targets.told(model, loss, data.labels or model.labels))
  distributed.check(where, o.distributed, data)
  return run_all(model, data, o, loss, where, heard, alone)
end

--- Evaluates a model on a data set. Raises on data that do not fit, on unknown options and invalid values, and if no image can be read.
--- When fit calls it and Ctrl-C comes, it returns what was added up so far; otherwise it raises.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.EvaluateOptions
---@param where string? "fit: validate" when fit calls it
---@param heard? { done: (fun(done: integer, total: integer))?, output: (fun(output: scion.Tensor, indices: integer[], losses: scion.Tensor))?,
--- alone: boolean? } done and output are called after each batch. done: how far it is (by default the progress is shown on a terminal); output: with
--- what the model gives, a view that is valid until the next batch, the images' numbers, from 1, and their losses, a view, too; not where several
--- processes evaluate. alone: whether it is a pass of its own although `where` is given
---@return scion.Evaluation
---@return string? broken what in the data set is not finite: see inputs.not_finite
return function(model, data, given, where, heard)
  return distributed.guard(given, where or "evaluate", evaluate, model, data, given, where, heard)
end
