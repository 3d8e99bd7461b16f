--- lr.cosine(lr, { to = 0 })
--- Falls along half a cosine from the first step to the end of the fit (Loshchilov and Hutter 2016).
---@example model:fit(train, { epochs = 3, optimizer = scion.optim.sgd{ lr = scion.lr.cosine(1e-3), momentum = 0.9 } })
---@class scion.lr.cosine
---@field lr number|scion.Rate or a rate by depth
---@field to? number what it would reach after the last step (0)
local rate = require "scion.rate"

return rate.define {
  name = "cosine",
  schema = { to = { rate.number, 0.0 } },
  factor = function(o, lr, done) return o.to + (lr - o.to) * (1 + math.cos(math.pi * done)) / 2 end,
}
