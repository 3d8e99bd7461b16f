--- model:fit: epochs of steps. A step is whole or absent: the loss and the gradients are checked before the first weight changes,
--- and an interrupt is only looked at in between.
local check = require "scion.check"
local core = require "scion.core"
local metrics = require "scion.train.metrics"
local optim = require "scion.optim"
local options = require "scion.options"
local pass = require "scion.cache.pass"
local precision = require "scion.precision"
local progress = require "scion.report.progress"
local results = require "scion.report.results"
local targets = require "scion.train.targets"

local known = { epochs = 1, validate = false, optimizer = false, loss = false, callbacks = false, class_weights = false, verbose = true,
                cache = true, precision = false }

---@class scion.Callbacks
---@field step? fun(step: scion.Step): boolean? after each step; false ends the fit
---@field epoch? fun(epoch: scion.Epoch): boolean? after each epoch, its validation included; false ends the fit

---@class scion.FitOptions
---@field epochs integer? how many, beside those of earlier fits (1)
---@field validate scion.Dataset? evaluated after each epoch
---@field optimizer scion.Optimizer? (scion.optim.rmsprop(), which has a learning rate of 1e-3)
---@field loss "categorical"|"binary"|"mse"|nil follows from the last layer: softmax, sigmoid, linear
---@field callbacks scion.Callbacks? functions that are called on the way
---@field class_weights number[]|table<string, number>|nil a factor for the loss of each class, by position or label; 1 where absent
---@field cache boolean|integer|scion.CacheOptions|nil what the frozen layers give is computed once an image and kept, also for later runs:
--- true, where images are not augmented; a number K, for K draws of the augmentation of each; false, never
---@field precision "f32"|"bf16"|nil of what is frozen and of the validation; what trains is f32. By default the model's, which by default is f32
---@field verbose boolean? true: progress on standard output


local function weights_of_classes(given, labels)
  if not given then return nil end
  if not labels then check.raise("fit: class_weights needs a data set with labels") end
  local values, position = {}, {}
  for i, label in ipairs(labels) do values[i], position[label] = 1.0, i end
  for key, weight in pairs(given) do
    local i = math.type(key) == "integer" and key or position[key]
    if not i or not values[i] then
      check.raise(("fit: class_weights names '%s', which is none of the labels (%s)"):format(tostring(key), table.concat(labels, ", ")))
    end
    if type(weight) ~= "number" or weight < 0 or weight ~= weight then check.raise(("fit: the weight of class '%s' is not a number from 0 up"):format(labels[i])) end
    values[i] = weight
  end
  return require("scion.tensor").tensor(values, "f32")
end

--- Everything that stays the same during a fit.
local function prepare(model, data, given)
  options.check("fit", given, known)
  local loss = targets.loss(model, given.loss)
  targets.check(model, data, loss)
  targets.same_labels(model.labels, "in the model", data.labels, "in the data set")
  if given.validate then
    targets.check(model, given.validate, loss)
    targets.same_labels(data.labels, "in the training set", given.validate.labels, "in the validation set")
  end
  local epochs = given.epochs or known.epochs
  if math.type(epochs) ~= "integer" or epochs < 0 then check.raise("fit: epochs is a whole number from 0 up, not " .. tostring(epochs)) end
  local trains = false
  for _, node in ipairs(model.order) do trains = trains or #node.layer:trainable() > 0 end
  if not trains then check.raise("fit: every layer with weights is frozen, so there is nothing to train; thaw some, or graft a head") end
  return { model = model, data = data, loss = loss, epochs = epochs, optimizer = given.optimizer or optim.rmsprop(), validate = given.validate,
           cache = pass.options("fit", given.cache), precision = precision.in_use(given.precision or model.precision),
           callbacks = given.callbacks or {}, class_weights = weights_of_classes(given.class_weights, data.labels),
           classes = loss ~= "mse" and math.max(model.output.shape[#model.output.shape], 2) or nil }
end

--- Raises unless the step may be applied: nothing that is no number reaches the weights.
local function check_step(job, plan, arena, loss)
  local where = ("epoch %d, step %d"):format(job.model.epoch + 1, job.step)
  if loss ~= loss or loss == math.huge or loss == -math.huge then
    check.raise(("the loss is %s in %s; the weights are those of the step before. Try a lower learning rate than %g"):format(
      loss ~= loss and "NaN" or "infinite", where, job.optimizer.lr))
  end
  for _, g in ipairs(plan.gradients) do
    if not core.finite(core.place(arena, g.place)) then
      check.raise(("the gradient of %s/%s is not finite in %s; the weights are those of the step before"):format(g.layer.name, g.parameter.name, where))
    end
  end
end

--- One step on one batch, of images or of the values of the node `from`; returns the loss, or nil if an interrupt came before the update.
local function train_step(job, sums, images, labels, from)
  local model, n = job.model, images:shape()[1]
  local weights = job.class_weights and core.gather(job.class_weights, labels) or nil
  local plan = model:plan_for { mode = "train", batch = math.max(n, job.data.batch or n), input_dtype = images:dtype(), loss = job.loss,
                                weighted = weights ~= nil, precision = job.precision, from = from }
  local batch = { images = images, labels = targets.tensor(labels, job.loss, model.output.shape), weights = weights, step = model.steps }
  if not model:execute(plan, batch) then return nil end
  local arena = model.arena
  local losses = core.place(arena, plan.losses, n)
  local loss = losses:sum() / n
  check_step(job, plan, arena, loss)
  sums:add(losses, core.place(arena, plan.output, n), labels)
  for _, g in ipairs(plan.gradients) do job.optimizer:update(g.parameter, core.place(arena, g.place)) end
  plan:commit(arena)
  model.steps = model.steps + 1
  return loss
end

--- One epoch; returns its entry for the history, or nil when it was cut short.
local function train_epoch(job, bar)
  local model, sums, start = job.model, metrics.new(job.classes), core.clock()
  local stopped = false
  job.step = 0
  for images, labels, _, _, from in pass.batches(model, job.data, model.epoch, job.cache, { precision = job.precision }) do
    job.step = job.step + 1
    local loss = train_step(job, sums, images, labels, from)
    if not loss or core.interrupted() then return nil end
    bar:step(sums, core.clock() - start)
    local info = results.step { epoch = model.epoch + 1, step = job.step, loss = loss, model = model, optimizer = job.optimizer }
    if job.callbacks.step and job.callbacks.step(info) == false then
      stopped = true
      break
    end
  end
  if core.interrupted() then return nil end
  if sums.examples == 0 then check.raise("fit: the data set gave no image that can be read") end
  local seconds = core.clock() - start
  model.epoch = model.epoch + 1
  return results.epoch { epoch = model.epoch, loss = sums:loss(), accuracy = sums:accuracy(), seconds = seconds,
                         images_per_second = sums.examples / seconds, lr = job.optimizer.lr, stopped = stopped or nil }
end

local function validate(job, entry)
  local result = require "scion.train.evaluate"(job.model, job.validate, { loss = job.loss, cache = job.cache, precision = job.precision })
  if core.interrupted() then return end -- what was seen so far is not the validation set
  entry.val_loss, entry.val_accuracy = result.loss, result.accuracy
end

local function train(job, history, bar)
  for _ = 1, job.epochs do
    bar:begin(job.model.epoch + 1, #job.data)
    local entry = train_epoch(job, bar)
    if not entry then
      history.interrupted = true
      bar:interrupted()
      return
    end
    if job.validate then validate(job, entry) end
    if core.interrupted() then history.interrupted = true end
    local stopped = entry.stopped
    entry.stopped = nil
    history[#history + 1] = entry
    job.model.history[#job.model.history + 1] = entry
    bar:finish(entry)
    if job.callbacks.epoch and job.callbacks.epoch(entry) == false then stopped = true end
    if stopped or history.interrupted then return end
  end
end

--- Trains a model on a data set. Raises on options or data that do not fit, and when a loss or gradient is not finite; Ctrl-C ends
--- it between two steps.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.FitOptions
---@return scion.History
return function(model, data, given)
  local job = prepare(model, data, given)
  model.labels = data.labels or model.labels
  local history = results.history {}
  local bar = progress.new(given.verbose ~= false, model.epoch + job.epochs)
  local mine = core.catch_interrupts()
  local ok, message = xpcall(train, function(e) return e end, job, history, bar)
  if mine then core.release_interrupts() end
  if not ok then
    bar:broken()
    error(message, 0)
  end
  return history
end
