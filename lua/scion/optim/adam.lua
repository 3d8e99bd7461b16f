--- optim.adam{ lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }
--- Adam (Kingma and Ba 2014): the running mean of the gradients, divided by the root of the running mean of their squares.
---@class scion.optim.adam: scion.OptimizerOptions
---@field lr? number learning rate (1e-3)
---@field beta1? number decay of the running mean of gradients, from 0 up to, but not, 1 (0.9)
---@field beta2? number decay of the running mean of squared gradients, from 0 up to, but not, 1 (0.999)
---@field epsilon? number is added to the square root of the latter (1e-7)
---@example model:fit(train, { optimizer = scion.optim.adam{ lr = 1e-3 } })
local optimizer = require "scion.optimizer"

return optimizer.define_adam("adam", "adam_update")
