--- fold: batch norm with stored statistics is y = x * scale + shift for each channel, which is merged into the kernel and bias of the
--- convolution or dense layer before it. That works in training, too, with one exception: if gamma trains and the kernel is frozen, gamma's
--- gradient needs the values between the two.
local operation = require "scion.ir.operation"

--- Whether gamma's gradient, if it is needed, can be computed from the kernel's.
local function gives_gamma(below, op) return below.trains.kernel or not op.trains.gamma end

---@param ir scion.IR
return function(ir)
  for _, op in ipairs(ir.ops) do
    local below = op.inputs[1]
    if op.layer.kind == "batch_norm" and not op.batch_statistics and below.layer.folds_norm and gives_gamma(below, op) and
       #below.users == 1 and not below.norm and not below.kept then
      below.norm, below.norm_trains = op.layer, op.trains
      operation.absorb(ir, below, op)
    end
  end
  operation.sweep(ir)
end
