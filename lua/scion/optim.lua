--- Optimizers with Keras's formulas and defaults. State is kept for each parameter, as long as the parameter lives.
local core = require "scion.core"
local options = require "scion.options"

---@class scion.Optimizer
---@field name string
---@field lr number may be changed between steps
---@field update fun(self, parameter: scion.Parameter, gradient: scion.Tensor)

local optim = {}

--- Makes a constructor: defaults, and update(self, w, g, state), where state(name) is a tensor of zeros at first.
local function define(name, defaults, update)
  return function(given)
    given = given or {}
    options.check("scion.optim." .. name, given, defaults)
    local self = { name = name, states = setmetatable({}, { __mode = "k" }) }
    for key, default in pairs(defaults) do
      self[key] = default
      if given[key] ~= nil then self[key] = given[key] end
      if type(self[key]) ~= type(default) then
        error(("scion.optim.%s: %s is a %s, not a %s"):format(name, key, type(default), type(given[key])), 2)
      end
    end
    function self.update(me, parameter, gradient)
      local state = me.states[parameter]
      if not state then
        state = { steps = 0 }
        me.states[parameter] = state
      end
      state.steps = state.steps + 1
      update(me, parameter.tensor, gradient, function(key)
        state[key] = state[key] or core.new(parameter.tensor:shape(), "f32")
        return state[key]
      end, state.steps)
    end
    return setmetatable(self, { __name = "scion.Optimizer", __tostring = function() return ("%s(lr = %g)"):format(name, self.lr) end })
  end
end

--- Stochastic gradient descent: m = momentum * m - lr * g; w = w + m.
---@param given { lr: number?, momentum: number?, nesterov: boolean?, weight_decay: number? }?
---@return scion.Optimizer
optim.sgd = define("sgd", { lr = 0.01, momentum = 0.0, nesterov = false, weight_decay = 0.0 }, function(self, w, g, state)
  core.run { "sgd_update", w = w, g = g, m = self.momentum ~= 0 and state "momentum" or nil, lr = self.lr, momentum = self.momentum,
             nesterov = self.nesterov, decay = self.weight_decay }
end)

--- RMSprop, with epsilon inside the square root.
---@param given { lr: number?, rho: number?, momentum: number?, epsilon: number?, weight_decay: number? }?
---@return scion.Optimizer
optim.rmsprop = define("rmsprop", { lr = 1e-3, rho = 0.9, momentum = 0.0, epsilon = 1e-7, weight_decay = 0.0 }, function(self, w, g, state)
  core.run { "rmsprop_update", w = w, g = g, v = state "velocity", m = self.momentum ~= 0 and state "momentum" or nil, lr = self.lr,
             rho = self.rho, momentum = self.momentum, epsilon = self.epsilon, decay = self.weight_decay }
end)

local function adam(self, w, g, state, steps)
  core.run { "adam_update", w = w, g = g, m = state "momentum", v = state "velocity", lr = self.lr, beta1 = self.beta1, beta2 = self.beta2,
             epsilon = self.epsilon, step = steps, decay = self.weight_decay }
end

--- Adam.
---@param given { lr: number?, beta1: number?, beta2: number?, epsilon: number?, weight_decay: number? }?
---@return scion.Optimizer
optim.adam = define("adam", { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, weight_decay = 0.0 }, adam)

--- Adam with decoupled weight decay.
---@param given { lr: number?, beta1: number?, beta2: number?, epsilon: number?, weight_decay: number? }?
---@return scion.Optimizer
optim.adamw = define("adamw", { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, weight_decay = 0.004 }, adam)

return optim
