--- The loop of a fit: stages, epochs, steps. It calls the callbacks and knows none of them. Everything that changes lies in the context, so
--- that a run can go on from any step.
local cached = require "scion.cache.cached"
local check = require "scion.check"
local checkpoint = require "scion.train.checkpoint"
local core = require "scion.core"
local events = require "scion.train.events"
local graph = require "scion.graph"
local metrics = require "scion.train.metrics"
local record = require "scion.train.record"
local results = require "scion.report.results"
local schedule = require "scion.train.schedule"
local step = require "scion.train.step"

-- ---- steps ----------------------------------------------------------------------------------------------------------

--- Calls the callbacks before a step. Returns its batch: the images, where one of them has thawed a layer below the values that were read; nil after
--- an interrupt.
local function begin_step(run, batch)
  local before = run.model:freeze_state()
  events.call(run, "step_begins")
  if not batch.node or before == run.model:freeze_state() then return batch end
  for _, node in ipairs(graph.order(batch.node)) do
    if #node.layer:trainable() > 0 then
      if run.team then check.raise "fit: where several processes train, callbacks freeze and thaw in step_ends or epoch_ends, and not in step_begins" end
      return run.source:images_of(batch, run.model.epoch)
    end
  end
  return batch
end

--- Completes a step, and counts what was done. Leaves it undone where another process was interrupted.
local function finish_step(run, began)
  if run.team and not run.team:join(run) then return step.abandon(run) end
  if run.parts.batches == 0 then return end -- none of the images could be read
  run.loss = step.update(run)
  run.step, run.position, run.seconds = run.step + 1, run.taken, core.clock() - began
  events.call(run, "step_ends")
end

--- Leaves the step that runs undone after an interrupt.
local function interrupted(run)
  if core.interrupted() then step.abandon(run) end
  return core.interrupted()
end

--- Ends the steps of an epoch: the last one may have fewer batches than others. Returns false after an interrupt.
local function end_steps(run, began)
  if run.parts and run.parts.batches > 0 and not run.stopped then finish_step(run, began) end
  if run.parts then step.abandon(run) end
  if run.team and not run.team:end_steps(run) then return false end
  return not core.interrupted()
end

--- Iterates over the batches of the epoch that are left. Where several processes train, a batch comes in pieces; all of this rank's pieces of the
--- next batch are read, and what is frozen is computed for them, while the sums of a step are on their way: then `land` ends that step.
local function pieces(run, land)
  local pull, on, control, closed = run.source:pass(run.model.epoch, run.position)
  if not run.team then return pull, on, control, closed end
  local queue = {}
  return function()
    if #queue == 0 then
      for i = 1, run.team.share.pieces do queue[i] = pull() end
      land()
    end
    return table.remove(queue, 1)
  end, nil, nil, closed
end

--- The steps of an epoch, from run.position on. Returns false after an interrupt.
local function take_steps(run)
  run.kept = cached.stats()
  if run.stopped then return true end -- it was stopped in the middle of the epoch, and resumed
  local began = core.clock() - run.seconds
  run.taken = run.position
  local team, travels = run.team, false
  local function land() -- ends a step whose sums were on their way
    if not travels then return end
    travels = false
    finish_step(run, began)
  end
  for batch in pieces(run, land) do
    if interrupted(run) then return false end
    if run.stopped then break end
    if not team then run.sums:leave_out(batch.failed) end
    if not team or team:ends_batch() then run.taken = run.taken + 1 end
    if #batch > 0 or team then
      if not run.parts then batch = begin_step(run, batch) end
      if not batch or not step.backward(run, batch) then return false end
      if step.is_complete(run) then
        travels = team ~= nil and team:start(run)
        if not travels then finish_step(run, began) end
      end
      if not travels and interrupted(run) then return false end
      if run.stopped then break end
    end
  end
  if interrupted(run) then return false end
  return end_steps(run, began)
end

-- ---- epochs ---------------------------------------------------------------------------------------------------------

--- Evaluates on the validation set after an epoch. Tells if the loss is not finite.
local function validate(run)
  local entry = run.entry
  local result, broken = require "scion.train.evaluate"(run.model, run.validate, { loss = run.loss_kind, metrics = run.metrics, cache = run.cache,
                                                                          precision = run.precision, distributed = run.distributed }, "fit: validate",
                                                                  { done = run.tell_validation })
  if core.interrupted() then return end -- the result would be that of a part of the validation set
  entry.val_loss, entry.val_accuracy = result.loss, result.accuracy
  record.evaluation(run, result)
  metrics.fill(entry, run.metrics, result, "val_")
  if result.loss ~= result.loss or math.abs(result.loss) == math.huge then
    local cause = broken and "in the validation set, " .. broken or
      "the last update made the weights too large; " .. step.remedy(run, step.highest_rate(run, run.step))
    run.tell(("scion: fit: the validation loss of epoch %d is %s: %s"):format(entry.epoch, result.loss ~= result.loss and "NaN" or "infinite", cause))
  end
end

--- For a stage that ends on a plateau: how many epochs the loss has not fallen for.
local function watch(run)
  local loss = run.entry.val_loss or run.entry.loss
  if not run.stage_best or loss < run.stage_best then run.stage_best, run.stage_wait = loss, 0 else run.stage_wait = run.stage_wait + 1 end
end

--- Whether the frozen part of the network ran on none of the epoch's images, since all that it gives for them was kept.
local function all_kept(run)
  local since = cached.since(run.kept)
  if run.team then return run.team:total(since and since.misses or 1) == 0 end
  return since ~= nil and since.misses == 0 and since.hits >= run.sums.examples
end

--- Ends an epoch: its entry joins the histories of the fit and of the model. Returns false if an interrupt came during the validation of a
--- run that can be resumed: then the epoch has not ended, and is validated anew.
local function end_epoch(run)
  local sums, model, history = run.sums, run.model, run.history
  run.entry = results.epoch { epoch = run.epoch, loss = sums:loss(), accuracy = sums:accuracy(), seconds = run.seconds,
                              images_per_second = sums.examples / run.seconds, cached = all_kept(run) or nil,
                              lr = run.optimizer:rate_at(step.now(run, run.step)) }
  metrics.fill(run.entry, run.metrics, sums:values())
  record.epoch(run, run.entry)
  history[#history + 1], model.history[#model.history + 1], model.epoch = run.entry, run.entry, run.epoch
  if run.validate then validate(run) end
  if core.interrupted() and run.resume then
    history[#history], model.history[#model.history], model.epoch = nil, nil, run.epoch - 1
    return false
  end
  watch(run)
  run.position, run.epoch_begun, run.stage_epochs = 0, false, run.stage_epochs + 1
  events.call(run, "epoch_ends")
  return true
end

--- One epoch. Returns false if an interrupt came before its end.
local function train_epoch(run)
  run.epoch = run.model.epoch + 1
  if not run.epoch_begun then
    run.step, run.seconds, run.sums, run.epoch_begun = 0, 0.0, run.new_sums(), true
    events.call(run, "epoch_begins")
  end
  if not take_steps(run) then return false end
  if run.stopped and run.sums.examples == 0 and run.position == 0 then -- stopped before its first step: there was no such epoch
    run.epoch_begun = false
    return true
  end
  if run.sums.examples == 0 then check.raise(run.where .. ": " .. run.sums:nothing_read(#run.data)) end
  return end_epoch(run)
end

-- ---- stages ---------------------------------------------------------------------------------------------------------

--- What holds for a stage. Freezing and the rate are set when it begins, and not when a run goes on in its middle: callbacks may have
--- changed them since.
local function enter_stage(run)
  local stage, epochs = run.stages[run.stage], 0
  run.optimizer = schedule.optimizer(run.stages, run.stage, run.first_optimizer)
  if not run.stage_begun then
    schedule.freeze(stage, run.model)
    -- until another stage begins that names an optimizer or a rate, or the fit ends: see schedule.rates_of
    local lr = stage.lr or stage.optimizer and run.rates[stage.optimizer]
    if lr then run.optimizer.lr = lr end
    run.stage_begun, run.stage_epochs, run.stage_best, run.stage_wait = true, 0, nil, 0
    record.stage(run)
  end
  local limit = run.cache_limits and run.cache_limits[run.stage]
  run.cache = run.given_cache and { variants = run.given_cache.variants, upto = run.given_cache.upto or limit }
  run.source = cached.over(run.model, run.data, run.cache, { where = run.where, precision = run.precision, frozen = true, trains = true, share = run.team and run.team.share,
                                                          ahead = run.team ~= nil })
  for i = run.stage, #run.stages do epochs = epochs + run.stages[i].epochs end
  run.last_epoch = run.model.epoch - run.stage_epochs + epochs
end

--- Whether the stage has epochs left.
local function goes_on(run)
  if run.epoch_begun then return true end
  local stage = run.stages[run.stage]
  return not run.stopped and run.stage_epochs < stage.epochs and not (stage.patience and run.stage_wait >= stage.patience)
end

--- Runs the stages that are left. Returns false after an interrupt.
local function train(run)
  while true do
    enter_stage(run)
    while goes_on(run) do
      if not train_epoch(run) or core.interrupted() then return false end
    end
    if not run.stopped then events.call(run, "stage_ends") end
    if run.stopped or run.stage == #run.stages then return true end
    run.stage, run.stage_begun = run.stage + 1, false
  end
end

--- Runs what is left of a fit. Returns false after an interrupt.
---@param run scion.Run
---@return boolean complete
return function(run)
  events.call(run, "fit_begins")
  events.restore(run)
  local complete = train(run)
  if not complete and run.team then run.team.comm:hear() end
  if not complete and run.resume then checkpoint.write(run) end
  events.call(run, "fit_ends")
  return complete
end
