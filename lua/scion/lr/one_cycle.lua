--- lr.one_cycle(lr, { rise = 0.3, from = lr / 25, to = lr / 250000 })
--- Rises to lr and falls again, both along half a cosine (Smith and Topin 2017), as PyTorch's OneCycleLR does; momentum stays as it is.
---@example model:fit(train, { epochs = 3, optimizer = scion.optim.sgd{ lr = scion.lr.one_cycle(1e-2), momentum = 0.9 } })
---@class scion.lr.one_cycle
---@field lr number|scion.Rate the highest, or a rate by depth
---@field rise? number the share of the steps up to it, between 0 and 1 (0.3)
---@field from? number at the first step (lr / 25)
---@field to? number at the last step (lr / 250000)
local check = require "scion.check"
local rate = require "scion.rate"

local function between(from, to, share) return to + (from - to) * (1 + math.cos(math.pi * share)) / 2 end

return rate.define {
  name = "one_cycle",
  schema = { rise = { check.number { above = 0, below = 1 }, 0.3 }, from = { rate.number }, to = { rate.number } },
  at = function(o, now, depth, deepest)
    local lr, step, last = rate.value(o.lr, now, depth, deepest), math.min(now.step, now.steps) - 1, now.steps - 1
    local top = math.max(o.rise * now.steps - 1, 0) -- the step of the highest rate
    if step < top then return between(o.from or lr / 25, lr, step / top) end
    if last <= top then return lr end
    return between(lr, o.to or lr / 250000, (step - top) / (last - top))
  end,
}
