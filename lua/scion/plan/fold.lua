--- Batch norm on stored statistics is y = x * scale + shift, and goes into the kernel and bias of the convolution or dense layer
--- below. That also holds where the two train, unless a gamma does: then its gradient needs the values in between.
local rewrite = require "scion.plan.rewrite"

return function(ir)
  for _, op in ipairs(ir.ops) do
    local below = op.inputs[1]
    if op.layer.kind == "batch_norm" and not op.batch_statistics and not op.trains.gamma and below.layer.folds_norm and #below.users == 1 and
       not below.norm then
      below.norm, below.norm_trains = op.layer, op.trains
      rewrite.absorb(ir, below, op)
    end
  end
  rewrite.sweep(ir)
end
