--- nn.activation(activation)
--- One of relu, relu6, sigmoid, tanh, softmax (over the last dimension), swish (also called SiLU), hard_swish, hard_sigmoid, gelu, gelu_tanh
--- (GELU's approximation by tanh) and linear. All but the last have constructors of their own: nn.relu() is nn.activation("relu").
---@class scion.nn.activation: scion.LayerOptions
---@field activation string the name of one of them
---@example scion.nn.activation "tanh"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

--- What the gradient is computed from: "input", or "softmax" with kernels of its own. Activations that are not listed need only their
--- output: in training only they can be fused into the kernel of the layer before, see plan/fuse.lua.
local computed = { softmax = "softmax", swish = "input", hard_swish = "input", hard_sigmoid = "input", gelu = "input", gelu_tanh = "input" }

return layer.define {
  kind = "activation",
  positional = { "activation" },
  schema = { activation = { kinds.activation, required = true } },
  fields = { "computed" }, -- "output", "input" or "softmax": what its gradient is computed from
  bf16 = "computes",

  check = function(self) self.computed = computed[self.options.activation] or "output" end,

  forward = function(self, e)
    if self.computed == "softmax" then
      e:emit { "softmax_forward", x = e.x[1], y = e.y }
    else
      e:emit { "activation_forward", x = e.x[1], y = e.y, activation = self.options.activation }
    end
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    if self.computed == "softmax" then
      e:emit { "softmax_backward", y = e.y, dy = e.dy, dx = e:dx(1), accumulate = e:accumulates(1) }
    else
      e:emit { "activation_backward", v = self.computed == "input" and e.x[1] or e.y, dy = e.dy, dx = e:dx(1),
               activation = self.options.activation, accumulate = e:accumulates(1) }
    end
  end,
}
