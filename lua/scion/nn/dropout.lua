--- nn.dropout(rate, { examples = false })
--- In training each element is set to 0 with probability `rate`, and the others are multiplied by 1 / (1 - rate). Otherwise the identity.
---@class scion.nn.dropout: scion.LayerOptions
---@field rate number at least 0 and less than 1
---@field examples? boolean whether whole examples are dropped instead of single elements, as for stochastic depth (false)
---@example scion.nn.dropout(0.5)
local check = require "scion.check"
local layer = require "scion.layer"
local random = require "scion.random"

return layer.define {
  kind = "dropout",
  positional = { "rate" },
  schema = { rate = { check.number { from = 0, below = 1 }, required = true }, examples = { check.boolean, false } },
  fields = { "seed", "stream" },
  bf16 = "carries",
  identity = "inference", -- the identity outside of training, where plans leave it out

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
