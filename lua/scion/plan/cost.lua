--- What a plan's steps cost: multiply-adds for one example, forward and backward.
local cost = {}

--- Of one operation, forward, to the weights and to the input, what the plan computes of it: multiply-adds as the formulas have
--- them, and how many times as fast they are computed.
local function parts(op)
  local layer, macs = op.layer, op.layer.macs
  local one = macs and macs(layer, op.inputs[1].shape, op.shape) or 0
  local weights = op.grad and (op.trains.kernel or op.trains.pointwise_kernel) and one or 0
  local input = op.grad and op.inputs[1] and op.inputs[1].grad and one or 0
  return one, weights, input, layer.gain or 1, layer.gradient_gain or 1
end

--- Multiply-adds of one operation: forward, and backward.
function cost.of(op)
  local forward, weights, input = parts(op)
  return forward, weights + input
end

--- Sums over the operations: forward, backward, and the share of the forward ones that lies below the frontier; and in how many plain
--- multiply-adds' time both kinds are done: `frozen_work`, and the rest's `work`.
function cost.total(ops)
  local total = { forward = 0, backward = 0, frozen = 0, work = 0, frozen_work = 0 }
  for _, op in ipairs(ops) do
    local forward, weights, input, gain, gradient_gain = parts(op)
    total.forward, total.backward = total.forward + forward, total.backward + weights + input
    if op.grad then
      total.work = total.work + (forward + input) / gain + weights / gradient_gain
    else
      total.frozen, total.frozen_work = total.frozen + forward, total.frozen_work + forward / gain
    end
  end
  return total
end

--- Of a machine that is not measured: what a fast disk reads and two cores compute in a second, and how long an image takes to
--- decode.
local bytes_a_second, macs_a_second, decoding = 1e9, 5e10, 2e-3

--- Whether a value of so many bytes is read sooner than it is computed by that many multiply-adds.
function cost.worth_keeping(bytes, macs, decoded)
  return bytes / bytes_a_second < macs / macs_a_second + (decoded and decoding or 0)
end

return cost
