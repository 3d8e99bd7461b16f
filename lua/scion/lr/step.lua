--- lr.step(lr, { every, factor = 0.1 })
--- Falls by a factor after every so many epochs, as PyTorch's StepLR does that is stepped once an epoch.
---@example model:fit(train, { epochs = 3, optimizer = scion.optim.sgd{ lr = scion.lr.step(1e-2, { every = 1 }) } })
---@class scion.lr.step
---@field lr number|scion.Rate or a rate by depth
---@field every integer epochs
---@field factor? number from one to the next (0.1)
local check = require "scion.check"
local rate = require "scion.rate"

return rate.define {
  name = "step",
  schema = { every = { check.whole(1, 1 << 31), required = true }, factor = { check.number { above = 0 }, 0.1 } },
  factor = function(o, lr, _, epochs) return lr * o.factor ^ (epochs // o.every) end,
}
