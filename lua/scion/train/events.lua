--- Callbacks: tables of functions that are called at events of a fit. All get one argument, the context (see run.lua).
local check = require "scion.check"

local events = {}

---@class scion.Callback
---@field fit_begins? fun(run: scion.Run)
---@field epoch_begins? fun(run: scion.Run)
---@field step_begins? fun(run: scion.Run)
---@field step_ends? fun(run: scion.Run): boolean? returning false ends the fit, as run:stop() does
---@field epoch_ends? fun(run: scion.Run): boolean? after the epoch's validation, with its results in run.entry; returning false ends the fit
---@field stage_ends? fun(run: scion.Run) after the last epoch of a stage of a schedule
---@field fit_ends? fun(run: scion.Run) also after a fit that was stopped or interrupted, but not after an error
---@field state? fun(): table what a checkpoint shall hold of the callback: numbers, strings, booleans, tensors and tables of them
---@field restore? fun(state: table) takes it back
---@field step? fun(step: scion.Step): boolean? as step_ends, with another argument
---@field epoch? fun(entry: scion.Epoch): boolean? as epoch_ends, with the epoch's entry in the history as its argument

local names = { "fit_begins", "epoch_begins", "step_begins", "step_ends", "epoch_ends", "stage_ends", "fit_ends" }

local schema = { state = { check.callable }, restore = { check.callable }, step = { check.callable }, epoch = { check.callable } }
for _, name in ipairs(names) do schema[name] = { check.callable } end

local plain = check.table_of(schema)

--- The function that calls both; nil where there is none.
local function both(first, second)
  if not first or not second then return first or second end
  return function(run)
    local go_on = first(run)
    return second(run) ~= false and go_on
  end
end

--- One callback, checked. Objects of scion.callbacks know what they are.
local function read(value)
  if type(value) ~= "table" then return false end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__callback then return true, value end
  local ok, of, complaint = plain.read(value)
  if not ok then return false, nil, complaint end
  if (of.state == nil) ~= (of.restore == nil) then
    local has, lacks = of.state and "state" or "restore", of.state and "restore" or "state"
    return false, nil, ("has %s and not %s: a fit that goes on gives to restore what state gave, so that it takes both"):format(has, lacks)
  end
  of.step_ends = both(of.step_ends, of.step and function(run) return of.step(run:as_step()) end)
  of.epoch_ends = both(of.epoch_ends, of.epoch and function(run) return of.epoch(run.entry) end)
  return true, of
end

local one = check.kind("a callback, such as scion.callbacks.early_stopping() or { epoch_ends = function(run) … end }", function(value)
  for name, constructor in pairs(type(value) == "function" and require "scion.train.callbacks" or {}) do
    if value == constructor then return false, nil, ("is the function that makes a callback: write scion.callbacks.%s(), with its options"):format(name) end
  end
  if type(value) == "function" then
    return false, nil, "is a function, and it is not said when to call it: give a table, such as { epoch_ends = function(run) … end }"
  end
  return read(value)
end)

--- The option `callbacks`: a list of callbacks, or one of them.
events.kind = check.kind("a list of callbacks, { scion.callbacks.early_stopping(), { epoch_ends = function(run) … end } }", function(value)
  if type(value) ~= "table" then return false end
  if next(value) ~= nil and rawlen(value) == 0 or getmetatable(value) ~= nil then
    local ok, callback, complaint = one.read(value)
    return ok, ok and { callback } or nil, complaint
  end
  return check.list(one, nil, "a list of callbacks").read(value)
end)

--- Calls what the callbacks of a run have for an event, in their order.
---@param run scion.Run
---@param name string one of scion.Callback's fields
function events.call(run, name)
  for _, callback in ipairs(run.callbacks) do
    local f = callback[name]
    if f and f(run.context) == false then run.stopped = true end
  end
end

-- ---- what a checkpoint holds of them --------------------------------------------------------------------------------

local function is_own(callback)
  local meta = getmetatable(callback)
  return type(meta) == "table" and meta.__callback or false
end

--- A callback in words.
---@param callback scion.Callback
---@return string
function events.text(callback) return is_own(callback) and tostring(callback) or "one of your own" end

--- Whether a callback is one of Scion's that only writes logs: a run goes on as well with another log, or with none.
---@param callback scion.Callback
---@return boolean
function events.only_logs(callback) return is_own(callback) and callback.definition.logs or false end

--- Whether what is frozen, and the weights, stay as they are between two steps: Scion's own callbacks do nothing to them there.
---@param run scion.Run
---@return boolean
function events.leave_layers_alone(run)
  for _, callback in ipairs(run.callbacks) do
    if not is_own(callback) and not callback.only_tells and (callback.step_begins or callback.step_ends) then return false end
  end
  return true
end

--- The state of a callback. Raises if it is no table: without it the states of those behind it would be taken for others'.
local function state_of(callback, number)
  local state = callback.state()
  if type(state) ~= "table" then
    check.raise(("fit: resume: callbacks: the state of callback %d is a table, such as { best = 0.9 }, not %s"):format(number, check.show(state)))
  end
  return state
end

--- What the callbacks of a run tell of their state: a list, and for logs a list with the log that each is of.
---@param run scion.Run
---@return table[] states
---@return { of: string, state: table }[] logs
function events.states(run)
  local states, logs = {}, {}
  for _, callback in ipairs(run.callbacks) do
    if callback.state and events.only_logs(callback) then
      logs[#logs + 1] = { of = events.text(callback), state = callback.state() }
    elseif callback.state then
      states[#states + 1] = state_of(callback, #states + 1)
    end
  end
  return states, logs
end

--- Gives the callbacks of a run that goes on what they had told of their state. A log that was not there begins anew.
---@param run scion.Run
function events.restore(run)
  local i, logs = 0, {}
  for _, log in ipairs(run.log_states or {}) do logs[log.of] = log.state end
  for _, callback in ipairs(run.callback_states and run.callbacks or {}) do
    local log = callback.state and events.only_logs(callback)
    i = i + (callback.state and not log and 1 or 0)
    local state = log and logs[events.text(callback)] or not log and callback.state and run.callback_states[i]
    if state and callback.restore then callback.restore(state) end
  end
  run.callback_states, run.log_states = nil, nil
end

return events
