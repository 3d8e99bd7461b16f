--- logits: removes a softmax or sigmoid at the end of the network where the loss applies it. The loss kernel computes it together with the
--- loss, which avoids the logarithm of a probability that was rounded to zero, and gives the probabilities, too. It is removed as well where the
--- plan gives gradients of nodes: these are gradients of logits, since probabilities hardly change where a network is sure.
local operation = require "scion.ir.operation"

---@param ir scion.IR
return function(ir)
  local last = ir.output
  local function ends_in(activation) return activation and last.layer.kind == "activation" and last.layer.options.activation == activation end
  if ends_in(ir.loss and ir.loss.activation) or ir.gradients_of[1] and (ends_in "softmax" or ends_in "sigmoid") then
    operation.absorb(ir, last.inputs[1], last)
    operation.sweep(ir)
  end
end
