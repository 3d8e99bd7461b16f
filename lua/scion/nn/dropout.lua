--- nn.dropout(rate, { examples = false })
--- In training each element is dropped with that probability and the others are scaled up by 1 / (1 - rate); else nothing happens.
---@class scion.nn.dropout: scion.LayerOptions
---@field rate number from 0 up to, but not, 1
---@field examples? boolean whether examples are dropped whole, as in networks of stochastic depth (false)
local layer = require "scion.layer"
local random = require "scion.random"

return layer.define {
  kind = "dropout",
  positional = { "rate" },
  defaults = { rate = layer.required, examples = false },
  identity = "inference", -- the plan leaves it out there

  check = function(self)
    local rate = self.options.rate
    if type(rate) ~= "number" or rate < 0 or rate >= 1 then self:fail("rate is a number from 0 up to, but not, 1") end
    self.seed, self.stream = random.next_stream()
  end,

  forward = function(self, s)
    s:emit { "dropout", x = s.x[1], y = s.y, rate = self.options.rate, examples = self.options.examples, seed = self.seed, stream = self.stream }
  end,

  backward = function(self, s)
    if not s:wants(1) then return end
    s:emit { "dropout", x = s.dy, y = s:dx(1), rate = self.options.rate, examples = self.options.examples, seed = self.seed, stream = self.stream,
             accumulate = s:accumulates(1) }
  end,
}
