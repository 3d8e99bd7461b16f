--- lr.polynomial(lr, { to = 0, power = 1 })
--- Falls along a power of the share of the fit that is left: with a power of 1, along a line.
---@example print(scion.lr.polynomial(1e-3, { power = 2 }))
---@class scion.lr.polynomial
---@field lr number|scion.Rate or a rate by depth
---@field to? number what it would reach after the last step (0)
---@field power? number (1)
local check = require "scion.check"
local rate = require "scion.rate"

return rate.define {
  name = "polynomial",
  schema = { to = { rate.number, 0.0 }, power = { check.number { above = 0 }, 1.0 } },
  factor = function(o, lr, done) return o.to + (lr - o.to) * (1 - done) ^ o.power end,
}
