--- optim.lamb{ lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }
--- LAMB (You et al. 2019), for large batches: Adam's step, made as long as lr times the norm of the weights of each kernel, bias and so on.
---@class scion.optim.lamb: scion.optim.adam
---@field weight_decay? number weight_decay * w is added to Adam's direction, before that is made as long as the weights (0)
---@example model:fit(train, { optimizer = scion.optim.lamb{ lr = 1e-2 } })
local optimizer = require "scion.optimizer"

return optimizer.define_adam("lamb", "lamb_update")
