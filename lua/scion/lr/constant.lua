--- lr.constant(lr)
--- The same rate at every step, as the number itself.
---@example model:fit(train, { epochs = 2, optimizer = scion.optim.sgd{ lr = scion.lr.warmup(scion.lr.constant(1e-2), { epochs = 1 }) } })
---@class scion.lr.constant
---@field lr number|scion.Rate or a rate by depth
local rate = require "scion.rate"

return rate.define { name = "constant", factor = function(_, lr) return lr end }
