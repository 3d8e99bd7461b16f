--- callbacks.early_stopping{ monitor = "val_loss", patience = 0, restore_best = true }
--- Ends the fit once a number of the epochs has not become better for some of them, as Keras's EarlyStopping. Other than there, the model
--- then has the weights of the best epoch, moving averages included, unless `restore_best` is false; so it has where the fit came to its
--- end by itself, but not after Ctrl-C. Their copy takes as much memory as the model's weights. In a schedule it ends the whole fit, also in
--- the first stage: later stages do not begin then, which is told. A stage alone is ended by its own option `patience`.
---@example model:fit(train, { epochs = 5, validate = val, callbacks = { scion.callbacks.early_stopping{ patience = 2 } } })
---@class scion.callbacks.early_stopping: scion.MonitorOptions
---@field patience? integer after how many epochs without a better value it ends the fit; 0 is the same as 1 (0)
---@field min_delta? number what is not better by more than this does not count (0)
---@field baseline? number epochs with no better value than this do not count as better, either (none)
---@field start_from_epoch? integer how many epochs of the fit it passes over first (0)
---@field restore_best? boolean whether the model gets the weights of the best epoch (true)
local callback = require "scion.train.callback"
local check = require "scion.check"
local core = require "scion.core"
local monitor = require "scion.train.monitor"
local snapshot = require "scion.train.snapshot"

local count = check.whole(0, (1 << 31) - 1)

local function note_best(self, run, value)
  self.best, self.best_epoch = value, run.epoch
  if self.options.restore_best then self.weights = snapshot.take(run.model, self.weights) end
end

local function epoch_ends(self, run)
  local o, value = self.options, monitor.value(self, run)
  self.epochs = (self.epochs or 0) + 1
  if self.epochs <= o.start_from_epoch then return end
  local waited = (self.waited or 0) + 1
  if monitor.better(o, value, self.best) then
    note_best(self, run, value)
    if monitor.better(o, value, o.baseline) then waited = 0 end
  elseif waited >= o.patience and self.epochs > 1 then
    self.stopped_epoch = run.epoch
    run:stop()
  end
  self.waited = waited
end

local function tell_stages_left(run)
  local next_one, last = run.stage + 1, #run.stages
  if next_one > last then return end
  run.warn("stages_left", ("early_stopping ended the whole schedule in stage %d: %s not begun; a stage's own option, such as patience = 3, ends that stage alone"):format(
    run.stage, next_one == last and ("stage %d has"):format(last) or ("stages %d to %d have"):format(next_one, last)))
end

local function fit_ends(self, run)
  if core.interrupted() then return end -- the model stays as it was between two steps, to go on from there
  local restored = self.weights ~= nil and self.best_epoch ~= run.epoch
  if restored then snapshot.put(self.weights, run.model) end
  self.weights = nil
  if self.stopped_epoch then tell_stages_left(run) end
  if not run.verbose or not (restored or self.stopped_epoch) then return end
  local stopped = self.stopped_epoch and ("ended the fit after epoch %d"):format(self.stopped_epoch) or "the fit came to its end"
  local best = self.best_epoch and ("%s was best in epoch %d, %g"):format(self.options.monitor, self.best_epoch, self.best) or
    ("%s was NaN in all epochs"):format(self.options.monitor)
  run.tell(("scion: early_stopping: %s; %s%s"):format(stopped, best, restored and ", and the model has the weights of that epoch" or ""))
end

return callback.define {
  name = "early_stopping",
  schema = check.joined(monitor.schema, {
    patience = { count, 0 }, min_delta = { check.number { from = 0 }, 0 }, baseline = { check.number() }, start_from_epoch = { count, 0 },
    restore_best = { check.boolean, true },
  }),
  check = monitor.check,
  keeps = { "best", "best_epoch", "stopped_epoch", "epochs", "waited", "weights" },
  events = { fit_begins = monitor.begin, epoch_ends = epoch_ends, fit_ends = fit_ends },
}
