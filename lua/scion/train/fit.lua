--- model:fit: options, checks before the first step, and what is told at the end. The loop is in loop.lua, a step in step.lua.
local cached = require "scion.cache.cached"
local calibration = require "scion.calibration"
local check = require "scion.check"
local checkpoint = require "scion.train.checkpoint"
local class_weights = require "scion.train.class_weights"
local dataset = require "scion.data.dataset"
local distributed = require "scion.train.distributed"
local events = require "scion.train.events"
local graph = require "scion.graph"
local inputs = require "scion.train.inputs"
local interrupts = require "scion.interrupts"
local kinds = require "scion.train.kinds"
local lint = require "scion.train.lint"
local live = require "scion.report.live"
local loop = require "scion.train.loop"
local metrics = require "scion.train.metrics"
local notice = require "scion.report.notice"
local optim = require "scion.optim"
local precision = require "scion.precision"
local progress = require "scion.report.progress"
local rate = require "scion.rate"
local reading = require "scion.data.reading"
local record = require "scion.train.record"
local results = require "scion.report.results"
local run = require "scion.train.run"
local schedule = require "scion.train.schedule"
local step = require "scion.train.step"
local targets = require "scion.train.targets"
local team = require "scion.train.team"

-- ---- options --------------------------------------------------------------------------------------------------------

local validation = check.kind("a data set", function(value)
  if value == false then return true, nil end
  local ok, _, complaint = inputs.kind.read(value)
  if type(value) == "number" then
    complaint = ("is a data set, not %s: local train, val = data:split(%s) divides one by class; then validate = val"):format(
      check.show(value), 0 < value and value < 1 and ("%g"):format(1 - value) or "0.8")
  end
  return ok, value, complaint
end)

local limit = check.number { from = 1e-30 } -- less would make gradients 0, which are single precision
local limits = check.table_of { norm = { limit }, value = { limit } }

local clip = check.kind("a limit of the gradients' norm, or { norm = …, value = … }", function(value)
  if limit.read(value) then return true, { norm = value } end
  local ok, read, complaint = limits.read(value)
  if ok and next(read) == nil then return false, nil, "is empty and limits nothing: give it norm, value or both, such as { norm = 1 }, or leave it out" end
  return ok, read, complaint
end)

local schema = {
  epochs = { check.whole(0, (1 << 31) - 1), 1, usual = true }, schedule = { schedule.kind }, validate = { validation }, optimizer = { kinds.optimizer },
  loss = { targets.kind }, metrics = { metrics.kind }, class_weights = { class_weights.kind }, accumulate = { check.whole(1, (1 << 31) - 1), 1 }, clip = { clip },
  callbacks = { events.kind, {} }, resume = { checkpoint.kind }, on_interrupt = { check.one_of("raise", "return") },
  cache = { cached.kind, {} }, precision = { precision.kind }, distributed = { distributed.kind },
  verbose = { check.boolean, true }, quiet = { check.boolean, false }, warn = { check.callable },
}

---@class scion.ClipOptions
---@field norm? number the most that the norm of all gradients together may be, from 1e-30 up (any)
---@field value? number the most that each of them may be above or below 0, from 1e-30 up (any)

---@class scion.FitOptions
---@field epochs integer? how many epochs to train, in addition to those of earlier fits (1)
---@field schedule scion.Schedule? which layers train in which epochs, in place of `epochs` and of freezing by hand: see scion.schedule (none)
---@field resume string|scion.ResumeOptions|nil a file from which the fit goes on if it is there, and which it writes as it goes: after each
--- epoch, after Ctrl-C and, as { path, every = 50 }, after so many steps. Ended at any moment and started anew, a fit gives the same bits. While it
--- runs, another fit with the same file raises (none)
---@field validate scion.Dataset? a data set that is evaluated after each epoch (none)
---@field optimizer scion.Optimizer? (scion.optim.rmsprop(), which has a learning rate of 1e-3)
---@field loss "categorical"|"binary"|"focal"|"mse"|"mae"|"huber"|scion.Loss|fun(outputs: scion.Tensor, targets: scion.Tensor): scion.Tensor, scion.Tensor|nil
--- a name, or a loss with options or of one's own: see scion.loss (that of an earlier fit; else it follows from the last layer: softmax
--- "categorical", sigmoid "binary", others "mse")
---@field metrics (string|scion.OwnMetric)[]? what is told of training and validation beside loss and accuracy: see scion.EvaluateOptions (those of
--- an earlier fit; else none)
---@field callbacks scion.Callback[]|scion.Callback|nil what is called during the fit (none)
---@field accumulate integer? how many batches make a step: their gradients are added up, as if they were one large batch. Batch statistics
--- and dropout are still those of each batch (1)
---@field clip number|scion.ClipOptions|nil limits gradients: their common norm, which a number means, or each element (no limits)
---@field on_interrupt "raise"|"return"|nil what fit does after Ctrl-C, which ends it between two steps: "raise" raises an object whose field
--- `interrupted` is true, so that a script does not go on; "return" returns the history so far, with `interrupted` = true (at Lua's prompt
--- "return", else "raise")
---@field class_weights number[]|table<string, number>|"balanced"|nil factors for the loss of each class, by position or label; 1 for the
--- others. "balanced": images / (classes * images of the class). An image with shares of several classes has the mean of their factors (none)
---@field cache boolean|integer|scion.CacheOptions|nil whether outputs of frozen layers are computed once for each image and kept, also for
--- later runs. true: if images are not augmented; a number K: for K augmented variants of each image; false: never (true). Unless it is
--- false, the ranges of precision "int8" are kept, too
---@field precision "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions|nil a word, or one for what is frozen and one for what trains: "bf16" is both, "int8" is
--- { frozen = "int8", trained = "f32" }, and "fast" what this machine does fastest. The validation has that of what is frozen,
--- and in int8 the rest is f32 (the model's, or f32)
---@field distributed scion.Comm|scion.DistributedOptions|nil require "scion.mpi": the processes that mpirun has started train together, to the same
--- bits as any other number of them; or { comm, shards = 16 } (this process alone)
---@field quiet boolean? whether nothing is told of what is likely a mistake in the recipe; history.warnings has it all the same (false)
---@field warn? fun(message: string, rule: string) is called with each such warning and its rule's name (by default it is told once, on standard
--- error)
---@field verbose boolean? whether progress is printed on standard output (true)

-- ---- checks before the first step -----------------------------------------------------------------------------------

--- The stages: those of the schedule, or the only one. Raises if one of them trains nothing.
local function stages_of(model, o, given, where)
  if o.schedule then
    if type(given) == "table" and given.epochs ~= nil then check.raise "fit: a schedule has its own epochs; leave out either" end
    schedule.check(o.schedule, model, "fit: schedule")
    return o.schedule
  end
  for _, node in ipairs(model.order) do
    if #node.layer:trainable() > 0 then return { { epochs = o.epochs } } end
  end
  check.raise(where .. ": every layer with weights is frozen, so there is nothing to train; thaw some, or graft a head")
end

--- Raises if a group of an optimizer matches no layer.
local function check_groups(job)
  for i = 1, #job.stages do schedule.optimizer(job.stages, i, job.first_optimizer):groups_of(job.model) end
end

--- Raises if a stage's learning rate cannot be told, as of a warm-up that takes more steps than there are.
local function check_rates(job)
  if not job.data.batch then return end -- of a user's own data set the number of batches is not known yet
  for i, stage in ipairs(job.stages) do
    local optimizer = schedule.optimizer(job.stages, i, job.first_optimizer)
    local list = { schedule.rate(job.stages, i) or optimizer.lr }
    local now = step.now({ stages = job.stages, stage = i, data = job.data, accumulate = job.accumulate, stage_epochs = 0 }, 1)
    for _, group in ipairs(optimizer.groups) do list[#list + 1] = group.lr end
    for _, lr in ipairs(stage.epochs > 0 and list or {}) do
      local ok, complaint = check.try(rate.value, lr, now, 0, 0)
      if not ok then check.raise(#job.stages > 1 and ("fit: stage %d: %s"):format(i, complaint) or complaint) end
    end
  end
end

--- Checks data and options, and returns a table of everything that stays the same during a fit, the job. It changes nothing, so that a fit
--- that raises here has no effect.
local function prepare(model, data, given, where)
  metrics.refuse_within(where)
  inputs.dataset(where, data)
  local o = check.options(where, given, schema)
  local loss = targets.fits(where, model, data, o.loss)
  if o.validate then
    inputs.fits("fit", model, o.validate, "the validation set")
    targets.same_labels("fit", data.labels, "in the training set", o.validate.labels, "in the validation set")
    targets.same_kind("fit", data, o.validate)
    targets.check("fit: validate", model, o.validate, loss)
  end
  if o.cache and o.cache.upto then graph.find(model.order, o.cache.upto) end
  local told, count = targets.told(model, loss, data.labels)
  local wanted = o.metrics or model.metrics or {}
  metrics.check(where, wanted, told, count)
  local weights = class_weights.read(o.class_weights, data, told)
  local stages = stages_of(model, o, given, where)
  cached.tell(where, model, data, o.cache, {})
  local job = { where = where, model = model, data = data, loss_kind = loss, stages = stages, by_schedule = o.schedule ~= nil,
                first_optimizer = o.optimizer or optim.rmsprop(), validate = o.validate, given_cache = o.cache,
                precision = precision.in_use(o.precision or model.precision, model, #data), accumulate = o.accumulate, clip = o.clip, resume = o.resume,
                class_weights = weights, metrics = wanted, distributed = o.distributed,
                new_sums = function() return metrics.new(told, count, wanted) end }
  job.optimizer = schedule.optimizer(stages, 1, job.first_optimizer)
  distributed.check(where, o.distributed, data)
  if o.validate then distributed.check("fit: validate", o.distributed, o.validate) end
  job.team = team(where, o.distributed, data)
  check_groups(job)
  check_rates(job)
  if job.by_schedule then job.cache_limits = schedule.cache_limits(stages, model) end
  return job, o
end

--- What is likely a mistake in the recipe.
local function lint_stages(job, o)
  local list = {}
  schedule.each(job.stages, job.model, "fit", function(number)
    local of = { optimizer = schedule.optimizer(job.stages, number, job.first_optimizer), lr = schedule.rate(job.stages, number) }
    for _, warning in ipairs(lint.run(setmetatable(of, { __index = job }), o, number > 1)) do list[#list + 1] = warning end
  end)
  return results.warnings(list)
end

-- ---- before and after the loop --------------------------------------------------------------------------------------

--- Says once, on standard error, that a loaded model continues training with a new optimizer state, since saved models do not hold it.
local function tell_new_state(job)
  local used = job.optimizer
  if job.where == "fit" and job.model.trained_before and (used.name ~= "sgd" or used.momentum > 0) and next(used.states) == nil then
    notice.once(("scion: fit: a saved model holds no optimizer's state, so the moments of %s begin at 0; a fit with resume = \"run.ckpt\" keeps them"):format(used.name))
  end
  job.model.trained_before = nil
end

--- Raises that Ctrl-C ended the fit, or says so where it returns.
local function tell_interrupt(state, returns, ended)
  local message = state.where .. ": Ctrl-C ended it " .. (ended and ended() or ("in epoch %d of %d, after step %d; %s"):format(
    state.epoch, state.last_epoch, state.step,
    state.resume and ("the same call goes on from %s"):format(state.resume.path) or "the model is whole, between two steps"))
  if not returns then interrupts.raise(message) end
  interrupts.new_line()
  notice.line("scion: " .. message)
end

--- Goes on from the file of an interrupted run, if there is one, and lets the loop write it.
local function resume(state)
  local o = state.resume
  if not o then
    checkpoint.forget(state.model)
    return tell_new_state(state)
  end
  for _, callback in ipairs(state.callbacks) do
    local known, options = pcall(function() return callback.options end) -- of Scion's own, such as model_checkpoint
    if known and options and options.path == o.path then
      check.raise(("fit: resume: %s is the file of %s, too: give the checkpoint a file of its own"):format(o.path, callback))
    end
  end
  if checkpoint.restore(state) then
    local last = state.stage == #state.stages and state.stage_begun and state.stage_epochs >= state.stages[state.stage].epochs
    local done = not state.epoch_begun and (state.stopped or last)
    state.tell(done and ("scion: fit: %s is that of a run which is complete"):format(o.path) or ("scion: fit: goes on from %s: epoch %d, after step %d"):format(
      o.path, state.epoch_begun and state.epoch or state.model.epoch + 1, state.epoch_begun and state.step or 0))
  end
  state.callbacks[#state.callbacks + 1] = checkpoint.callback(state)
end

--- Runs what was prepared: see below.
local function run_job(job, o, ended)
  local model, data = job.model, job.data
  local returns = o.on_interrupt == "return" or o.on_interrupt == nil and interrupts.at_prompt()
  local bar, before = progress.new(o.verbose and not (job.team and job.team.comm.rank > 0)), cached.stats()
  job.callbacks = { bar:callback(), table.unpack(o.callbacks) }
  job.verbose = o.verbose
  function job.tell(line)
    bar:broken()
    notice.line(line)
  end
  local batches = data.batch and math.ceil(#data / data.batch)
  if batches and o.accumulate > batches then
    job.tell(("scion: fit: accumulate = %d, but an epoch has %d batch%s, which make its only step"):format(o.accumulate, batches, batches == 1 and "" or "es"))
  end
  local warnings = lint_stages(job, o)
  local state = run.new(job)
  if job.team then
    distributed.same(job.where, o.distributed, checkpoint.facts(state))
    job.team:share_weights(model)
  end
  function job.warn(rule, message)
    local list = state.history.warnings
    list[#list + 1] = { rule = rule, message = message }
    bar:broken()
    lint.tell(results.warnings(list)[#list], o)
  end
  function job.tell_validation(done, total) bar:validation(state, done, total) end
  state.history.warnings = warnings
  record.begin(state, o.callbacks)
  state.rates = schedule.rates_of(job.stages, job.first_optimizer)
  state.stages_given = schedule.given(job.stages)
  local lock <close> = checkpoint.lock(state) -- luacheck: ignore 211
  resume(state)
  local was = { labels = model.labels, loss = model.loss, metrics = model.metrics, reading = model.reading, steps = model.steps }
  model.labels, model.loss, model.metrics = data.labels or model.labels, o.loss or model.loss, o.metrics or model.metrics
  model.reading = dataset.is(data) and reading.of(data) or model.reading
  if job.validate then inputs.tell_reading("fit", model, job.validate, "the validation set") end
  lint.begin(model)
  live.begin(state.history)
  local ok, complete = pcall(loop, state)
  for optimizer, lr in pairs(state.rates) do optimizer.lr = lr end
  if not ok then
    step.abandon(state) -- a loss of the user's own may have raised within a step
    model.metrics = was.metrics -- a metric of the user's own may be what raised
    if model.steps == was.steps then model.labels, model.loss, model.reading = was.labels, was.loss, was.reading end
    bar:broken()
    live.ended(state.history, tostring(complete))
    error(complete, 0)
  end
  local told = state.history
  if complete and job.team then complete = job.team:end_fit(model) end
  told.cache, told.interrupted = cached.since(before), not complete or nil
  told.int8 = precision.parts(job.precision) == "int8" and calibration.report(model, true) or nil
  record.int8(state, told.int8)
  live.ended(told)
  if not complete then tell_interrupt(state, returns, ended) end
  return told
end

local function fit(model, data, given, where, ended)
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  local job, o = prepare(model, data, given, where)
  return run_job(job, o, ended)
end

--- Trains a model on a data set. Raises on options or data that do not fit, if a loss, a gradient, a moving average or a new weight is
--- not finite, and after Ctrl-C, which ends it between two steps.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.FitOptions?
---@param where? string the name of the function that the user called, for messages ("fit")
---@param ended? fun(): string completes "lr_find: Ctrl-C ended it …" (where in the fit that was)
---@return scion.History history the epochs of this fit
return function(model, data, given, where, ended)
  where = where or "fit"
  return distributed.guard(given, where, fit, model, data, given, where, ended)
end
