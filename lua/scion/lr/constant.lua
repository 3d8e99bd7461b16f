--- lr.constant(lr)
--- The same rate at every step, as the number itself.
---@class scion.lr.constant
---@field lr number|scion.Rate or a rate by depth
local rate = require "scion.rate"

return rate.define { name = "constant", factor = function(_, lr) return lr end }
