--- callbacks.reduce_lr_on_plateau{ monitor = "val_loss", factor = 0.1, patience = 10 }
--- Lowers the optimizer's learning rate once a number of the epochs has not become better for some of them, as Keras's ReduceLROnPlateau.
--- Groups of layers with a rate of their own have it lowered alike; rates that change with the step are multiplied by optimizer.scale. The
--- rate stays lowered after the fit. Each stage of a schedule begins it anew.
---@example model:fit(train, { epochs = 5, validate = val, callbacks = { scion.callbacks.reduce_lr_on_plateau{ patience = 2 } } })
---@class scion.callbacks.reduce_lr_on_plateau: scion.MonitorOptions
---@field factor? number what the rate is multiplied by, between 0 and 1 (0.1)
---@field patience? integer after how many epochs without a better value (10)
---@field min_delta? number what is not better by more than this does not count (1e-4)
---@field cooldown? integer how many epochs after a change do not count (0)
---@field min_lr? number the rate does not fall below it (0)
local callback = require "scion.train.callback"
local check = require "scion.check"
local monitor = require "scion.train.monitor"
local step = require "scion.train.step"

local count = check.whole(0, (1 << 31) - 1)

--- Multiplies all rates of an optimizer: numbers themselves, so that a stage's own rate replaces what came of it; else their common factor.
local function multiply(optimizer, factor)
  local rated, numbers = { optimizer, table.unpack(optimizer.groups) }, true
  for _, each in ipairs(rated) do numbers = numbers and (each.lr == nil or type(each.lr) == "number") end
  if not numbers then
    optimizer.scale = optimizer.scale * factor
    return
  end
  for _, each in ipairs(rated) do each.lr = each.lr and each.lr * factor end
end

--- Lowers the rate, if it is above the least.
local function reduce(self, run)
  local o, now = self.options, run.optimizer:rate_at(step.now(run, 1)) -- that of the next step
  if now <= o.min_lr then return end
  local lower = math.max(now * o.factor, o.min_lr)
  multiply(run.optimizer, lower / now)
  self.cooling, self.waited = o.cooldown, 0
  if run.verbose then
    run.tell(("scion: reduce_lr_on_plateau: the learning rate is %g from here on, and was %g"):format(lower, now))
  end
end

local function epoch_ends(self, run)
  local o, value = self.options, monitor.value(self, run)
  self.cooling, self.waited = self.cooling or 0, self.waited or 0
  if self.cooling > 0 then self.cooling, self.waited = self.cooling - 1, 0 end
  if monitor.better(o, value, self.best) then
    self.best, self.waited = value, 0
  elseif self.cooling == 0 then
    self.waited = self.waited + 1
    if self.waited >= o.patience then reduce(self, run) end
  end
end

return callback.define {
  name = "reduce_lr_on_plateau",
  schema = check.joined(monitor.schema, {
    factor = { check.number { above = 0, below = 1 }, 0.1 }, patience = { count, 10 }, min_delta = { check.number { from = 0 }, 1e-4 },
    cooldown = { count, 0 }, min_lr = { check.number { from = 0 }, 0 },
  }),
  check = monitor.check,
  keeps = { "best", "cooling", "waited" },
  events = {
    fit_begins = monitor.begin, epoch_ends = epoch_ends,
    stage_ends = function(self, run)
      if run.stage < #run.stages then self.best, self.cooling, self.waited = nil, nil, nil end
    end,
  },
}
