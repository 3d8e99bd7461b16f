--- What a plan's steps cost: multiply-adds for one example, forward and backward.
local cost = {}

--- Multiply-adds of one operation: forward, and backward for what the plan computes of it.
function cost.of(op)
  local macs = op.layer.macs
  if not macs then return 0, 0 end
  local one = macs(op.layer, op.inputs[1].shape, op.shape)
  local backward = 0
  if op.grad then
    if op.trains.kernel or op.trains.pointwise_kernel then backward = backward + one end
    if op.inputs[1].grad then backward = backward + one end
  end
  return one, backward
end

--- Sums over the operations: forward, backward, and the share of the forward ones that lies below the frontier.
function cost.total(ops)
  local forward, backward, frozen = 0, 0, 0
  for _, op in ipairs(ops) do
    local f, b = cost.of(op)
    forward, backward = forward + f, backward + b
    if not op.grad then frozen = frozen + f end
  end
  return { forward = forward, backward = backward, frozen = frozen }
end

return cost
