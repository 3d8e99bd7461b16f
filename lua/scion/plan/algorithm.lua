--- algorithm: chooses the kernels that compute a convolution. In f32 these are plain sums ("conv2d") or, where it is faster by enough,
--- Winograd's minimal filtering ("winograd"), whose results differ in the last bits. In bf16 there is one kernel ("conv2d_bf16"), of bytes another ("conv2d_int8"), and for
--- several groups of channels one in f32 ("grouped_conv2d").
local filtering = require "scion.ir.filtering"
local machine = require "scion.machine"

--- The faster algorithm, and how many times as fast as plain sums it is.
local function choose(op, costs)
  if op.layer.options.groups > 1 then return "grouped_conv2d", 1 end
  local gain = filtering.gain(op.window or op.layer.window, op.inputs[1].shape, op.shape, costs)
  if gain > machine.filtering.least_gain then return "winograd", gain end
  return "conv2d", 1
end

---@param ir scion.IR
return function(ir)
  for _, op in ipairs(ir.ops) do
    if op.layer.kind == "conv2d" then
      if op.reads == "bf16" then
        op.algorithm = "conv2d_bf16"
      elseif op.reads == "u8" then
        op.algorithm = "conv2d_int8"
      else
        op.algorithm, op.gain = choose(op, machine.filtering.forward)
      end
      if op.trains.kernel and op.reads == "bf16" then
        op.gradient_algorithm = op.algorithm
      elseif op.trains.kernel then
        op.gradient_algorithm, op.gradient_gain = choose(op, machine.filtering.gradient)
      end
    end
  end
end
