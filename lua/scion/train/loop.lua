--- The loop of a fit: stages, epochs, steps. It calls the callbacks and knows none of them.
local core = require "scion.core"
local check = require "scion.check"
local events = require "scion.train.events"
local metrics = require "scion.train.metrics"
local results = require "scion.report.results"
local step = require "scion.train.step"

--- Completes a step, and counts what was done.
local function finish_step(run, began)
  run.loss = step.update(run)
  run.step, run.position, run.seconds = run.step + 1, run.taken, core.clock() - began
  events.call(run, "step_ends")
end

--- The steps of an epoch, from run.position on. Returns false after an interrupt.
local function take_steps(run)
  local began = core.clock() - run.seconds
  run.taken = run.position
  for batch in run.source:pass(run.model.epoch, run.position) do
    run.sums:leave_out(batch.failed)
    run.taken = run.taken + 1
    if #batch > 0 then
      if not run.parts then events.call(run, "step_begins") end
      if not step.backward(run, batch) then return false end
      if step.is_complete(run) then finish_step(run, began) end
      if core.interrupted() then
        step.abandon(run)
        return false
      end
      if run.stopped then return true end
    end
  end
  if core.interrupted() then
    step.abandon(run)
    return false
  end
  if run.parts then finish_step(run, began) end
  return not core.interrupted()
end

--- Evaluates on the validation set after an epoch. Tells if the loss is not finite.
local function validate(run)
  local entry = run.entry
  local result = require "scion.train.evaluate"(run.model, run.validate, { loss = run.loss_kind, metrics = run.metrics, cache = run.cache,
                                                                          precision = run.precision }, "fit: validate")
  if core.interrupted() then return end -- the result would be that of a part of the validation set
  entry.val_loss, entry.val_accuracy = result.loss, result.accuracy
  metrics.fill(entry, run.metrics, result, "val_")
  if result.loss ~= result.loss or math.abs(result.loss) == math.huge then
    run.tell(("scion: fit: the validation loss of epoch %d is %s: the last update made the weights too large; try a lower learning rate than %g"):format(
      entry.epoch, result.loss ~= result.loss and "NaN" or "infinite", run.optimizer.lr))
  end
end

--- Ends an epoch: its entry joins the histories of the fit and of the model. Returns false if an interrupt came during the validation of a
--- run that can be resumed: then the epoch has not ended, and is validated anew.
local function end_epoch(run)
  local sums, model, history = run.sums, run.model, run.history
  run.entry = results.epoch { epoch = run.epoch, loss = sums:loss(), accuracy = sums:accuracy(), seconds = run.seconds,
                              images_per_second = sums.examples / run.seconds, lr = run.optimizer.lr }
  metrics.fill(run.entry, run.metrics, sums:values())
  history[#history + 1], model.history[#model.history + 1], model.epoch = run.entry, run.entry, run.epoch
  if run.validate then validate(run) end
  if core.interrupted() and run.resumable then
    history[#history], model.history[#model.history], model.epoch = nil, nil, run.epoch - 1
    return false
  end
  run.position, run.stage_epochs = 0, run.stage_epochs + 1
  events.call(run, "epoch_ends")
  return true
end

--- One epoch. Returns false if an interrupt came before its end.
local function train_epoch(run)
  run.epoch = run.model.epoch + 1
  if run.position == 0 then
    run.step, run.seconds, run.sums = 0, 0.0, metrics.new(run.told, run.count, run.metrics)
    events.call(run, "epoch_begins")
  end
  if not take_steps(run) then return false end
  if run.sums.examples == 0 then check.raise("fit: " .. run.sums:nothing_read(#run.data)) end
  return end_epoch(run)
end

local function train(run)
  events.call(run, "fit_begins")
  while run.stage_epochs < run.epochs and not run.stopped do
    if not train_epoch(run) or core.interrupted() then return false end
  end
  return true
end

--- Runs what is left of a fit. Returns false after an interrupt.
---@param run scion.Run
---@return boolean complete
return function(run)
  local complete = train(run)
  events.call(run, "fit_ends")
  return complete
end
