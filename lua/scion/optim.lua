--- Optimizers with Keras's formulas and defaults. State is kept for each parameter, as long as the parameter lives.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"

--- The constants that it was made with are fields too, and may be changed between steps; a value that makes no sense raises at once.
---@class scion.Optimizer
---@field name string "sgd", "rmsprop", "adam" or "adamw"
---@field lr number
---@field momentum number? where the optimizer has it, as all that follow
---@field nesterov boolean?
---@field rho number?
---@field beta1 number?
---@field beta2 number?
---@field epsilon number?
---@field weight_decay number?
---@field update fun(self, parameter: scion.Parameter, gradient: scion.Tensor): nil, string? changes a parameter by its gradient
---@field private states table what is kept for each parameter

local optim = {}

local rate = check.number { from = 0 }
local fraction = check.number { from = 0, below = 1 } -- at 1 a running mean would forget nothing, and its correction divide by 0
local epsilon = check.number { from = 1e-37 } -- where f32 has 0, a weight whose gradient is 0 would become 0 / 0
local flag = check.boolean

--- Makes a constructor from its options and update(self, w, g, state, steps), where state(name) is a tensor of zeros at first.
local function define(name, schema, update)
  local settable, instead = {}, { learning_rate = "the learning rate is 'lr'", decay = "weight decay is 'weight_decay'" }
  local constants, methods = {}, {}
  for key, option in pairs(schema) do
    settable[key] = option[1]
    if key ~= "lr" then constants[#constants + 1] = key end
  end
  table.sort(constants)

  --- Changes a parameter by its gradient. A weight whose new value would not be finite stays as it is, with its state.
  ---@return nil
  ---@return string? message when there are such weights: how many
  function methods.update(self, parameter, gradient)
    local state = self.states[parameter]
    if not state then
      state = { steps = 0 }
      self.states[parameter] = state
    end
    state.steps = state.steps + 1
    return update(self, parameter.tensor, gradient, function(key)
      state[key] = state[key] or core.new(parameter.tensor:shape(), "f32")
      return state[key]
    end, state.steps)
  end

  --- "sgd(lr = 0.1, momentum = 0.9)": the learning rate, and what differs from the defaults.
  local function text(self)
    local parts = { ("lr = %g"):format(self.lr) }
    for _, key in ipairs(constants) do
      local value = self[key]
      if value ~= schema[key][2] then parts[#parts + 1] = ("%s = %s"):format(key, type(value) == "number" and ("%g"):format(value) or tostring(value)) end
    end
    return ("%s(%s)"):format(name, table.concat(parts, ", "))
  end

  local optimizer = class.define {
    name = "scion.Optimizer", title = "an optimizer", internal = methods, settable = settable, instead = instead, locked = { "name" }, fields = { "states" },
    meta = { __tostring = text },
  }
  return function(given)
    local values = check.options("scion.optim." .. name, given, schema)
    if values.nesterov and values.momentum == 0 then check.raise(("scion.optim.%s: nesterov needs a momentum, such as 0.9"):format(name)) end
    values.name, values.states = name, setmetatable({}, { __mode = "k" })
    return optimizer.new(values)
  end
end

---@class scion.SgdOptions
---@field lr? number learning rate (0.01)
---@field momentum? number how much of the last change is kept (0)
---@field nesterov? boolean whether the gradient is taken where the momentum leads (false)
---@field weight_decay? number a weight loses so much of itself in a step, times the learning rate (0)

--- Stochastic gradient descent: m = momentum * m - lr * g; w = w + m.
---@param given? scion.SgdOptions
---@return scion.Optimizer
optim.sgd = define("sgd", {
  lr = { rate, 0.01, usual = true }, momentum = { fraction, 0.0 }, nesterov = { flag, false }, weight_decay = { rate, 0.0 },
}, function(self, w, g, state)
  return core.run { "sgd_update", w = w, g = g, m = self.momentum ~= 0 and state "momentum" or nil, lr = self.lr, momentum = self.momentum,
                    nesterov = self.nesterov, decay = self.weight_decay }
end)

---@class scion.RmspropOptions
---@field lr? number learning rate (1e-3)
---@field rho? number how much of the mean of squared gradients is kept (0.9)
---@field momentum? number how much of the last change is kept (0)
---@field epsilon? number is added to the mean, inside the square root (1e-7)
---@field weight_decay? number a weight loses so much of itself in a step, times the learning rate (0)

--- RMSprop: gradients are divided by the root of the mean of their squares (Tieleman and Hinton 2012).
---@param given? scion.RmspropOptions
---@return scion.Optimizer
optim.rmsprop = define("rmsprop", {
  lr = { rate, 1e-3, usual = true }, rho = { fraction, 0.9 }, momentum = { fraction, 0.0 }, epsilon = { epsilon, 1e-7 }, weight_decay = { rate, 0.0 },
}, function(self, w, g, state)
  return core.run { "rmsprop_update", w = w, g = g, v = state "velocity", m = self.momentum ~= 0 and state "momentum" or nil, lr = self.lr,
                    rho = self.rho, momentum = self.momentum, epsilon = self.epsilon, decay = self.weight_decay }
end)

local function adam_options(weight_decay)
  return { lr = { rate, 1e-3, usual = true }, beta1 = { fraction, 0.9 }, beta2 = { fraction, 0.999 }, epsilon = { epsilon, 1e-7 }, weight_decay = { rate, weight_decay } }
end

local function adam(self, w, g, state, steps)
  return core.run { "adam_update", w = w, g = g, m = state "momentum", v = state "velocity", lr = self.lr, beta1 = self.beta1, beta2 = self.beta2,
                    epsilon = self.epsilon, step = steps, decay = self.weight_decay }
end

---@class scion.AdamOptions
---@field lr? number learning rate (1e-3)
---@field beta1? number how much of the mean of gradients is kept (0.9)
---@field beta2? number how much of the mean of squared gradients is kept (0.999)
---@field epsilon? number is added to the root of the latter (1e-7)
---@field weight_decay? number a weight loses so much of itself in a step, times the learning rate (0; adamw: 0.004)

--- Adam (Kingma and Ba 2014).
---@param given? scion.AdamOptions
---@return scion.Optimizer
optim.adam = define("adam", adam_options(0.0), adam)

--- Adam with decoupled weight decay (Loshchilov and Hutter 2017).
---@param given? scion.AdamOptions
---@return scion.Optimizer
optim.adamw = define("adamw", adam_options(0.004), adam)

return optim
