--- What all optimizers share. A file of optim/ defines one; optimizer.define makes its constructor.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local groups = require "scion.train.groups"
local rate = require "scion.rate"
local saved_state = require "scion.train.optimizer_state"

local optimizer = {}

--- An optimizer. The options that it was made with are fields; those that are numbers may be set between steps, and setting a value out of
--- range raises. It keeps its state for each weight for as long as the weight exists, also while its layer is frozen.
---@class scion.Optimizer
---@field name string as in scion.optim: "sgd", "adam"
---@field lr number|scion.Rate learning rate
---@field scale number all learning rates are multiplied by it, those of groups too (1)
---@field weight_decay number
---@field decays "all"|"kernels"
---@field groups scion.OptimizerGroup[] empty if none were given
---@field momentum number? this one and those below exist only if the optimizer has that option
---@field nesterov boolean?
---@field rho number?
---@field beta1 number?
---@field beta2 number?
---@field epsilon number?
---@field initial number?
---@field private made string the text of the optimizer as it was made
---@field private states table<scion.Parameter, table> for each parameter its number of steps and its state tensors

---@class scion.OptimizerOptions
---@field lr? number|scion.Rate learning rate, or one that changes with the step or with the depth, such as scion.lr.cosine(1e-3)
---@field weight_decay? number in each step lr * weight_decay * w is subtracted from each weight w (0)
---@field decays? "all"|"kernels" which weights decay: "kernels" leaves out biases, and scales and shifts of norms ("all", as in Keras)
---@field groups? scion.OptimizerGroup[] layers with a learning rate or a weight decay of their own. A layer is in the first group that
--- matches; those in none have the optimizer's (none)

--- A group's rate and decay may be set between steps; nil means the optimizer's.
---@class scion.OptimizerGroup
---@field layers string the name of a layer or block, or a pattern of names with * ? [ ]; model:fit raises if it matches none
---@field lr? number|scion.Rate (the optimizer's)
---@field weight_decay? number (the optimizer's)

optimizer.fraction = check.number { from = 0, below = 1 } -- at 1 a running mean would never change, and Adam's correction would divide by 0
optimizer.epsilon = check.number { from = 1e-37 } -- smaller ones underflow in f32; then a gradient of 0 would make its weight 0 / 0

local from_zero = check.number { from = 0 }

local own = { lr = check.optional(rate.any), weight_decay = check.optional(from_zero) } -- what a group can have of its own

local function value_text(value) return type(value) == "number" and ("%g"):format(value) or type(value) == "string" and "'" .. value .. "'" or tostring(value) end

--- "{ layers = 'a/*', lr = 1e-05 }"
local function group_text(self)
  local parts = { "layers = " .. value_text(self.layers) }
  for _, key in ipairs { "lr", "weight_decay" } do
    if self[key] then parts[#parts + 1] = ("%s = %s"):format(key, value_text(self[key])) end
  end
  return ("{ %s }"):format(table.concat(parts, ", "))
end

local group = class.define {
  name = "scion.OptimizerGroup", title = "a group of an optimizer", settable = own, locked = { "layers" }, meta = { __tostring = group_text },
}

local group_options = check.table_of { layers = { check.text, required = true }, lr = { own.lr }, weight_decay = { own.weight_decay } }

local a_group = check.kind("a table such as { layers = 'block1/*', lr = 1e-5 }", function(value)
  local ok, read, complaint = group_options.read(value)
  if ok and not (read.lr or read.weight_decay) then return false, nil, "has neither lr nor weight_decay, and so changes nothing" end
  return ok, ok and group.new(read) or nil, complaint and complaint:gsub("^: ", "has a wrong option: ")
end)

local list_of_groups = check.list(a_group, nil, "a list of groups, such as { { layers = 'block1/*', lr = 1e-5 } }")

local shared = { decays = { check.one_of("all", "kernels"), "all" }, groups = { list_of_groups, {} } }

-- ---- steps ----------------------------------------------------------------------------------------------------------

local methods = {}

--- The parameters that train, as groups for step. They change only when a layer is frozen or thawed: see graph.revision. Raises if a group
--- matches no layer.
---@param model scion.Model
---@return scion.ParameterGroup[]
function methods:groups_of(model) return groups.of(model, self.groups, self.decays) end

--- The state of a parameter, and a function that gives a tensor of it by name, which holds `initial` (0) at first.
local function state_of(self, parameter)
  local state = self.states[parameter]
  if not state then
    state = { steps = 0 }
    self.states[parameter] = state
  end
  return state, function(key, initial)
    if not state[key] then
      state[key] = core.new(parameter.tensor:shape(), "f32")
      if initial then core.fill(state[key], initial) end
    end
    return state[key]
  end
end

--- The learning rate at a step of the head, of what is in no group.
---@param now table? the step: see rate.value; without one, the highest rate of the fit
---@return number
function methods:rate_at(now) return self.scale * (now and rate.value(self.lr, now, 0, 0) or rate.highest(self.lr, 0, 0)) end

--- The highest rate that a group's options and a function of (rate, depth, deepest) give, of the layers in a set.
local function highest(self, model, names, lr_instead, value)
  local list, most = self:groups_of(model), 0
  for _, these in ipairs(list) do
    local lr = these.options and these.options.lr or lr_instead or self.lr
    for _, each in ipairs(these.parameters) do
      if not names or names[each.layer] then most = math.max(most, self.scale * value(lr, each.depth, list.deepest)) end
    end
  end
  return most
end

--- The highest learning rate of a layer at a step.
---@param model scion.Model
---@param now table the step: see rate.value
---@return number
function methods:highest_at(model, now)
  return highest(self, model, nil, nil, function(lr, depth, deepest) return rate.value(lr, now, depth, deepest) end)
end

--- The highest learning rate that one of these layers has in a fit.
---@param model scion.Model
---@param names table<string, boolean> of the layers, a set
---@param lr_instead number|scion.Rate|nil that takes the place of the optimizer's own
---@return number
function methods:highest_rate(model, names, lr_instead) return highest(self, model, names, lr_instead, rate.highest) end

--- Changes the parameters by their gradients: all of them, or none where it raises or a new value or state would not be finite.
---@param list scion.ParameterGroup[] from groups_of
---@param gradients scion.Gradients
---@param now { step: integer, steps: integer, steps_per_epoch: number }? where the fit is, for rates: see rate.value
---@return string? message tells of the first parameter that would have such elements, and how many; nothing has changed then
---@return number? lr that parameter's
function methods:step(list, gradients, now)
  local calls, states, names = {}, {}, {}
  for _, these in ipairs(list) do
    local options, rates = these.options, {}
    local lr, decay = options and options.lr or self.lr, options and options.weight_decay or self.weight_decay
    for _, each in ipairs(these.parameters) do
      local depth = each.depth
      if not rates[depth] then rates[depth] = self.scale * rate.value(lr, now, depth, list.deepest) end
      local state, tensor = state_of(self, each.parameter)
      local call = self.call(self, tensor, state.steps + 1)
      call.w, call.g, call.lr, call.decay = each.parameter.tensor, gradients:slice(each.parameter), rates[depth], each.decays and decay or 0
      calls[#calls + 1], states[#states + 1], names[#names + 1] = call, state, each
    end
  end
  local refused, message = core.run_all(calls)
  for i, state in ipairs(states) do
    if not refused then state.steps = state.steps + 1 end
    if state.steps == 0 then self.states[names[i].parameter] = nil end -- made for this step
  end
  if refused then return ("%s/%s: %s"):format(names[refused].layer, names[refused].parameter.name, message), calls[refused].lr end
end

--- What a checkpoint holds of the optimizer: its state for the parameters of a model.
---@param order scion.Node[] of the model
---@return scion.OptimizerState
function methods:state(order) return saved_state.of(self, order) end

--- Takes back what `state` has returned, so that the next step is the one that would have followed then. A state that does not fit changes
--- nothing.
---@param order scion.Node[] of the model
---@param saved scion.OptimizerState
---@return boolean? ok
---@return string? message what does not fit
function methods:restore(order, saved) return saved_state.restore(self, order, saved) end

-- ---- constructors ---------------------------------------------------------------------------------------------------

--- "sgd(lr = 0.1, momentum = 0.9)": the learning rate, the options that differ from their defaults, and the groups.
local function text(self)
  local parts = { "lr = " .. value_text(self.lr) }
  for _, key in ipairs(self.shown) do
    if self[key] ~= self.defaults[key] then parts[#parts + 1] = ("%s = %s"):format(key, value_text(self[key])) end
  end
  local list = {}
  for i, each in ipairs(self.groups) do list[i] = tostring(each) end
  if list[1] then parts[#parts + 1] = ("groups = { %s }"):format(table.concat(list, ", ")) end
  return ("%s(%s)"):format(self.name, table.concat(parts, ", "))
end

--- Makes a constructor from a definition. Parts of a definition:
---   name     its name in optim
---   lr, weight_decay   the defaults of these options; that of the decay is 0
---   schema   its other options, as for check.options
---   check    called with the options of each new optimizer
---   tensors  the names of the tensors that it keeps for each weight
---   call     (self, tensor, steps) the call of its kernel for one weight, without w, g, lr and decay. tensor(name, initial) gives one of
---            these tensors, which holds `initial` (0) at first; steps counts the weight's updates from 1
---@param definition table
---@return fun(given: table?): scion.Optimizer
function optimizer.define(definition)
  local where = "scion.optim." .. definition.name
  local schema = { lr = { rate.any, definition.lr, usual = true }, weight_decay = { from_zero, definition.weight_decay or 0.0 } }
  for key, option in pairs(definition.schema) do schema[key] = option end
  for key, option in pairs(shared) do schema[key] = option end
  local settable, kept, shown, defaults = { scale = from_zero }, { "scale" }, { "scale" }, { scale = 1.0 }
  for key, option in pairs(schema) do
    if key ~= "decays" and key ~= "groups" then settable[key], kept[#kept + 1] = option[1], key end
    if key ~= "lr" and key ~= "groups" then shown[#shown + 1], defaults[key] = key, option[2] end
  end
  table.sort(kept)
  table.sort(shown)
  local internal = { call = definition.call, tensors = definition.tensors, defaults = defaults, settable = settable, kept = kept, shown = shown,
                     of_group = own }
  for name, method in pairs(methods) do internal[name] = method end
  local made = class.define {
    name = "scion.Optimizer", title = "an optimizer", internal = internal, settable = settable,
    instead = { learning_rate = "the learning rate is 'lr'", decay = "weight decay is 'weight_decay'",
                decays = "it is an option of the constructor", groups = "they are an option of the constructor" },
    locked = { "name", "decays", "groups" }, fields = { "states", "made" }, meta = { __tostring = text },
  }
  return function(given)
    local values = check.options(where, given, schema)
    if definition.check then definition.check(values, where) end
    values.name, values.scale, values.states = definition.name, 1.0, setmetatable({}, { __mode = "k" })
    local self = made.new(values)
    values.made = text(self)
    return self
  end
end

--- Makes a constructor of an optimizer with Adam's options and state.
---@param name string in optim
---@param kernel string
---@param weight_decay number? the default (0)
---@return fun(given: table?): scion.Optimizer
function optimizer.define_adam(name, kernel, weight_decay)
  return optimizer.define {
    name = name, lr = 1e-3, weight_decay = weight_decay,
    schema = { beta1 = { optimizer.fraction, 0.9 }, beta2 = { optimizer.fraction, 0.999 }, epsilon = { optimizer.epsilon, 1e-7 } },
    tensors = { "momentum", "velocity" },
    call = function(self, tensor, steps)
      return { kernel, m = tensor "momentum", v = tensor "velocity", beta1 = self.beta1, beta2 = self.beta2, epsilon = self.epsilon, step = steps }
    end,
  }
end

return optimizer
