--- Operations: the nodes of the IR. An operation is a layer with its inputs. Passes let one operation take over the work of another: a
--- convolution takes over the batch norm and the activation after it. Brackets behind a field name the pass in plan/ that sets it.
local operation = {}

---@class scion.Operation
---@field layer scion.Layer
---@field inputs scion.Operation[]
---@field users scion.Operation[] the operations that read its output, each as often as it reads it
---@field shape integer[] of its output, without the batch
---@field node scion.Node? the node whose value it computes
---@field dead boolean? another operation has taken over its work
---@field kept boolean? the plan gives its output, or the gradient with respect to it, so that no other operation may take over its work [expand]
---@field trains table<string, scion.Parameter> parameters that a step changes, by name [frontier]
---@field batch_statistics boolean? a batch norm that uses mean and variance of the batch [frontier]
---@field identity boolean? its output is its input, perhaps in another shape [frontier]
---@field grad boolean the gradient with respect to its output is needed [frontier]
---@field window table? its window, including the padding that it took over [pad]
---@field norm scion.Layer? the batch norm folded into it [fold]
---@field norm_trains table<string, scion.Parameter>? parameters of that batch norm that a step changes [fold]
---@field activation string? applied by its kernel [fuse]
---@field dtype "f32"|"bf16"|"u8"|nil of its output, and "f32" or "bf16" of the gradient with respect to it; nil: f32 [precision]
---@field reads "f32"|"bf16"|"u8"|nil of the inputs of its kernels; nil: f32 [precision]
---@field codes scion.Codes? of its output, where that is u8 [precision]
---@field pixels boolean? of the input: its output are the images as they are, and the convolutions that read them preprocess [precision]
---@field algorithm string? which kernels compute it and the gradient with respect to its input, if there is a choice [algorithm]
---@field gradient_algorithm string? the same for the gradient with respect to its kernel [algorithm]
---@field gain number? how many times as fast as plain sums `algorithm` is [algorithm]
---@field gradient_gain number? the same for `gradient_algorithm` [algorithm]
---@field value scion.Value its output [alias]
---@field in_place boolean? its output shares the memory of its input [alias]
---@field aliased table<integer, boolean>? inputs of a concatenation that are computed directly in its output [alias]
---@field dvalue scion.Value? the gradient with respect to its output [backward]
---@field dvalue_written boolean? whether a user has written its share of that gradient [backward]

--- Appends a new operation to a list, and adds it to the users of its inputs.
---@param ops scion.Operation[]
---@param layer scion.Layer
---@param inputs scion.Operation[]
---@param shape integer[] of its output, without the batch
---@return scion.Operation
function operation.append(ops, layer, inputs, shape)
  local op = { layer = layer, inputs = inputs, users = {}, shape = shape }
  for _, input in ipairs(inputs) do input.users[#input.users + 1] = op end
  ops[#ops + 1] = op
  return op
end

--- Replaces `op` by `producer`, whose only user it is and which is not kept: its users then read producer's output, and op is dead.
---@param ir scion.IR
---@param producer scion.Operation
---@param op scion.Operation
function operation.absorb(ir, producer, op)
  producer.users, producer.node, producer.kept = op.users, op.node, op.kept
  for _, user in ipairs(op.users) do
    for i, input in ipairs(user.inputs) do
      if input == op then user.inputs[i] = producer end
    end
  end
  producer.grad = producer.grad or op.grad
  op.dead = true
  if ir.output == op then ir.output = producer end
end

--- Removes dead operations from the list.
---@param ir scion.IR
function operation.sweep(ir)
  local live = {}
  for _, op in ipairs(ir.ops) do
    if not op.dead then live[#live + 1] = op end
  end
  ir.ops = live
end

return operation
