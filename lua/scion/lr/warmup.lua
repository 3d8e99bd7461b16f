--- lr.warmup(lr, { epochs or steps or share, from = 0 })
--- Rises along a line before another rate begins, which then has the rest of the steps, as Keras's and PyTorch's warm-ups do: the first step has
--- `from`, and the first one after the warm-up has what the rate begins with. One of epochs, steps and share says how long that takes.
---@example model:fit(train, { epochs = 2, optimizer = scion.optim.adam{ lr = scion.lr.warmup(scion.lr.cosine(1e-3), { share = 0.1 }) } })
---@class scion.lr.warmup
---@field lr number|scion.Rate
---@field epochs? number such as 1 or 0.5
---@field steps? integer batches
---@field share? number of the fit, between 0 and 1
---@field from? number (0)
local check = require "scion.check"
local rate = require "scion.rate"

--- How many steps it takes: at least one, and less than all.
local function length(o, now)
  local steps = o.steps or o.epochs and o.epochs * now.steps_per_epoch or o.share * now.steps
  steps = math.max(1, math.floor(steps + 0.5))
  if steps >= now.steps then
    check.raise(("the warm-up of the learning rate takes %d steps, and the fit has no more than %d: make one shorter, or the other longer"):format(steps, now.steps))
  end
  return steps
end

return rate.define {
  name = "warmup",
  schema = {
    lr = { check.kind("a number from 0 up, or a rate other than a warm-up", function(value)
      return rate.any.read(value) and (type(value) == "number" or value.name ~= "warmup"), value
    end), required = true },
    epochs = { check.number { above = 0 } }, steps = { check.whole(1, 1 << 53) }, share = { check.number { above = 0, below = 1 } }, from = { rate.number, 0.0 },
  },
  check = function(where, o)
    local count = (o.epochs and 1 or 0) + (o.steps and 1 or 0) + (o.share and 1 or 0)
    if count ~= 1 then check.raise(where .. ": one of epochs, steps and share says how long it takes, as in { epochs = 1 }") end
  end,
  at = function(o, now, depth, deepest)
    local steps = length(o, now)
    local rest = { step = math.max(now.step - steps, 1), steps = now.steps - steps, steps_per_epoch = now.steps_per_epoch }
    local lr = rate.value(o.lr, rest, depth, deepest)
    if now.step > steps then return lr end
    return o.from + (lr - o.from) * (now.step - 1) / steps
  end,
}
