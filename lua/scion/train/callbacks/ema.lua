--- callbacks.ema(decay = 0.999)
--- Keeps exponential moving averages of the weights, which are often better than the weights of the last step: after each step, average =
--- decay * average + (1 - decay) * weight, for what trains and for the moving averages of its batch norms. As fit ends, the model gets the
--- averages, as with Keras's `use_ema`; until then, and in the validation of the epochs, it has its own weights, and so has what
--- model_checkpoint saves. After Ctrl-C it keeps them. The averages take as much memory as what trains.
---@example model:fit(train, { epochs = 2, callbacks = { scion.callbacks.ema{ decay = 0.99 } } })
---@class scion.callbacks.ema
---@field decay? number from 0 up to, but not, 1: the averages are over about 1 / (1 - decay) steps (0.999)
---@field warmup? boolean whether the decay of step t is at most (1 + t) / (10 + t), so that short fits forget what they began with (true)
local callback = require "scion.train.callback"
local check = require "scion.check"
local core = require "scion.core"
local graph = require "scion.graph"
local snapshot = require "scion.train.snapshot"

local function fit_begins(self, run)
  for _, other in ipairs(run.callbacks) do
    if other.name == "early_stopping" and other.options.restore_best then
      check.raise "ema: the model cannot end with the averages and with the weights of early_stopping's best epoch: write early_stopping{ restore_best = false }"
    end
  end
  self.averages, self.updates = {}, 0
end

--- Gives each parameter that trains an average, before the first step that changes it; and lists the calls that a step makes.
local function prepare(self, run)
  local revision = graph.revision()
  if self.calls and self.revision == revision then return end
  local averages, calls = self.averages, {}
  for name, p, layer in graph.parameters(run.model.order) do
    if not averages[name] and not layer.frozen then averages[name] = p.tensor:copy() end
    if averages[name] then calls[#calls + 1] = { "moving_average", x = p.tensor, y = averages[name] } end
  end
  self.calls, self.revision = calls, revision
end

local function step_ends(self)
  local o, t = self.options, self.updates + 1
  local rate = 1 - (o.warmup and math.min(o.decay, (1 + t) / (10 + t)) or o.decay)
  for _, call in ipairs(self.calls) do
    call.rate = rate
    core.run(call)
  end
  self.updates = t
end

local function fit_ends(self, run)
  if core.interrupted() or self.updates == 0 then return end
  snapshot.put(self.averages, run.model)
  self.averages, self.calls = {}, nil
  if run.verbose then
    run.tell(("scion: ema: the model has the averages of %d steps from here on; the epochs were validated with the weights before"):format(self.updates))
  end
end

return callback.define {
  name = "ema",
  positional = { "decay" },
  schema = { decay = { check.number { from = 0, below = 1 }, 0.999, usual = true }, warmup = { check.boolean, true } },
  keeps = { "averages", "updates" },
  private = { "calls", "revision" },
  events = { fit_begins = fit_begins, step_begins = prepare, step_ends = step_ends, fit_ends = fit_ends },
}
