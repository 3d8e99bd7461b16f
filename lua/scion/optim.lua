--- Optimizers with Keras's formulas and defaults. An optimizer keeps its state for each parameter for as long as the parameter exists.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"

--- An optimizer. The options that it was made with are fields, which may be set between steps; setting a value out of range raises.
---@class scion.Optimizer
---@field name string "sgd", "rmsprop", "adam" or "adamw"
---@field lr number learning rate
---@field momentum number? this one and those below exist only if the optimizer has that option
---@field nesterov boolean?
---@field rho number?
---@field beta1 number?
---@field beta2 number?
---@field epsilon number?
---@field weight_decay number?
---@field update fun(self, parameter: scion.Parameter, gradient: scion.Tensor): nil, string? changes a parameter by its gradient
---@field private states table<scion.Parameter, table> for each parameter its number of steps and its state tensors

local optim = {}

local rate = check.number { from = 0 }
local fraction = check.number { from = 0, below = 1 } -- at 1 a running mean would never change, and Adam's correction would divide by 0
local epsilon = check.number { from = 1e-37 } -- smaller ones underflow in f32; then a gradient of 0 would make its weight 0 / 0
local flag = check.boolean

--- Makes a constructor from a schema of options and update(self, w, g, state, steps). w is the weight, g its gradient, steps counts from
--- 1, and state(name) gives a tensor of the weight's shape that is kept between steps; it holds zeros at first.
local function define(name, schema, update)
  local settable, instead = {}, { learning_rate = "the learning rate is 'lr'", decay = "weight decay is 'weight_decay'" }
  local constants, methods = {}, {}
  for key, option in pairs(schema) do
    settable[key] = option[1]
    if key ~= "lr" then constants[#constants + 1] = key end
  end
  table.sort(constants)

  --- Changes a parameter by its gradient. An element whose new value would not be finite keeps its value and its state.
  ---@return nil
  ---@return string? message tells how many such elements there are, if any
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

  --- "sgd(lr = 0.1, momentum = 0.9)": the learning rate, and the options that differ from their defaults.
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
---@field momentum? number the share of the last change that is added to the next, from 0 up to, but not, 1 (0)
---@field nesterov? boolean Nesterov momentum, which needs a momentum above 0 (false)
---@field weight_decay? number in each step lr * weight_decay * w is subtracted from each weight w (0)

--- Stochastic gradient descent: m = momentum * m - lr * g; w = w + m, or with Nesterov momentum w = w + momentum * m - lr * g.
--- Raises on unknown options and values out of range.
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
---@field rho? number decay of the running mean of squared gradients, from 0 up to, but not, 1 (0.9)
---@field momentum? number the share of the last change that is added to the next, from 0 up to, but not, 1 (0)
---@field epsilon? number is added to that mean, inside the square root (1e-7)
---@field weight_decay? number in each step lr * weight_decay * w is subtracted from each weight w (0)

--- RMSprop: divides gradients by the root of a running mean of their squares (Tieleman and Hinton 2012). Raises on unknown options and
--- values out of range.
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
---@field beta1? number decay of the running mean of gradients, from 0 up to, but not, 1 (0.9)
---@field beta2? number decay of the running mean of squared gradients, from 0 up to, but not, 1 (0.999)
---@field epsilon? number is added to the square root of the latter (1e-7)
---@field weight_decay? number in each step lr * weight_decay * w is subtracted from each weight w (0; adamw: 0.004)

--- Adam (Kingma and Ba 2014). Raises on unknown options and values out of range.
---@param given? scion.AdamOptions
---@return scion.Optimizer
optim.adam = define("adam", adam_options(0.0), adam)

--- Adam with decoupled weight decay (Loshchilov and Hutter 2017): the same as adam, but for the default of weight_decay.
---@param given? scion.AdamOptions
---@return scion.Optimizer
optim.adamw = define("adamw", adam_options(0.004), adam)

return optim
