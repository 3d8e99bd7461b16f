--- An activation goes into the epilogue of the kernel that computes its input, when nobody else reads that.
local rewrite = require "scion.plan.rewrite"

return function(ir)
  for _, op in ipairs(ir.ops) do
    local below = op.inputs[1]
    if op.layer.kind == "activation" and not op.identity and op.layer.computed == "output" and below.layer.fuses_activation and
       #below.users == 1 and not below.activation then
      below.activation = op.layer.options.activation
      rewrite.absorb(ir, below, op)
    end
  end
  rewrite.sweep(ir)
end
