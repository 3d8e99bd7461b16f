--- optim.adagrad{ lr = 1e-3, initial = 0.1, epsilon = 1e-7 }
--- Adagrad (Duchi et al. 2011): divides gradients by the root of the sum of their squares, so that steps become shorter with time.
---@class scion.optim.adagrad: scion.OptimizerOptions
---@field lr? number learning rate (1e-3)
---@field initial? number what the sums of squares begin at (0.1)
---@field epsilon? number is added to the sum, inside the square root (1e-7)
---@example model:fit(train, { optimizer = scion.optim.adagrad{ lr = 1e-2 } })
local check = require "scion.check"
local optimizer = require "scion.optimizer"

return optimizer.define {
  name = "adagrad",
  lr = 1e-3,
  schema = { initial = { check.number { from = 0 }, 0.1 }, epsilon = { optimizer.epsilon, 1e-7 } },
  tensors = { "accumulator" },
  call = function(self, tensor)
    return { "adagrad_update", v = tensor("accumulator", self.initial), epsilon = self.epsilon }
  end,
}
