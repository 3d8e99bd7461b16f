--- nn.dropout(rate, { examples = false }): in training each element (or with `examples` each example, whole) is dropped with that
--- probability and the others scaled up; else nothing happens.
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

  forward = function(self, e)
    e:emit { "dropout", x = e.x[1], y = e.y, rate = self.options.rate, examples = self.options.examples, seed = self.seed, stream = self.stream }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "dropout", x = e.dy, y = e:dx(1), rate = self.options.rate, examples = self.options.examples, seed = self.seed, stream = self.stream,
             accumulate = e:accumulates(1) }
  end,
}
