--- nn.activation("relu"): relu, relu6, sigmoid, tanh, softmax (over the last dimension), swish, hard_swish, hard_sigmoid or
--- linear. Also nn.relu() and so on.
local layer = require "scion.layer"

--- How the gradient is computed: from the output alone, which lets the kernel before it apply the activation; or else.
local kinds = { relu = "output", relu6 = "output", sigmoid = "output", tanh = "output", linear = "output", softmax = "softmax",
                swish = "gate", hard_swish = "gate", hard_sigmoid = "gate" }

return layer.define {
  kind = "activation",
  positional = { "activation" },
  defaults = { activation = layer.required },
  bf16 = "computes",

  check = function(self)
    local name = self.options.activation
    self.computed = kinds[name]
    if not self.computed then
      self:fail("unknown activation '%s' (relu, relu6, sigmoid, tanh, softmax, swish, hard_swish, hard_sigmoid or linear)", tostring(name))
    end
  end,

  forward = function(self, e)
    if self.computed == "softmax" then
      e:emit { "softmax_forward", x = e.x[1], y = e.y }
    elseif self.computed == "gate" then
      e:emit { "gate_forward", x = e.x[1], y = e.y, gate = self.options.activation }
    else
      e:emit { "activation_forward", x = e.x[1], y = e.y, activation = self.options.activation }
    end
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    if self.computed == "softmax" then
      e:emit { "softmax_backward", y = e.y, dy = e.dy, dx = e:dx(1), accumulate = e:accumulates(1) }
    elseif self.computed == "gate" then
      e:emit { "gate_backward", x = e.x[1], dy = e.dy, dx = e:dx(1), gate = self.options.activation, accumulate = e:accumulates(1) }
    else
      e:emit { "activation_backward", y = e.y, dy = e.dy, dx = e:dx(1), activation = self.options.activation, accumulate = e:accumulates(1) }
    end
  end,
}
