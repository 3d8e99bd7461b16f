--- nn.local_response_norm{ size = 5, alpha = 1e-4, beta = 0.75, k = 1 }: each channel divided by what its `size` neighbours and
--- itself amount to (Krizhevsky et al. 2012; alpha is shared out among them, as in PyTorch).
local layer = require "scion.layer"

return layer.define {
  kind = "local_response_norm",
  positional = { "size" },
  defaults = { size = 5, alpha = 1e-4, beta = 0.75, k = 1 },

  check = function(self)
    local o = self.options
    if math.type(o.size) ~= "integer" or o.size < 1 then self:fail("size is a whole number from 1 up") end
    for _, name in ipairs { "alpha", "beta", "k" } do
      if type(o[name]) ~= "number" or o[name] < 0 or (name == "k" and o.k == 0) then self:fail("%s is a positive number", name) end
    end
  end,

  forward = function(self, e)
    local o = self.options
    e:emit { "response_norm_forward", x = e.x[1], y = e.y, size = o.size, alpha = o.alpha, beta = o.beta, k = o.k }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    local o = self.options
    e:emit { "response_norm_backward", x = e.x[1], dy = e.dy, dx = e:dx(1), size = o.size, alpha = o.alpha, beta = o.beta, k = o.k,
             accumulate = e:accumulates(1) }
  end,
}
