--- loss: emits the call that computes the loss of each example and, in training, its gradient with respect to the logits.
local losses = require "scion.ir.losses"
local value = require "scion.ir.value"

---@param ir scion.IR
return function(ir)
  if not ir.loss then return end
  local kind, logits = losses[ir.loss], ir.output
  local dtype = ir.labels_dtype or kind.kernels.i32 and "i32" or "f32"
  ir.labels = value.new(dtype == "i32" and {} or logits.shape, { dtype = dtype, input = true })
  ir.weights = ir.weighted and value.new({}, { input = true }) or nil
  ir.losses = value.new({}, { pinned = true })
  if kind.activation then ir.result = value.new(logits.shape, { pinned = true }) end
  if logits.grad then logits.dvalue, logits.dvalue_written = value.new(logits.shape), true end
  ir:emit { kind.kernels[dtype], x = logits.value, labels = ir.labels, weights = ir.weights, losses = ir.losses, dx = logits.dvalue,
            probabilities = kind.activation and ir.result or nil }
end
