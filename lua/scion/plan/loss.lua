--- The loss reads logits: a softmax or sigmoid that ends the network is computed by the loss kernel itself, which also gives the
--- probabilities, exactly and without a division by what might be zero.
local rewrite = require "scion.plan.rewrite"
local value = require "scion.plan.value"

local kernels = {
  categorical = { kernel = "softmax_cross_entropy", activation = "softmax", labels = "i32" },
  binary = { kernel = "sigmoid_cross_entropy", activation = "sigmoid", labels = "f32" },
  mse = { kernel = "mean_squared_error", labels = "f32" },
}

--- Before `fuse`: takes the last activation out of the graph.
local function attach(ir)
  if not ir.loss then return end
  local kind = kernels[ir.loss]
  local last = ir.output
  if kind.activation and last.layer.kind == "activation" and last.layer.options.activation == kind.activation then
    rewrite.absorb(ir, last.inputs[1], last)
    rewrite.sweep(ir)
  end
end

--- After the forward steps: the loss, and in training its gradient by the logits.
local function emit(ir)
  if not ir.loss then return end
  local kind, logits = kernels[ir.loss], ir.output
  local targets = kind.labels == "i32" and {} or logits.shape
  ir.labels = value.new(targets, { dtype = kind.labels, input = true })
  ir.weights = ir.weighted and value.new({}, { input = true }) or nil
  ir.losses = value.new({}, { pinned = true })
  if kind.activation then
    ir.probabilities = value.new(logits.shape, { pinned = true })
  else
    ir.probabilities = logits.value
    value.root(logits.value).pinned = true
  end
  if logits.grad then logits.dvalue, logits.dvalue_written = value.new(logits.shape), true end
  ir.emit({ kind.kernel, x = logits.value, labels = ir.labels, weights = ir.weights, losses = ir.losses, dx = logits.dvalue,
                    probabilities = kind.activation and ir.probabilities or nil })
end

return { attach = attach, emit = emit }
