--- model:lr_find: trains for some steps at learning rates that grow from step to step, and takes all of it back (Smith 2017).
local check = require "scion.check"
local fit = require "scion.train.fit"
local kinds = require "scion.train.kinds"
local optim = require "scion.optim"
local progress = require "scion.report.progress"
local results = require "scion.report.results"
local snapshot = require "scion.train.snapshot"
local targets = require "scion.train.targets"

---@class scion.LrFindOptions
---@field optimizer? scion.Optimizer whose rate is looked for (scion.optim.rmsprop())
---@field from? number the first rate (1e-7)
---@field to? number the last one (10)
---@field steps? integer over how many steps it grows, by the same factor in each (100)
---@field loss? string|scion.Loss|fun(outputs: scion.Tensor, targets: scion.Tensor): scion.Tensor, scion.Tensor as for model:fit

local rate = check.number { above = 0 }

local schema = { optimizer = { kinds.optimizer }, from = { rate, 1e-7 }, to = { rate, 10.0 }, steps = { check.whole(5, 1 << 20), 100, usual = true },
                 loss = { targets.kind } }

local smoothing = 0.9 -- the share of the running mean of losses that stays at each step
local settled, least_fall = 5, 0.9 -- steps after which that mean says something, and the share of it below which the loss has fallen
local worse = 4 -- times the lowest loss, from which on it ends

--- What a fit would leave behind beside weights.
local function kept_of(model, optimizer)
  return { weights = snapshot.take(model), state = snapshot.of_optimizer(optimizer, model), entries = #model.history,
           fields = { epoch = model.epoch, steps = model.steps, labels = model.labels, loss = model.loss, metrics = model.metrics, reading = model.reading,
                      trained_before = model.trained_before } }
end

local function put_back(kept, model, optimizer)
  snapshot.put(kept.weights, model)
  optimizer:restore(model.order, kept.state)
  for i = #model.history, kept.entries + 1, -1 do model.history[i] = nil end
  for _, name in ipairs { "epoch", "steps", "labels", "loss", "metrics", "reading", "trained_before" } do model[name] = kept.fields[name] end
end

--- The callback that raises the rate before each step, and notes the smoothed loss after it.
local function raises_rate(o, curve, seen, tell)
  local mean, lowest, count = 0, math.huge, 0
  return {
    step_begins = function(run)
      seen.run = run
      run.optimizer.lr = o.from * (o.to / o.from) ^ (count / (o.steps - 1))
    end,
    step_ends = function(run)
      count = count + 1
      mean = smoothing * mean + (1 - smoothing) * run.loss
      local loss = mean / (1 - smoothing ^ count)
      curve[count] = { lr = run.optimizer.lr, loss = loss }
      lowest = math.min(lowest, loss)
      tell(count)
      return count < o.steps and loss <= worse * lowest
    end,
  }
end

--- A tenth of the rate at which the loss is lowest, where the loss still falls, and that rate itself. Not the tenth where it never fell below
--- that of the first steps, as where it only rises.
local function rates_of(curve)
  local lowest = 1
  for i, point in ipairs(curve) do
    if point.loss < curve[lowest].loss then lowest = i end
  end
  local first = math.min(settled, (#curve + 1) // 2)
  local fell = lowest > first and curve[lowest].loss < least_fall * curve[first].loss
  return fell and curve[lowest].lr / 10 or nil, curve[lowest].lr
end

--- Finds a learning rate: see model:lr_find.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.LrFindOptions?
---@return scion.RateCurve
return function(model, data, given)
  local o = check.options("lr_find", given, schema)
  if o.from >= o.to then check.raise(("lr_find: from is %g, which is not below to, %g"):format(o.from, o.to)) end
  local optimizer, curve, seen = o.optimizer or optim.rmsprop(), {}, {}
  local kept = kept_of(model, optimizer)
  local bar <close> = progress.counter("lr_find", o.steps, "steps")
  local function ended() return ("after %d of %d steps; the model is as it was before"):format(#curve, o.steps) end
  local ok, message = pcall(fit, model, data, { epochs = o.steps, optimizer = optimizer, loss = o.loss, verbose = false, quiet = true, on_interrupt = "raise",
                                                callbacks = { raises_rate(o, curve, seen, bar.tell) } }, "lr_find", ended)
  put_back(kept, model, optimizer)
  if not ok and not (seen.run and seen.run.diverged) then error(message, 0) end
  if #curve == 0 then error(message, 0) end
  curve.suggested, curve.lowest = rates_of(curve)
  return results.rate_curve(curve)
end
