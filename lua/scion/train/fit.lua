--- model:fit. A step is applied as a whole or not at all: loss and gradients are checked before the first weight changes, and an interrupt
--- takes effect only before the update or after it. There is one exception: if an update would make elements of a weight infinite or NaN,
--- these keep their values while the others change; then fit raises, and the moving averages stay as they were.
local cached = require "scion.cache.cached"
local check = require "scion.check"
local class_weights = require "scion.train.class_weights"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local graph = require "scion.graph"
local inputs = require "scion.train.inputs"
local lint = require "scion.train.lint"
local metrics = require "scion.train.metrics"
local notice = require "scion.report.notice"
local optim = require "scion.optim"
local precision = require "scion.precision"
local progress = require "scion.report.progress"
local reading = require "scion.data.reading"
local results = require "scion.report.results"
local targets = require "scion.train.targets"

-- ---- options --------------------------------------------------------------------------------------------------------

local an_optimizer = check.instance("scion.Optimizer", "an optimizer")

local optimizer = check.kind("an optimizer, such as scion.optim.adam()", function(value)
  if an_optimizer.read(value) then return true, value end
  for name, constructor in pairs(optim) do
    if value == name then return false, nil, ("is an optimizer, such as scion.optim.%s(), not %s"):format(name, check.show(value)) end
    if value == constructor then return false, nil, ("is an optimizer: scion.optim.%s is the function that makes one, scion.optim.%s()"):format(name, name) end
  end
  return false
end)

local validation = check.kind("a data set", function(value)
  if value == false then return true, nil end
  local ok, _, complaint = inputs.kind.read(value)
  if type(value) == "number" then
    complaint = ("is a data set, not %s: local train, val = data:split(%s) divides one by class; then validate = val"):format(
      check.show(value), 0 < value and value < 1 and ("%g"):format(1 - value) or "0.8")
  end
  return ok, value, complaint
end)

local known_callbacks = check.table_of { step = { check.callable }, epoch = { check.callable } }

local callbacks = check.kind("a table of functions, { step = function(info) … end, epoch = function(entry) … end }", function(value)
  if type(value) ~= "table" or rawlen(value) > 0 then return false end
  return known_callbacks.read(value)
end)

local schema = {
  epochs = { check.whole(0, (1 << 31) - 1), 1, usual = true }, validate = { validation }, optimizer = { optimizer }, loss = { targets.kind }, callbacks = { callbacks, {} },
  class_weights = { class_weights.kind }, verbose = { check.boolean, true }, cache = { cached.kind, {} }, precision = { precision.kind },
  quiet = { check.boolean, false }, warn = { check.callable },
}

---@class scion.Callbacks
---@field step? fun(step: scion.Step): boolean? called after each step; returning false ends the fit
---@field epoch? fun(epoch: scion.Epoch): boolean? called after each epoch and its validation; returning false ends the fit

---@class scion.FitOptions
---@field epochs integer? how many epochs to train, in addition to those of earlier fits (1)
---@field validate scion.Dataset? a data set that is evaluated after each epoch (none)
---@field optimizer scion.Optimizer? (scion.optim.rmsprop(), which has a learning rate of 1e-3)
---@field loss "categorical"|"binary"|"mse"|nil (that of an earlier fit; else it follows from the last layer: softmax, sigmoid, linear)
---@field callbacks scion.Callbacks? functions that are called during the fit
---@field class_weights number[]|table<string, number>|"balanced"|nil factors for the loss of each class, by position or label; 1 for the
--- others. "balanced": images / (classes * images of the class). An image with shares of several classes has the mean of their factors (none)
---@field cache boolean|integer|scion.CacheOptions|nil whether outputs of frozen layers are computed once for each image and kept, also for
--- later runs. true: if images are not augmented; a number K: for K augmented variants of each image; false: never (true)
---@field precision "f32"|"bf16"|nil of frozen layers and of the validation; what trains is always f32 (the model's, or f32)
---@field quiet boolean? whether nothing is told of what is likely a mistake in the recipe; history.warnings has it all the same (false)
---@field warn? fun(message: string, rule: string) is called with each such warning and its rule's name (by default it is told once, on standard
--- error)
---@field verbose boolean? whether progress is printed on standard output (true)

-- ---- checks before the first step -----------------------------------------------------------------------------------

--- Raises if no parameter trains.
local function check_trains(model)
  for _, node in ipairs(model.order) do
    if #node.layer:trainable() > 0 then return end
  end
  check.raise "fit: every layer with weights is frozen, so there is nothing to train; thaw some, or graft a head"
end

--- Checks data and options, and returns a table of everything that stays the same during a fit, the job. It changes nothing, so that a fit
--- that raises here has no effect.
local function prepare(model, data, given)
  inputs.dataset("fit", data)
  local o = check.options("fit", given, schema)
  local loss = targets.loss(model, o.loss)
  inputs.fits("fit", model, data)
  -- before targets.check, which would blame the network's last layer
  targets.same_labels("fit", model.labels, "in the model", data.labels, "in the data set")
  targets.check("fit", model, data, loss)
  if o.validate then
    inputs.fits("fit", model, o.validate, "the validation set")
    targets.same_labels("fit", data.labels, "in the training set", o.validate.labels, "in the validation set")
    targets.same_kind("fit", data, o.validate)
    targets.check("fit: validate", model, o.validate, loss)
  end
  if o.cache and o.cache.upto then graph.find(model.order, o.cache.upto) end
  local told, count = targets.told(model, loss, data.labels)
  local weights = class_weights.read(o.class_weights, data, told)
  check_trains(model)
  local used = o.optimizer or optim.rmsprop()
  used:groups_of(model.order) -- raises if one of its groups matches no layer
  local source = cached.over(model, data, o.cache, { where = "fit", precision = o.precision })
  cached.tell("fit", model, data, o.cache, {})
  local job = { model = model, data = data, source = source, loss = loss, given_loss = o.loss, epochs = o.epochs,
                optimizer = used, validate = o.validate, cache = o.cache, verbose = o.verbose,
                precision = precision.in_use(o.precision or model.precision),
                callbacks = o.callbacks, class_weights = weights, told = told, count = count }
  job.warnings = lint.run(job, o)
  return job
end

-- ---- steps and epochs -----------------------------------------------------------------------------------------------

--- Raises if the loss, a gradient or a moving average is NaN or infinite: the step must not be applied.
local function check_step(job, plan, arena, loss)
  local where = ("epoch %d, step %d"):format(job.model.epoch + 1, job.step)
  if loss ~= loss or loss == math.huge or loss == -math.huge then
    check.raise(("the loss is %s in %s; the weights are those of the step before. Try a lower learning rate than %g"):format(
      loss ~= loss and "NaN" or "infinite", where, job.optimizer.lr))
  end
  for _, g in ipairs(job.model.gradients.buffer:finite() and {} or plan.gradients) do
    if not core.finite(g.tensor) then
      check.raise(("the gradient of %s/%s is not finite in %s; the weights are those of the step before"):format(g.layer.name, g.parameter.name, where))
    end
  end
  for _, p in ipairs(plan.pending) do
    if not core.finite(core.place(arena, p.place)) then
      check.raise(("a batch norm's moving mean or variance is not finite in %s; the weights are those of the step before"):format(where))
    end
  end
end

--- Changes the weights. Elements whose new value would not be finite keep their old one; then it raises with the weight's name.
local function update(job)
  local revision = graph.revision()
  if job.groups_revision ~= revision then job.groups, job.groups_revision = job.optimizer:groups_of(job.model.order), revision end
  local refused = job.optimizer:step(job.groups, job.model.gradients.buffer)
  if refused then
    check.raise(("%s in epoch %d, step %d; try a lower learning rate than %g"):format(refused, job.model.epoch + 1, job.step, job.optimizer.lr))
  end
end

--- The factor of each example's loss, from the data set and from its class; nil if there are none.
local function weights_of(job, batch)
  local by_class = job.class_weights and class_weights.of(job.class_weights, batch.y)
  return by_class and batch.weight and by_class * batch.weight or by_class or batch.weight
end

--- One step on one batch. Returns the loss, or nil if an interrupt came before the update.
local function train_step(job, sums, batch)
  local model, n = job.model, #batch
  local target = targets.tensor("fit", batch.y, job.loss, model, job.data.labels, n)
  local weights = weights_of(job, batch)
  local plan = model:plan_for { mode = "train", batch = inputs.capacity(job.data, nil, n), input_dtype = batch.x:dtype(), loss = job.loss,
                                labels = target:dtype(), weighted = weights ~= nil, precision = job.precision, from = batch.node }
  if not model:execute(plan, { images = batch.x, labels = target, weights = weights, step = model.steps }) then return nil end
  local arena = model.arena
  local losses = core.place(arena, plan.losses, n)
  local loss = losses:sum() / n
  check_step(job, plan, arena, loss)
  sums:add(losses, core.place(arena, plan.output, n), batch.y)
  update(job)
  plan:commit(arena)
  model.steps = model.steps + 1
  return loss
end

--- One epoch. Returns its entry for the history, and whether a callback ended the fit; nil after an interrupt.
local function train_epoch(job, bar)
  local model, sums, start = job.model, metrics.new(job.told, job.count), core.clock()
  local stopped = false
  job.step = 0
  for batch in job.source:pass(model.epoch) do
    sums:leave_out(batch.failed)
    if #batch > 0 then
      job.step = job.step + 1
      local loss = train_step(job, sums, batch)
      if not loss or core.interrupted() then return nil end
      bar:step(sums, core.clock() - start)
      local info = results.step { epoch = model.epoch + 1, step = job.step, loss = loss, model = model, optimizer = job.optimizer }
      if job.callbacks.step and job.callbacks.step(info) == false then
        stopped = true
        break
      end
    end
  end
  if core.interrupted() then return nil end
  if sums.examples == 0 then check.raise("fit: " .. sums:nothing_read(#job.data)) end
  local seconds = core.clock() - start
  model.epoch = model.epoch + 1
  return results.epoch { epoch = model.epoch, loss = sums:loss(), accuracy = sums:accuracy(), seconds = seconds,
                         images_per_second = sums.examples / seconds, lr = job.optimizer.lr }, stopped
end

--- Evaluates on the validation set after an epoch. Says on standard error if the loss is not finite.
local function validate(job, entry, bar)
  local result = require "scion.train.evaluate"(job.model, job.validate, { loss = job.loss, cache = job.cache, precision = job.precision }, "fit: validate")
  if core.interrupted() then return end -- the result would be that of a part of the validation set
  entry.val_loss, entry.val_accuracy = result.loss, result.accuracy
  if result.loss ~= result.loss or math.abs(result.loss) == math.huge then
    bar:broken()
    notice.line(("scion: fit: the validation loss of epoch %d is %s: the last update made the weights too large; try a lower learning rate than %g"):format(
      entry.epoch, result.loss ~= result.loss and "NaN" or "infinite", job.optimizer.lr))
  end
end

local function train(job, told, bar)
  for _ = 1, job.epochs do
    bar:begin(job.model.epoch + 1, #job.data)
    local entry, stopped = train_epoch(job, bar)
    if not entry then
      told.interrupted = true
      return
    end
    told[#told + 1] = entry
    job.model.history[#job.model.history + 1] = entry
    if job.validate then validate(job, entry, bar) end
    if core.interrupted() then told.interrupted = true end
    bar:finish(entry)
    if job.callbacks.epoch and job.callbacks.epoch(entry) == false then stopped = true end
    if stopped or told.interrupted then return end
  end
end

--- Catches Ctrl-C until the returned object is closed or collected: at the end of a fit, or if the coroutine in which it runs is never
--- resumed. core.catch_interrupts returns false inside another fit, which then keeps the handler.
local function catch_interrupts()
  local mine = core.catch_interrupts()
  local function release()
    if mine then core.release_interrupts() end
    mine = false
  end
  return setmetatable({}, { __close = release, __gc = release })
end

--- Says once, on standard error, that a loaded model continues training with a new optimizer state, since files do not hold it.
local function tell_new_state(job)
  local used = job.optimizer
  if job.model.trained_before and (used.name ~= "sgd" or used.momentum > 0) and next(used.states) == nil then
    notice.once(("scion: fit: a saved model holds no optimizer's state, so the moments of %s begin at 0"):format(used.name))
  end
  job.model.trained_before = nil
end

--- Says that a fit was interrupted, even if verbose = false: the script goes on, and might save a model that is not fully trained.
local function tell_interrupt(bar)
  bar:broken()
  notice.line(("scion: fit: Ctrl-C ended it in epoch %d; the model is whole, between two steps. The script goes on: look at history.interrupted before you save")
    :format(bar.epoch))
end

--- Trains a model on a data set. Raises on options or data that do not fit, and if a loss, a gradient, a moving average or a new weight is
--- not finite. Ctrl-C ends it between two steps.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.FitOptions?
---@return scion.History history the epochs of this fit
return function(model, data, given)
  local job = prepare(model, data, given)
  model.labels, model.loss = data.labels or model.labels, job.given_loss or model.loss
  model.reading = dataset.is(data) and reading.of(data) or model.reading
  if job.validate then inputs.tell_reading("fit", model, job.validate, "the validation set") end
  local told = results.history {}
  told.warnings = job.warnings
  lint.begin(model)
  tell_new_state(job)
  local bar, before = progress.new(job.verbose, model.epoch + job.epochs), cached.stats()
  local caught <close> = catch_interrupts() -- luacheck: ignore 211
  local ok, message = pcall(train, job, told, bar)
  if not ok then
    bar:broken()
    error(message, 0)
  end
  if told.interrupted then tell_interrupt(bar) end
  told.cache = cached.since(before)
  return told
end
