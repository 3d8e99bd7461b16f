--- optim.lion{ lr = 1e-3, beta1 = 0.9, beta2 = 0.99 }
--- Lion (Chen et al. 2023): each weight moves by lr in the direction of the sign of a mean of gradients. It needs a rate 3 to 10 times as low
--- as Adam's, and a weight decay as many times as high.
---@class scion.optim.lion: scion.OptimizerOptions
---@field lr? number learning rate (1e-3)
---@field beta1? number the share of the running mean in the direction; the gradient has the rest; from 0 up to, but not, 1 (0.9)
---@field beta2? number decay of the running mean of gradients, from 0 up to, but not, 1 (0.99)
---@example model:fit(train, { optimizer = scion.optim.lion{ lr = 1e-4 } })
local optimizer = require "scion.optimizer"

return optimizer.define {
  name = "lion",
  lr = 1e-3,
  schema = { beta1 = { optimizer.fraction, 0.9 }, beta2 = { optimizer.fraction, 0.99 } },
  tensors = { "momentum" },
  call = function(self, tensor) return { "lion_update", m = tensor "momentum", beta1 = self.beta1, beta2 = self.beta2 } end,
}
