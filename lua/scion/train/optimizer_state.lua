--- What a checkpoint holds of an optimizer for one model, and how it is taken back. An optimizer keeps its state by parameter, so that two
--- models never mix; names come in here, from the model's layers.
local check = require "scion.check"
local graph = require "scion.graph"
local rate = require "scion.rate"
local shape = require "scion.shape"

local optimizer_state = {}

--- Layers that are frozen now are among it, and other models are not.
---@class scion.OptimizerState
---@field optimizer string the text of the optimizer as it was made
---@field values table<string, number|boolean|table> its options and those of its groups ("groups[1].lr"), which may have been set since then;
--- a rate as rate.plain has it
---@field steps table<string, integer> for each parameter, by name, how many steps changed it
---@field tensors { name: string, tensor: scion.Tensor }[] in the order of the model, named "mixed9/conv/kernel/momentum"; not copies

--- Calls f(object, key, name, kind) for each option that may be set, of the optimizer and of its groups.
local function each_option(optimizer, f)
  for _, key in ipairs(optimizer.kept) do f(optimizer, key, key, optimizer.settable[key]) end
  for i, group in ipairs(optimizer.groups) do
    for key, kind in pairs(optimizer.of_group) do f(group, key, ("groups[%d].%s"):format(i, key), kind) end
  end
end

--- The state for the parameters of a model.
---@param optimizer scion.Optimizer
---@param order scion.Node[] of the model
---@return scion.OptimizerState
function optimizer_state.of(optimizer, order)
  local values, steps, tensors = {}, {}, {}
  each_option(optimizer, function(object, key, name) values[name] = rate.plain(object[key]) end)
  for name, p in graph.parameters(order) do
    local state = optimizer.states[p] or {}
    steps[name] = state.steps
    for _, key in ipairs(optimizer.tensors) do
      if state[key] then tensors[#tensors + 1] = { name = name .. "/" .. key, tensor = state[key] } end
    end
  end
  return { optimizer = optimizer.made, values = values, steps = steps, tensors = tensors }
end

--- The values of a saved state, with rates made of plain data; or nil and what is wrong with them.
local function read_values(optimizer, given)
  local values, wrong = {}, nil
  each_option(optimizer, function(_, _, name, kind)
    local ok, value = check.try(rate.made, given[name])
    if not ok then
      wrong = wrong or ("the state's %s is no rate: %s"):format(name, value)
    elseif not kind.read(value) then
      wrong = wrong or ("the state's %s is %s, and not %s"):format(name, check.show(value), kind.what)
    end
    values[name] = value
  end)
  return not wrong and values or nil, wrong
end

--- How many steps changed each parameter, as the optimizer's states; or nil and what does not fit the model.
local function read_steps(given, parameters, names)
  local states = {}
  for name, steps in pairs(given) do
    local p = parameters[name]
    if not p then
      return nil, ("the state has the weight %s, and the model has none of that name; the nearest is %s"):format(name, check.nearest(name, names, 1)[1] or "none")
    end
    if math.type(steps) ~= "integer" or steps < 1 then return nil, ("the state's steps of %s are %s, and not a whole number from 1 up"):format(name, check.show(steps)) end
    states[p] = { steps = steps }
  end
  return states
end

--- Copies the tensors of a saved state into such states. Returns what does not fit the model, if anything.
local function read_tensors(optimizer, given, parameters, states)
  local known = {}
  for _, key in ipairs(optimizer.tensors) do known[key] = true end
  for _, entry in ipairs(given) do
    local name, key = entry.name:match "^(.*)/([^/]*)$"
    local p, t = parameters[name], entry.tensor
    if not p or not states[p] or not known[key] then return ("the state has %s, which %s does not keep for this model"):format(entry.name, optimizer.name) end
    local expected, found = shape.text(p.tensor:shape()), shape.text(t:shape())
    if expected ~= found or t:dtype() ~= "f32" then return ("the state's %s is %s %s, and the weight is f32 %s"):format(entry.name, t:dtype(), found, expected) end
    states[p][key] = t:copy()
  end
end

--- Takes back what optimizer_state.of has returned. A state that does not fit changes nothing.
---@param optimizer scion.Optimizer
---@param order scion.Node[] of the model
---@param saved scion.OptimizerState
---@return boolean? ok
---@return string? message what does not fit
function optimizer_state.restore(optimizer, order, saved)
  if saved.optimizer ~= optimizer.made then
    return nil, ("the state is that of %s, and the optimizer is %s; make it as it was, or begin anew"):format(saved.optimizer, optimizer.made)
  end
  local parameters, names = {}, {}
  for name, p in graph.parameters(order) do
    if not p.statistic then parameters[name], names[#names + 1] = p, name end
  end
  local states, values, wrong
  states, wrong = read_steps(saved.steps, parameters, names)
  if states then values, wrong = read_values(optimizer, saved.values) end
  wrong = wrong or read_tensors(optimizer, saved.tensors, parameters, states)
  if wrong then return nil, wrong end
  for _, p in pairs(parameters) do optimizer.states[p] = states[p] end
  each_option(optimizer, function(object, key, name) object[key] = values[name] end)
  return true
end

return optimizer_state
