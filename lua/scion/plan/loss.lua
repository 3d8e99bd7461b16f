--- loss: emits the call that computes the loss of each example and, in training, its gradient with respect to the logits. In a plan that gives
--- gradients of nodes, the latter is an input.
local shapes = require "scion.shape"
local value = require "scion.ir.value"

--- The value with one row for each example.
local function as_rows(ir, v)
  if #v.shape == 1 then return v end
  if not value.contiguous(v) then
    local copy = value.new(v.shape)
    ir:emit { "copy", x = v, y = copy }
    v = copy
  end
  return value.view(v, { shapes.elements(v.shape) })
end

--- The call for a function of the user's: it is run after the calls before this one, and what it gives are inputs of this one.
local function given(ir, dx)
  ir.forward_calls = #ir.calls
  ir.own_losses = value.new({}, { input = true })
  ir.own_gradients = dx and value.new(ir.output.shape, { input = true }) or nil
  ir:emit { "given_loss", x = as_rows(ir, ir.own_gradients or ir.output.value), values = ir.own_losses, weights = ir.weights, losses = ir.losses, dx = dx }
end

---@param ir scion.IR
return function(ir)
  local logits = ir.output
  if ir.gradients_of[1] then
    ir.seed = value.new(logits.shape, { input = true })
    logits.dvalue, logits.dvalue_written = ir.seed, true
  end
  if not ir.loss then return end
  ir.weights = ir.weighted and value.new({}, { input = true }) or nil
  ir.losses = value.new({}, { pinned = true })
  if logits.grad then logits.dvalue, logits.dvalue_written = value.new(logits.shape), true end
  local dx = logits.grad and as_rows(ir, logits.dvalue) or nil
  local dtype = ir.loss.own and "f32" or ir.labels_dtype or "i32"
  if not ir.loss.own and not ir.loss:kernels()[dtype] then dtype = "f32" end
  ir.labels = value.new(dtype == "i32" and {} or logits.shape, { dtype = dtype, input = true })
  if ir.loss.own then return given(ir, dx) end
  if ir.loss.activation then ir.result = value.new(logits.shape, { pinned = true }) end
  local call = ir.loss:call(dtype)
  call.x, call.labels, call.weights = as_rows(ir, logits.value), dtype == "i32" and ir.labels or as_rows(ir, ir.labels), ir.weights
  call.losses, call.dx, call.probabilities = ir.losses, dx, ir.loss.activation and as_rows(ir, ir.result) or nil
  ir:emit(call)
end
