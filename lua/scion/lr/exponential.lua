--- lr.exponential(lr, { factor })
--- Falls by a factor in each epoch, a little at every step, as Keras's ExponentialDecay does.
---@example print(scion.lr.exponential(1e-3, { factor = 0.5 }))
---@class scion.lr.exponential
---@field lr number|scion.Rate or a rate by depth
---@field factor number in an epoch: 0.9 leaves nine tenths
local check = require "scion.check"
local rate = require "scion.rate"

return rate.define {
  name = "exponential",
  schema = { factor = { check.number { above = 0 }, required = true } },
  factor = function(o, lr, _, epochs) return lr * o.factor ^ epochs end,
}
