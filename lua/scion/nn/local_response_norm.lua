--- nn.local_response_norm(size, { alpha = 1e-4, beta = 0.75, k = 1 })
--- Each channel divided by (k + alpha / size * s) ^ beta, where s is the sum of squares of `size` channels around it (Krizhevsky et al.
--- 2012; alpha is divided by size as in PyTorch).
---@class scion.nn.local_response_norm: scion.LayerOptions
---@field size? integer number of channels (5)
---@field alpha? number at least 0 (1e-4)
---@field beta? number at least 0 (0.75)
---@field k? number above 0 (1)
---@example scion.nn.local_response_norm()
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "local_response_norm",
  positional = { "size" },
  schema = { size = { kinds.size, 5 }, alpha = { check.number { from = 0 }, 1e-4 }, beta = { check.number { from = 0 }, 0.75 },
             k = { check.number { above = 0 }, 1 } },

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
