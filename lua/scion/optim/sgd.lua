--- optim.sgd{ lr = 0.01, momentum = 0, nesterov = false }
--- Stochastic gradient descent: m = momentum * m - lr * g; w = w + m, or with Nesterov momentum w = w + momentum * m - lr * g.
---@class scion.optim.sgd: scion.OptimizerOptions
---@field lr? number learning rate (0.01)
---@field momentum? number the share of the last change that is added to the next, from 0 up to, but not, 1 (0)
---@field nesterov? boolean Nesterov momentum, which needs a momentum above 0 (false)
---@example model:fit(train, { optimizer = scion.optim.sgd{ lr = 1e-2, momentum = 0.9 } })
local check = require "scion.check"
local optimizer = require "scion.optimizer"

return optimizer.define {
  name = "sgd",
  lr = 0.01,
  schema = { momentum = { optimizer.fraction, 0.0 }, nesterov = { check.boolean, false } },
  check = function(o, where)
    if o.nesterov and o.momentum == 0 then check.raise(where .. ": nesterov needs a momentum, such as 0.9") end
  end,
  tensors = { "momentum" },
  call = function(self, tensor)
    return { "sgd_update", m = self.momentum ~= 0 and tensor "momentum" or nil, momentum = self.momentum, nesterov = self.nesterov }
  end,
}
