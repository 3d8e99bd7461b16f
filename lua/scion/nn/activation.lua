--- nn.activation(activation)
--- One of relu, relu6, sigmoid, tanh, softmax (over the last dimension), swish, hard_swish, hard_sigmoid and linear. All but the last
--- have constructors of their own: nn.relu() is nn.activation("relu").
---@class scion.nn.activation: scion.LayerOptions
---@field activation string which of them
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "activation",
  positional = { "activation" },
  schema = { activation = { kinds.activation, required = true } },
  fields = { "computed" }, -- how its gradient is
  bf16 = "computes",

  check = function(self) self.computed = kinds.activations[self.options.activation] end,

  forward = function(self, s)
    if self.computed == "softmax" then
      s:emit { "softmax_forward", x = s.x[1], y = s.y }
    elseif self.computed == "gate" then
      s:emit { "gate_forward", x = s.x[1], y = s.y, gate = self.options.activation }
    else
      s:emit { "activation_forward", x = s.x[1], y = s.y, activation = self.options.activation }
    end
  end,

  backward = function(self, s)
    if not s:wants(1) then return end
    if self.computed == "softmax" then
      s:emit { "softmax_backward", y = s.y, dy = s.dy, dx = s:dx(1), accumulate = s:accumulates(1) }
    elseif self.computed == "gate" then
      s:emit { "gate_backward", x = s.x[1], dy = s.dy, dx = s:dx(1), gate = self.options.activation, accumulate = s:accumulates(1) }
    else
      s:emit { "activation_backward", y = s.y, dy = s.dy, dx = s:dx(1), activation = self.options.activation, accumulate = s:accumulates(1) }
    end
  end,
}
