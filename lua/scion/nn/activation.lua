--- nn.activation("relu"): relu, relu6, sigmoid, tanh, softmax (over the last dimension) or linear. Also nn.relu() and so on.
local layer = require "scion.layer"

local known = { relu = true, relu6 = true, sigmoid = true, tanh = true, softmax = true, linear = true }

return layer.define {
  kind = "activation",
  positional = { "activation" },
  defaults = { activation = layer.required },
  bf16 = "computes",

  check = function(self)
    local name = self.options.activation
    if not known[name] then self:fail("unknown activation '%s' (relu, relu6, sigmoid, tanh, softmax or linear)", tostring(name)) end
  end,

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    return { table.unpack((...)) }
  end,

  forward = function(self, s)
    if self.options.activation == "softmax" then
      s:emit { "softmax_forward", x = s.x[1], y = s.y }
    else
      s:emit { "activation_forward", x = s.x[1], y = s.y, activation = self.options.activation }
    end
  end,

  backward = function(self, s)
    if not s:wants(1) then return end
    if self.options.activation == "softmax" then
      s:emit { "softmax_backward", y = s.y, dy = s.dy, dx = s:dx(1), accumulate = s:accumulates(1) }
    else
      s:emit { "activation_backward", y = s.y, dy = s.dy, dx = s:dx(1), activation = self.options.activation, accumulate = s:accumulates(1) }
    end
  end,
}
