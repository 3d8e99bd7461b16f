--- What callbacks watch: a number of each epoch's entry in the history, and whether it became better.
local check = require "scion.check"

local monitor = {}

---@class scion.MonitorOptions
---@field monitor? string the number to watch, as the epoch's entry in the history calls it: "loss", "val_accuracy" ("val_loss")
---@field mode? "auto"|"min"|"max" whether less of it is better, or more; "auto": as Scion knows of its own ("auto")

local modes = check.one_of("auto", "min", "max")

--- Options of callbacks that watch a number.
monitor.schema = { monitor = { check.text, "val_loss", usual = true }, mode = { modes, "auto" } }

--- Of names without "val_" before them: those of which less is better, and patterns of those of which more is.
local less = { loss = true, mse = true, mae = true, calibration_error = true }
local more = { "^accuracy$", "^balanced_accuracy$", "^exact_match$", "^top_%d+$", "^precision", "^recall", "^f1", "^roc_auc", "^average_precision", "^kappa$" }

--- Whether less of a number is better, or more: "min", "max"; nil if it is no name of Scion's own.
---@param name string
---@return "min"|"max"|nil
function monitor.direction(name)
  local bare = name:gsub("^val_", "")
  if less[bare] then return "min" end
  for _, pattern in ipairs(more) do
    if bare:find(pattern) then return "max" end
  end
end

--- Raises if it is not known which way the number is better. Part of a callback's check of its options.
---@param where string
---@param o scion.MonitorOptions
function monitor.check(where, o)
  if o.mode ~= "auto" or monitor.direction(o.monitor) then return end
  check.raise(("%s: monitor %s is no number that Scion knows (%s); for one of your own, say by mode = 'min' or 'max' whether less of it is better"):format(
    where, check.show(o.monitor), check.suggestion(o.monitor, { "loss", "accuracy", "val_loss", "val_accuracy" })))
end

--- What is to be done so that epochs have a number that is one of Scion's own; nil if they have it.
local function remedy(run, bare)
  if bare == "loss" or not monitor.direction(bare) then return nil end
  if bare == "accuracy" then return not run.new_sums().told and "the network gives numbers and tells no classes; take 'loss'" or nil end
  for _, metric in ipairs(run.metrics) do
    if metric == bare then return nil end
  end
  return ("ask fit for it, metrics = { %s }"):format(check.show(bare))
end

--- Raises, before the first step, if there will be no such number: for want of a validation set, or as it is a metric that is not asked for.
--- Numbers of a user's own are not looked for, since callbacks may add them.
---@param callback scion.OwnCallback
---@param run scion.Run
---@param name? string (what is monitored)
function monitor.begin(callback, run, name)
  name = name or callback.options.monitor
  local bare = name:gsub("^val_", "")
  if name ~= bare and not run.validate then
    check.raise(("%s: there is no %s without a validation set: give fit one, validate = …, or take %s"):format(callback.name, check.show(name), check.show(bare)))
  end
  local what = remedy(run, bare)
  if what then check.raise(("%s: there will be no %s: %s"):format(callback.name, check.show(name), what)) end
end

--- A number of the epoch that has ended. Raises, with the names that there are, if it has none of that name.
---@param callback scion.OwnCallback
---@param run scion.Run
---@param name? string (what is monitored)
---@return number
function monitor.value(callback, run, name)
  name = name or callback.options.monitor
  local value = rawget(run.entry, name)
  if type(value) == "number" then return value end
  local there = {}
  for key, each in next, run.entry do
    if type(key) == "string" and type(each) == "number" then there[#there + 1] = key end
  end
  table.sort(there)
  local found = value == nil and "is not among the numbers of an epoch" or ("is %s, and no number"):format(check.show(value))
  check.raise(("%s: %s %s: %s"):format(callback.name, check.show(name), found, table.concat(there, ", ")))
end

--- Whether a value is better than another by more than min_delta. Any number is better than none, and NaN is never better.
---@param o scion.MonitorOptions with min_delta, where the callback has it
---@param value number
---@param than number?
---@return boolean
function monitor.better(o, value, than)
  if than == nil then return value == value end
  local mode = o.mode == "auto" and monitor.direction(o.monitor) or o.mode
  if mode == "min" then return value + (o.min_delta or 0) < than end
  return value - (o.min_delta or 0) > than
end

return monitor
