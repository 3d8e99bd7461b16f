--- optim.rmsprop{ lr = 1e-3, rho = 0.9, momentum = 0, epsilon = 1e-7 }
--- RMSprop divides gradients by the root of a running mean of their squares (Tieleman and Hinton 2012).
---@class scion.optim.rmsprop: scion.OptimizerOptions
---@field lr? number learning rate (1e-3)
---@field rho? number decay of the running mean of squared gradients, from 0 up to, but not, 1 (0.9)
---@field momentum? number the share of the last change that is added to the next, from 0 up to, but not, 1 (0)
---@field epsilon? number is added to that mean, inside the square root (1e-7)
---@example model:fit(train, { optimizer = scion.optim.rmsprop() })
local optimizer = require "scion.optimizer"

return optimizer.define {
  name = "rmsprop",
  lr = 1e-3,
  schema = { rho = { optimizer.fraction, 0.9 }, momentum = { optimizer.fraction, 0.0 }, epsilon = { optimizer.epsilon, 1e-7 } },
  tensors = { "velocity", "momentum" },
  call = function(self, tensor)
    return { "rmsprop_update", v = tensor "velocity", m = self.momentum ~= 0 and tensor "momentum" or nil, rho = self.rho, momentum = self.momentum,
             epsilon = self.epsilon }
  end,
}
