--- What Scion's own callbacks share. A file of callbacks/ defines one; callback.define makes its constructor.
local check = require "scion.check"
local class = require "scion.class"
local layer = require "scion.layer"
local read_only = require "scion.read_only"

local callback = {}

--- A callback of scion.callbacks. Its options cannot be set: to change one, make another. Each fit begins it anew; what it found in the last
--- one can be read.
---@class scion.OwnCallback
---@field name string as in scion.callbacks
---@field options table its options, with defaults filled in
---@field best number? the best value of what is monitored; nil before the first epoch
---@field best_epoch integer? of early_stopping and model_checkpoint: the epoch that had it
---@field stopped_epoch integer? of early_stopping: the epoch after which it ended the fit
---@field saved string? of model_checkpoint: the file that it wrote last
---@field updates integer? of ema: how many steps its averages are of
---@field state fun(): table what a checkpoint holds of it
---@field restore fun(state: table) takes that back
---@field private fit_begins fun(run: scion.Run) this one and those below as in scion.Callback
---@field private epoch_begins? fun(run: scion.Run)
---@field private step_begins? fun(run: scion.Run)
---@field private step_ends? fun(run: scion.Run)
---@field private epoch_ends? fun(run: scion.Run)
---@field private stage_ends? fun(run: scion.Run)
---@field private fit_ends? fun(run: scion.Run)
---@field private epochs integer? of this fit
---@field private waited integer? epochs without a better value
---@field private weights table<string, scion.Tensor>? those of the best epoch: see snapshot.lua
---@field private cooling integer? epochs that do not count any more
---@field private file scion.LogFile?
---@field private columns string[]?
---@field private told table<string, boolean>? names of values without a column
---@field private steps integer?
---@field private train scion.LogFile?
---@field private validation scion.LogFile?
---@field private averages table<string, scion.Tensor>?
---@field private calls table[]? one for each average, for core.run
---@field private revision integer? of the graph, when they were listed

local protocol = { "fit_begins", "epoch_begins", "step_begins", "step_ends", "epoch_ends", "stage_ends", "fit_ends", "state", "restore" }

--- "early_stopping(monitor = val_loss, patience = 3)": what is monitored, and the options that differ from their defaults.
local function text(self)
  local names, parts = {}, {}
  for name, option in pairs(self.definition.schema) do
    local value = self.options[name]
    if value ~= nil and (option.usual or value ~= option[2]) then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = self.options[name]
    parts[i] = ("%s = %s"):format(name, math.type(value) == "float" and ("%g"):format(value) or check.escape(tostring(value)))
  end
  return ("%s(%s)"):format(self.name, table.concat(parts, ", "))
end

--- Makes a constructor from a definition. Parts of a definition:
---   name        its name in scion.callbacks
---   positional  names of the options that may be given by position
---   schema      its options, as for check.options
---   check       (where, options) called with the options of each new callback
---   keeps       names of the fields that a checkpoint holds: numbers, strings, booleans, tensors and tables of them. All are nil as a fit
---               begins
---   private     names of other fields, which are nil as a fit begins, or goes on
---   logs        true: it only writes logs
---   events      functions by their event, as in scion.Callback, but for the object itself before the run
---@param definition table
---@return fun(...): scion.OwnCallback
function callback.define(definition)
  local where, keeps, private = "scion.callbacks." .. definition.name, definition.keeps, definition.private or {}
  local made = class.define {
    name = "scion.OwnCallback", title = definition.name, internal = { definition = definition },
    locked = { "name", "options", table.unpack(keeps) }, fields = table.move(private, 1, #private, #protocol + 1, { table.unpack(protocol) }),
    called = "it stands in fit's list of callbacks", meta = { __tostring = text, __callback = true },
  }
  local function clear(self, names)
    for _, name in ipairs(names) do self[name] = nil end
  end
  return function(...)
    local options = layer.arguments(where, definition.positional or {}, definition.schema, layer.spread(...))
    if definition.check then definition.check(where, options) end
    local values = { name = definition.name, options = read_only.options(options, definition.name, "to change one, make another callback") }
    local self = made.new(values) -- it keeps `values` itself
    for event, f in pairs(definition.events) do values[event] = function(run) return f(self, run) end end
    local begins = definition.events.fit_begins
    function values.fit_begins(run)
      clear(self, keeps)
      clear(self, private)
      if begins then begins(self, run) end
    end
    function values.state()
      local state = {}
      for _, name in ipairs(keeps) do state[name] = self[name] end
      return state
    end
    function values.restore(state)
      clear(self, private)
      for _, name in ipairs(keeps) do self[name] = state[name] end
    end
    return self
  end
end

return callback
