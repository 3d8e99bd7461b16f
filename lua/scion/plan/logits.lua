--- logits: removes a softmax or sigmoid at the end of the network where the loss applies it. The loss kernel computes it together with the
--- loss, which avoids the logarithm of a probability that was rounded to zero, and gives the probabilities, too.
local operation = require "scion.ir.operation"

---@param ir scion.IR
return function(ir)
  if not ir.loss then return end
  local activation, last = ir.loss.activation, ir.output
  if activation and last.layer.kind == "activation" and last.layer.options.activation == activation then
    operation.absorb(ir, last.inputs[1], last)
    operation.sweep(ir)
  end
end
