--- Batch norm on stored statistics is y = x * scale + shift, and goes into the kernel and bias of the convolution or dense layer
--- below. That also holds where the two train: only a gamma above a frozen kernel needs the values in between for its gradient.
local rewrite = require "scion.plan.rewrite"

--- Whether the gradient of the norm's gamma follows from that of the kernel.
local function gives_gamma(below, op) return below.trains.kernel or not op.trains.gamma end

return function(ir)
  for _, op in ipairs(ir.ops) do
    local below = op.inputs[1]
    if op.layer.kind == "batch_norm" and not op.batch_statistics and below.layer.folds_norm and gives_gamma(below, op) and
       #below.users == 1 and not below.norm then
      below.norm, below.norm_trains = op.layer, op.trains
      rewrite.absorb(ir, below, op)
    end
  end
  rewrite.sweep(ir)
end
