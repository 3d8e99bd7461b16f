--- optim.adamw{ lr = 1e-3, weight_decay = 0.004, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }
--- Adam with decoupled weight decay (Loshchilov and Hutter 2017): the same as adam, but for the default of weight_decay.
---@class scion.optim.adamw: scion.optim.adam
---@field weight_decay? number in each step lr * weight_decay * w is subtracted from each weight w (0.004)
---@example model:fit(train, { optimizer = scion.optim.adamw{ lr = 1e-3, weight_decay = 0.01 } })
local optimizer = require "scion.optimizer"

return optimizer.define_adam("adamw", "adam_update", 0.004)
