--- The intermediate representation (IR) of a plan in the making: what the passes of plan/ read and change. The graph's layers
--- have become operations; layers turn them into kernel calls on values; at last each value gets its place in the arena.
local ir = {}
ir.__index = ir

---@class scion.IR
---@field order scion.Node[] the graph's nodes that are computed, in order
---@field output_node scion.Node
---@field from scion.Node? the first of `order`, whose value is given and not computed
---@field mode "train"|"infer"
---@field capacity integer largest batch
---@field input_dtype "u8"|"f32" u8: images, which the plan preprocesses
---@field precision "f32"|"bf16"
---@field loss string? "categorical", "binary" or "mse"
---@field weighted boolean? whether each example of a batch has a weight in the loss
---@field ops scion.Operation[] in the order in which they are computed
---@field output scion.Operation
---@field calls scion.Call[] what runs, in order
---@field derived table[] what the plan takes from tensors that layers derive from their parameters: see emitter:derived
---@field gradients { layer: scion.Layer, parameter: scion.Parameter, value: scion.Value }[]
---@field pending { tensor: scion.Tensor, value: scion.Value }[] moving averages, and the copies on which a step moves them
---@field input scion.Value images, or the value of `from`
---@field labels scion.Value? where there is a loss
---@field weights scion.Value? of the examples
---@field losses scion.Value? one for each example
---@field result scion.Value what the plan gives: the output, or the probabilities that the loss computes from it
---@field places table<scion.Value, scion.Place>
---@field placed_calls table[] the calls with places for values
---@field arena_bytes integer

--- One kernel call: the kernel's name at [1]; its operands, values or tensors, and its options by name.
---@class scion.Call
---@field [1] string

--- Where a value lies in the arena, as core.program and core.place take it.
---@class scion.Place
---@field offset integer bytes
---@field shape integer[] with the batch, as large as the plan's capacity, unless the value is fixed
---@field dtype scion.Dtype
---@field batch boolean whether the first dimension is the batch, which shrinks to the number of examples of a run
---@field stride integer elements from row to row

--- An empty one for a request to plan.compile.
---@param request scion.PlanRequest
---@return scion.IR
function ir.new(request)
  return setmetatable({ order = request.order, output_node = request.output, from = request.from, mode = request.mode, capacity = request.capacity,
                        input_dtype = request.input_dtype, precision = request.precision or "f32", loss = request.loss,
                        weighted = request.weighted, ops = {}, calls = {}, derived = {}, gradients = {}, pending = {} }, ir)
end

--- Adds a kernel call.
---@param call scion.Call
function ir:emit(call) self.calls[#self.calls + 1] = call end

return ir
