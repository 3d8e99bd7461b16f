--- The cost of a plan's operations: multiply-adds for one example, forward and backward.
local machine = require "scion.machine"

local cost = {}

--- Multiply-adds of one operation: of the forward pass, of the gradient with respect to its weights, and of the gradient with respect to
--- its input; 0 for those that the plan does not compute. They follow from the layer's shapes, no matter which algorithm computes it.
local function parts(op)
  local layer, macs = op.layer, op.layer.macs
  local one = macs and macs(layer, op.inputs[1].shape, op.shape) or 0
  local weights = op.grad and (op.trains.kernel or op.trains.pointwise_kernel) and one or 0
  local input = op.grad and op.inputs[1] and op.inputs[1].grad and one or 0
  return one, weights, input
end

--- Multiply-adds of one operation for one example.
---@param op scion.Operation
---@return integer forward
---@return integer backward
function cost.of(op)
  local forward, weights, input = parts(op)
  return forward, weights + input
end

---@class scion.Cost
---@field forward integer multiply-adds for one example
---@field backward integer multiply-adds for one example
---@field frozen integer the part of `forward` that lies below the frontier
---@field frozen_work number time of that part, in units of a multiply-add of plain sums: less than `frozen` with faster algorithms
---@field narrow_work number the part of `frozen_work` that is computed in bf16 or in bytes
---@field work number time of the rest, forward and backward, in the same unit

--- The cost of a list of operations.
---@param ops scion.Operation[]
---@return scion.Cost
function cost.total(ops)
  local total = { forward = 0, backward = 0, frozen = 0, work = 0, frozen_work = 0, narrow_work = 0 }
  for _, op in ipairs(ops) do
    local forward, weights, input = parts(op)
    local gain, gradient_gain = op.gain or 1, op.gradient_gain or 1
    total.forward, total.backward = total.forward + forward, total.backward + weights + input
    if op.grad then
      total.work = total.work + (forward + input) / gain + weights / gradient_gain
    else
      total.frozen, total.frozen_work = total.frozen + forward, total.frozen_work + forward / gain
      if (op.reads or "f32") ~= "f32" then total.narrow_work = total.narrow_work + forward / gain end
    end
  end
  return total
end

--- Whether reading a value from a disk is faster than computing it, by the estimates of machine.lua.
---@param bytes integer of the value
---@param macs integer multiply-adds to compute it
---@param decoded boolean whether computing it also needs an image to be decoded
---@return boolean
function cost.worth_keeping(bytes, macs, decoded)
  return bytes / machine.disk_bytes < macs / machine.macs + (decoded and machine.decoding or 0)
end

return cost
