--- Optimizers with Keras's formulas and defaults. State is kept for each parameter, as long as the parameter lives.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"

---@class scion.Optimizer
---@field name string
---@field lr number may be changed between steps, as all the other constants; a value that makes no sense raises at once
---@field update fun(self, parameter: scion.Parameter, gradient: scion.Tensor)

local optim = {}

local rate = check.number { from = 0 }
local fraction = check.number { from = 0, below = 1 } -- at 1 a running mean would forget nothing, and its correction divide by 0
local epsilon = check.number { above = 0 } -- at 0 a weight whose gradient is 0 would become 0 / 0
local flag = check.boolean

--- Makes a constructor from its options and update(self, w, g, state, steps), where state(name) is a tensor of zeros at first.
local function define(name, schema, update)
  local settable, instead = {}, { learning_rate = "the learning rate is 'lr'", decay = "weight decay is 'weight_decay'" }
  for key, option in pairs(schema) do settable[key] = option[1] end
  local methods = {}

  --- Changes a parameter by its gradient.
  function methods.update(self, parameter, gradient)
    local state = self.states[parameter]
    if not state then
      state = { steps = 0 }
      self.states[parameter] = state
    end
    state.steps = state.steps + 1
    update(self, parameter.tensor, gradient, function(key)
      state[key] = state[key] or core.new(parameter.tensor:shape(), "f32")
      return state[key]
    end, state.steps)
  end

  local optimizer = class.define {
    name = "scion.Optimizer", title = "an optimizer", methods = methods, settable = settable, instead = instead, fields = { "name", "states" },
    meta = { __tostring = function(self) return ("%s(lr = %g)"):format(name, self.lr) end },
  }
  return function(given)
    local values = check.options("scion.optim." .. name, given, schema)
    values.name, values.states = name, setmetatable({}, { __mode = "k" })
    return optimizer.new(values)
  end
end

--- Stochastic gradient descent: m = momentum * m - lr * g; w = w + m.
---@param given { lr: number?, momentum: number?, nesterov: boolean?, weight_decay: number? }?
---@return scion.Optimizer
optim.sgd = define("sgd", { lr = { rate, 0.01 }, momentum = { fraction, 0.0 }, nesterov = { flag, false }, weight_decay = { rate, 0.0 } }, function(self, w, g, state)
  core.run { "sgd_update", w = w, g = g, m = self.momentum ~= 0 and state "momentum" or nil, lr = self.lr, momentum = self.momentum,
             nesterov = self.nesterov, decay = self.weight_decay }
end)

--- RMSprop, with epsilon inside the square root.
---@param given { lr: number?, rho: number?, momentum: number?, epsilon: number?, weight_decay: number? }?
---@return scion.Optimizer
optim.rmsprop = define("rmsprop", {
  lr = { rate, 1e-3 }, rho = { fraction, 0.9 }, momentum = { fraction, 0.0 }, epsilon = { epsilon, 1e-7 }, weight_decay = { rate, 0.0 },
}, function(self, w, g, state)
  core.run { "rmsprop_update", w = w, g = g, v = state "velocity", m = self.momentum ~= 0 and state "momentum" or nil, lr = self.lr,
             rho = self.rho, momentum = self.momentum, epsilon = self.epsilon, decay = self.weight_decay }
end)

local function adam_options(weight_decay)
  return { lr = { rate, 1e-3 }, beta1 = { fraction, 0.9 }, beta2 = { fraction, 0.999 }, epsilon = { epsilon, 1e-7 }, weight_decay = { rate, weight_decay } }
end

local function adam(self, w, g, state, steps)
  core.run { "adam_update", w = w, g = g, m = state "momentum", v = state "velocity", lr = self.lr, beta1 = self.beta1, beta2 = self.beta2,
             epsilon = self.epsilon, step = steps, decay = self.weight_decay }
end

--- Adam.
---@param given { lr: number?, beta1: number?, beta2: number?, epsilon: number?, weight_decay: number? }?
---@return scion.Optimizer
optim.adam = define("adam", adam_options(0.0), adam)

--- Adam with decoupled weight decay.
---@param given { lr: number?, beta1: number?, beta2: number?, epsilon: number?, weight_decay: number? }?
---@return scion.Optimizer
optim.adamw = define("adamw", adam_options(0.004), adam)

return optim
