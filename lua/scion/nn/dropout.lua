--- nn.dropout(rate, { examples = false })
--- In training each element is dropped with that probability and the others are scaled up by 1 / (1 - rate); else nothing happens.
---@class scion.nn.dropout: scion.LayerOptions
---@field rate number from 0 up to, but not, 1
---@field examples? boolean whether examples are dropped whole, as in networks of stochastic depth (false)
local check = require "scion.check"
local layer = require "scion.layer"
local random = require "scion.random"

return layer.define {
  kind = "dropout",
  positional = { "rate" },
  schema = { rate = { check.number { from = 0, below = 1 }, required = true }, examples = { check.boolean, false } },
  fields = { "seed", "stream" },
  identity = "inference", -- the plan leaves it out there

  check = function(self) self.seed, self.stream = random.next_stream() end,

  forward = function(self, e)
    e:emit { "dropout", x = e.x[1], y = e.y, rate = self.options.rate, examples = self.options.examples, seed = self.seed, stream = self.stream }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "dropout", x = e.dy, y = e:dx(1), rate = self.options.rate, examples = self.options.examples, seed = self.seed, stream = self.stream,
             accumulate = e:accumulates(1) }
  end,
}
