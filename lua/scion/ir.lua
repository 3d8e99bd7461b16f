--- The intermediate representation (IR) from which a plan is compiled; the passes in plan/ read and change it. First the layers of the
--- graph become operations, then the operations become kernel calls on values, and last each value gets a place in the arena. plan.lua
--- explains these words.
local precision = require "scion.precision"

local ir = {}
ir.__index = ir

---@class scion.IR
---@field order scion.Node[] the nodes of the graph to compute, in order
---@field output_node scion.Node
---@field from scion.Node? the first node of `order`, if its value is an input of the plan and not computed
---@field mode "train"|"infer"
---@field capacity integer largest batch
---@field input_dtype "u8"|"f32" u8: images, which the plan preprocesses
---@field precision string as precision.in_use gives it
---@field frozen "f32"|"bf16"|"int8" the precision of what needs no gradient
---@field trained "f32"|"bf16" of what needs one; f32 outside of training
---@field bytes scion.Node? whose value is bytes where what is frozen is int8, if it has codes, whoever reads it
---@field from_codes scion.Codes? of the value of `from`, where a plan of precision int8 can know it
---@field loss scion.Loss?
---@field labels_dtype "i32"|"f32"|nil of what the loss compares with: class numbers, or rows (i32 where the loss has classes, else f32)
---@field weighted boolean? whether each example has a weight in the loss
---@field taps scion.Node[] whose values are kept until the last call has run
---@field gradients_of scion.Node[] whose gradients are, too
---@field ops scion.Operation[] in the order of computation
---@field output scion.Operation
---@field calls scion.Call[] the kernel calls, in the order in which they run
---@field derived table[] entries for the tensors, derived from parameters, that the plan uses: see emitter:derived
---@field gradients { layer: scion.Layer, parameter: scion.Parameter, value: scion.Value }[]
---@field buffer scion.Value? in which all of them lie
---@field pending { tensor: scion.Tensor, value: scion.Value }[] moving averages, and the copies that a step updates in their place
---@field input scion.Value images, or the value of `from`
---@field labels scion.Value? if there is a loss
---@field own_losses scion.Value? what a loss of the user's own gives, and its gradients
---@field own_gradients scion.Value?
---@field forward_calls integer? how many calls run before a loss of the user's own
---@field weights scion.Value? of the examples, if `weighted`
---@field losses scion.Value? the loss of each example
---@field seed scion.Value? the gradient with respect to the output, from which those of `gradients_of` are computed
---@field tap_values table<scion.Node, scion.Value>
---@field node_gradients table<scion.Node, scion.Value>
---@field result scion.Value the plan's result: the network's output, or the probabilities that the loss computes from it
---@field places table<scion.Value, scion.Place>
---@field placed_calls table[] the calls, with places in place of values
---@field arena_bytes integer

--- One kernel call: the kernel's name at [1], and by name its operands (values or tensors) and its options.
---@class scion.Call
---@field [1] string

--- Where a value lies in the arena, as core.program and core.place take it.
---@class scion.Place
---@field offset integer bytes
---@field shape integer[] its first dimension is the batch, of the plan's capacity, unless the value is fixed
---@field dtype scion.Dtype
---@field batch boolean whether the first dimension is the batch; a run uses as many rows of it as it has examples
---@field stride integer elements from the start of one row to the next

--- An IR without operations, for a request to plan.compile.
---@param request scion.PlanRequest
---@return scion.IR
function ir.new(request)
  local used = request.precision or "f32"
  local frozen, trained = precision.parts(used)
  return setmetatable({ order = request.order, output_node = request.output, from = request.from, mode = request.mode, capacity = request.capacity,
                        input_dtype = request.input_dtype, precision = used, frozen = frozen, bytes = request.bytes, from_codes = request.from_codes,
                        trained = request.mode == "train" and trained or "f32", loss = request.loss,
                        labels_dtype = request.labels, weighted = request.weighted, taps = request.taps or {},
                        gradients_of = request.gradients_of or {}, tap_values = {}, node_gradients = {},
                        ops = {}, calls = {}, derived = {}, gradients = {}, pending = {} }, ir)
end

--- Adds a kernel call.
---@param call scion.Call
function ir:emit(call) self.calls[#self.calls + 1] = call end

return ir
