--- algorithm: which kernels compute a convolution. In f32 these are plain sums ("conv2d") or, where that is faster by enough, minimal
--- filtering ("winograd"); in bf16 there is one kernel ("conv2d_bf16"). The results of the two differ in their last bits.
local filtering = require "scion.ir.filtering"
local machine = require "scion.machine"

--- Minimal filtering or plain sums, and how many times as fast as plain sums that is.
local function choose(op, costs)
  local gain = filtering.gain(op.window or op.layer.window, op.inputs[1].shape, op.shape, costs)
  if gain > machine.filtering.least_gain then return "winograd", gain end
  return "conv2d", 1
end

---@param ir scion.IR
return function(ir)
  for _, op in ipairs(ir.ops) do
    if op.layer.kind == "conv2d" then
      if op.reads == "bf16" then op.algorithm = "conv2d_bf16" else op.algorithm, op.gain = choose(op, machine.filtering.forward) end
      if op.trains.kernel then op.gradient_algorithm, op.gradient_gain = choose(op, machine.filtering.gradient) end
    end
  end
end
