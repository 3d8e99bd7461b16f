--- A training step: forward and backward on one batch, or on several whose gradients are added up, and then one update. A step is applied
--- as a whole or not at all: loss, moving averages and what the update would make of the weights are checked before the first one changes.
local check = require "scion.check"
local class_weights = require "scion.train.class_weights"
local core = require "scion.core"
local gradients = require "scion.train.gradients"
local graph = require "scion.graph"
local inputs = require "scion.train.inputs"
local targets = require "scion.train.targets"

local step = {}

--- What a step has gathered so far; nil between two steps.
---@class scion.Parts
---@field batches integer
---@field examples integer
---@field loss number the sum over the examples
---@field plan scion.Plan of the last batch
---@field sums { losses: scion.Tensor, output: scion.Tensor, y: scion.Tensor }[] what the metrics take once the step is done
---@field averages { tensor: scion.Tensor, copy: scion.Tensor }[] moving averages before
---@field frozen string which layers are: see model:freeze_state

local function place_of(run) return ("epoch %d, step %d"):format(run.epoch, run.step + 1) end

--- Raises, and leaves the step undone.
local function refuse(run, remedy, message, ...)
  local where = place_of(run)
  run.diverged = true
  step.abandon(run)
  check.raise((message .. " in %s; the weights are those of the step before%s"):format(..., where, remedy and ": " .. remedy or ""))
end

--- How many epochs come before this stage and how many there are, in the stages that have its optimizer and its rate one after the other.
local function epochs_of(run)
  local stages, first, last = run.stages, run.stage, run.stage
  local function goes_on(stage) return not stage.optimizer and not stage.lr end
  while first > 1 and goes_on(stages[first]) do first = first - 1 end
  while stages[last + 1] and goes_on(stages[last + 1]) do last = last + 1 end
  local before, all = 0, 0
  for i = first, last do
    if i < run.stage then before = before + stages[i].epochs end
    all = all + stages[i].epochs
  end
  return before, all
end

--- Where the fit is, for learning rates: before its step number `number` of the epoch. Of a user's own data set the number of batches is known
--- from the size of its first one.
---@param run scion.Run
---@param number integer from 1
---@return { step: integer, steps: integer, steps_per_epoch: integer }
function step.now(run, number)
  local batches = math.ceil(#run.data / (run.data.batch or run.batch))
  local per_epoch = math.max(math.ceil(batches / run.accumulate), 1)
  local before, epochs = epochs_of(run)
  return { step = (before + run.stage_epochs) * per_epoch + number, steps = epochs * per_epoch, steps_per_epoch = per_epoch }
end

--- What to do where a number has become too large.
---@param run scion.Run
---@param lr number
---@return string
function step.remedy(run, lr) return class_weights.too_large(run.class_weights) or ("try a lower learning rate than %g"):format(lr) end

--- The highest learning rate of a layer at a step of the epoch.
---@param run scion.Run
---@param number integer from 1
---@return number
function step.highest_rate(run, number) return run.optimizer:highest_at(run.model, step.now(run, number)) end

--- Why a loss is not finite, as far as can be known, and what to do.
local function cause_of(run, batch)
  for name, p in graph.parameters(run.model.order) do
    if not core.finite(p.tensor) then return ("%s holds numbers that are NaN or infinite: load its weights anew"):format(name) end
  end
  local found = inputs.not_finite(batch)
  if found then return (found:gsub("^%l", string.upper)) end
  if run.step == 0 and run.epoch == 1 and not class_weights.too_large(run.class_weights) then
    return (run.loss_kind.own and "No weight has changed yet: see to the loss, a function of yours, and to what it makes of these outputs" or
      "No weight has changed yet, so that it is no matter of the learning rate: see to the range of the images, and to the weights, which a fit that " ..
      "diverged before may have left too large: load them anew")
  end
  local what = step.remedy(run, step.highest_rate(run, run.step + 1)):gsub("^%l", string.upper)
  return what .. ", and load the weights anew: the steps before have made them too large"
end

local function check_loss(run, loss, batch)
  if loss == loss and math.abs(loss) < math.huge then return end
  local where, cause = place_of(run), cause_of(run, batch)
  step.abandon(run)
  check.raise(("the loss is %s in %s; the weights are those of the step before. %s"):format(loss ~= loss and "NaN" or "infinite", where, cause))
end

local function check_averages(run, plan)
  for _, p in ipairs(plan:averages(run.model.arena)) do
    if not core.finite(p.new) then
      local named = "a batch norm's moving mean or variance"
      for name, parameter in graph.parameters(run.model.order) do named = rawequal(parameter.tensor, p.tensor) and name or named end
      refuse(run, class_weights.too_large(run.class_weights) or "see to the range of the images or features, and to the weights before it", "%s is not finite", named)
    end
  end
end

--- What to do where a gradient is not finite, if that is known.
local function of_gradients(run)
  return class_weights.too_large(run.class_weights) or run.loss_kind.own and "see to the gradients that the loss, a function of yours, returns" or nil
end

local function check_gradients(run, all)
  if all:finite() then return end
  for _, g in ipairs(run.parts.plan.gradients) do
    if not core.finite(all:slice(g.parameter)) then
      refuse(run, of_gradients(run), "the gradient of %s is not finite", g.layer.name .. "/" .. g.parameter.name)
    end
  end
end

--- The factor of each example's loss, from the data set and from its class; nil if there are none.
local function weights_of(run, batch)
  local by_class = run.class_weights and class_weights.of(run.class_weights, batch.y)
  return by_class and batch.weight and by_class * batch.weight or by_class or batch.weight
end

--- Begins a step. Where it has several batches, moving averages change before it is complete, and copies are kept to take that back.
local function begin(run, plan)
  local parts = { batches = 0, examples = 0, loss = 0.0, sums = {}, averages = {}, frozen = run.model:freeze_state() }
  for _, p in ipairs(run.accumulate > 1 and not run.team and plan.pending or {}) do
    parts.averages[#parts.averages + 1] = { tensor = p.tensor, copy = p.tensor:copy() }
  end
  run.parts = parts
  return parts
end

--- Leaves a step undone of which some batches were taken.
---@param run scion.Run
function step.abandon(run)
  local parts = run.parts
  if not parts then return end
  for _, average in ipairs(parts.averages) do core.copy(average.copy, average.tensor) end
  if run.team then run.team:abandon() end
  run.parts = nil
end

--- Runs a plan on a batch, or on a part of one, and checks its loss. Returns false after an interrupt.
local function execute(run, plan, batch, target, weights)
  local model, team, n = run.model, run.team, #batch
  if team then
    model:reserve(plan)
    if not team:begin_part(run, plan) then return false end
    if n == 0 then return true end -- a part without images, of a step that other parts have some of
  end
  local number = team and team:step_number(run) or model.steps + run.parts.batches
  local told = team and team:takes(run, plan, n)
  if not model:execute(plan, { images = batch.x, labels = target, weights = weights, step = number }, told) then return false end
  check_loss(run, core.place(model.arena, plan.losses, n):sum(), batch)
  check_averages(run, plan)
  return true
end

--- Forward and backward on one batch. The gradients are left in the model's buffer. Raises if the loss is not finite.
---@param run scion.Run
---@param batch scion.Batch of one example or more; where several processes train, a part of one, which may be empty
---@return boolean complete false after an interrupt, which leaves the step undone
function step.backward(run, batch)
  local model, team, n = run.model, run.team, #batch
  run.batch = run.batch or team and run.data.batch or n
  local target = targets.tensor(run.where, batch.y, run.loss_kind, model, run.data.labels, n)
  local weights = weights_of(run, batch)
  local plan = model:plan_for { mode = "train", batch = team and team.share.size or inputs.capacity(run.data, nil, n), input_dtype = batch.x:dtype(),
                                loss = run.loss_kind, labels = target:dtype(), weighted = weights ~= nil, precision = run.precision, from = batch.node }
  local parts = run.parts or begin(run, plan)
  if not execute(run, plan, batch, target, weights) then
    step.abandon(run)
    return false
  end
  local several = run.accumulate > 1
  local losses, output = core.place(model.arena, plan.losses, n), core.place(model.arena, plan.output, n)
  if team then
    local complete = team:take(run, plan, batch, losses, output)
    if not complete then step.abandon(run) end
    return complete
  end
  local loss = losses:sum()
  parts.sums[#parts.sums + 1] = { losses = several and losses:copy() or losses, output = several and output:copy() or output, y = batch.y }
  parts.batches, parts.examples, parts.loss, parts.plan = parts.batches + 1, parts.examples + n, parts.loss + loss, plan
  if several then
    plan:commit(model.arena)
    run.gradient_sum = gradients.of(plan, model.arena):add_to(run.gradient_sum, n, parts.batches == 1)
  end
  return true
end

--- Whether all batches of the step were taken.
---@param run scion.Run
---@return boolean
function step.is_complete(run)
  return run.parts ~= nil and (run.parts.batches == run.accumulate or run.team ~= nil and run.team:waits())
end

local function is_first(run) return run.step == 0 and run.epoch == run.first_epoch + 1 end

--- Changes the weights. Raises where one would not be finite, and names what it lies in: a gradient that is not makes no weight that is.
local function change_weights(run, all)
  local revision = graph.revision()
  if run.groups_revision ~= revision or run.groups_of ~= run.optimizer then
    run.groups, run.groups_revision, run.groups_of = run.optimizer:groups_of(run.model), revision, run.optimizer
    if #run.groups == 0 and not run.told_frozen then
      run.told_frozen = true
      run.tell(("scion: fit: since %s every layer with weights is frozen, as a callback has left it: steps change nothing"):format(place_of(run)))
    end
  end
  local refused, lr = run.optimizer:step(run.groups, all, step.now(run, run.step + 1))
  if refused then
    check_gradients(run, all)
    refuse(run, step.remedy(run, lr), "%s", refused)
  end
  local taken = run.parts.batches * (run.team and run.team.parts or 1)
  run.parts, run.model.steps = nil, run.model.steps + taken -- until here the step can be left undone
end

--- Ends a step by the update. Raises if a gradient or a new weight is not finite.
---@param run scion.Run
---@return number loss the mean of the step's examples
function step.update(run)
  local parts, model = run.parts, run.model
  if parts.frozen ~= model:freeze_state() then
    step.abandon(run)
    check.raise(("a layer was frozen or thawed within %s, as by the loss; callbacks can do so between steps, in step_begins or step_ends"):format(place_of(run)))
  end
  local plan, all = parts.plan, gradients.of(parts.plan, model.arena)
  if run.team then
    run.team:sum(run, plan)
    check_averages(run, plan)
  elseif run.accumulate > 1 then
    all:take(run.gradient_sum, 1 / parts.examples)
  end
  if run.clip then
    check_gradients(run, all) -- an infinite one would be clipped, too
    all:clip(run.clip)
  end
  for _, part in ipairs(parts.sums) do run.sums:add(part.losses, part.output, part.y) end
  if is_first(run) then
    run.sums:try()
    if run.team then run.team.comm:meet "step" end -- one on which it raised has not changed its weights: nobody shall
  end
  change_weights(run, all)
  if run.accumulate == 1 or run.team then plan:commit(model.arena) end
  return parts.loss / parts.examples
end

return step
