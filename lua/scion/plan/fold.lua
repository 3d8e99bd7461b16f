--- fold: batch norm on stored statistics is y = x * scale + shift for each channel; it goes into the kernel and bias of the
--- convolution or dense layer below. That holds where the two train, too, with one exception: with the kernel frozen, the gradient by
--- a gamma that trains needs the values in between.
local operation = require "scion.ir.operation"

--- Whether the gradient by the norm's gamma follows from that by the kernel.
local function gives_gamma(below, op) return below.trains.kernel or not op.trains.gamma end

---@param ir scion.IR
return function(ir)
  for _, op in ipairs(ir.ops) do
    local below = op.inputs[1]
    if op.layer.kind == "batch_norm" and not op.batch_statistics and below.layer.folds_norm and gives_gamma(below, op) and
       #below.users == 1 and not below.norm then
      below.norm, below.norm_trains = op.layer, op.trains
      operation.absorb(ir, below, op)
    end
  end
  operation.sweep(ir)
end
