--- Plans. A plan is compiled from a graph, the layers' frozen flags and a mode. It is a list of kernel calls that a single call into C
--- executes. The compiler passes are listed below, one file of plan/ each; ir/ defines the data that they work on.
---
--- Terms:
---   kernel      a function of the C core that computes on tensors: conv2d_forward, softmax_cross_entropy
---   call        one kernel with its operands and options; a plan is a list of calls
---   program     such a list in the form that C runs
---   step        one training step: forward, backward and update with one batch. It takes some hundred calls
---   operation   a node of the intermediate representation: a layer with its inputs
---   value       a tensor that calls write and read: an activation, a gradient, a packed kernel
---   place       where a value lies in the arena: offset, shape, dtype and row stride
---   arena       the buffer for all values of a plan; values that are not needed at the same time share memory
---   emitter     the object by which a layer's forward and backward methods add their calls
---   pass        a compiler pass: a function that reads the intermediate representation and changes it
---   frontier    the deepest cut below which nothing trains
---   gate        the last activation of a squeeze-and-excite block, which scales the channels
local core = require "scion.core"
local cost = require "scion.ir.cost"
local new_ir = require("scion.ir").new
local own_loss = require "scion.ir.own_loss"

--- Loads passes by name from plan/.
local function passes(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = require("scion.plan." .. name) end
  return list
end

--- Passes that decide what is computed: layers become operations, as few as the kernels allow.
local analysis = passes {
  "expand", --    graph nodes become operations
  "pad", --       borders of zeros go into the windows of convolutions
  "frontier", --  what trains, and which gradients are needed for it
  "logits", --    the loss takes over the last activation
  "fold", --      batch norms with stored statistics go into convolutions and dense layers
  "fuse", --      additions and activations go into the kernels before them
  "precision", -- what is computed in bf16 and int8, and where values are converted
  "algorithm", -- which kernels compute a convolution
}

--- Passes that decide how it is computed: operations become calls on places in the arena.
local emission = passes {
  "alias", --     operations get values; concatenations cost nothing
  "forward", --   forward calls
  "loss", --      the call for the loss and its gradient
  "backward", --  backward calls, above the frontier
  "gradients", -- gradients of parameters lie in one buffer
  "arena", --     values get places
}

---@class scion.Plan
---@field mode "train"|"infer"
---@field capacity integer largest batch
---@field precision string as precision.in_use gives it
---@field ops scion.Operation[]
---@field calls scion.Call[] in the order in which they run
---@field cost scion.Cost
---@field arena_bytes integer
---@field input scion.Place
---@field loss scion.Loss?
---@field labels scion.Place? of a plan with a loss
---@field weights scion.Place? of one whose examples have weights
---@field output scion.Place
---@field losses scion.Place? of a plan with a loss: one for each example
---@field taps table<scion.Node, scion.Place> the values of the nodes asked for
---@field seed scion.Place? of a plan that gives gradients of nodes: the gradient with respect to its output, which is an input
---@field node_gradients table<scion.Node, scion.Place>
---@field private rest table? the program after a loss of the user's own
---@field private own_losses scion.Place? where its results go
---@field private own_gradients scion.Place?
---@field gradients { layer: scion.Layer, parameter: scion.Parameter, place: scion.Place }[]
---@field views scion.Gradients? of the gradients in the arena, made at first use; given up with the arena: see gradients.of
---@field buffer scion.Place? of all gradients, one after the other; nil if nothing trains
---@field private marks scion.Mark[] of the last program
---@field pending { tensor: scion.Tensor, place: scion.Place }[] moving averages, and where a step leaves their new values
---@field private average_views table? as of plan:averages, given up with the arena, too
---@field derived { refresh: fun(), target: any }[] tensors derived from parameters; refresh builds them again if a parameter has changed
local plan = {}
plan.__index = plan

local function run(ir, list)
  for _, pass in ipairs(list) do pass(ir) end
  return ir
end

--- The operations that an inference would execute, in order: the result of the analysis passes, without kernel calls.
---@param order scion.Node[]
---@param output scion.Node
---@param precision? string as precision.in_use gives it (f32)
---@param bytes? scion.Node as of plan.compile
---@return scion.Operation[]
function plan.operations(order, output, precision, bytes)
  return run(new_ir { order = order, output = output, mode = "infer", precision = precision, bytes = bytes }, analysis).ops
end

---@class scion.PlanRequest
---@field order scion.Node[]
---@field output scion.Node
---@field from scion.Node? the first node of `order`, if batches hold its value in place of images
---@field mode "train"|"infer"
---@field capacity integer largest batch
---@field input_dtype "u8"|"f32" u8: images, 0 to 255, which the plan preprocesses
---@field precision string? as precision.in_use gives it (f32)
---@field bytes scion.Node? whose value is bytes in precision int8, if it has codes, whoever reads it: so it is the same in each plan (none)
---@field from_codes scion.Codes? of the value of `from`, so that what is computed of it in int8 takes the very same bytes
---@field loss scion.Loss?
---@field labels "i32"|"f32"|nil dtype of the labels that the loss takes (i32 class numbers where it has classes, else f32)
---@field weighted boolean? whether each example has a weight in the loss
---@field taps scion.Node[]? whose values the plan gives, too (none)
---@field gradients_of scion.Node[]? of whose values the plan gives gradients, in inference: of the sum of all outputs, each times its element in
--- the batch's `seed`. A softmax or sigmoid at the end is left out, so that outputs are logits (none)

--- Compiles a plan. Raises if one of its values would have more than 2^40 elements for a batch.
---@param request scion.PlanRequest
---@return scion.Plan
function plan.compile(request)
  local ir = run(run(new_ir(request), analysis), emission)
  local places = ir.places
  local self = setmetatable({ mode = ir.mode, capacity = ir.capacity, precision = ir.precision, ops = ir.ops, calls = ir.calls,
                              cost = cost.total(ir.ops), arena_bytes = ir.arena_bytes, derived = ir.derived, gradients = {}, pending = {} }, plan)
  self.loss = ir.loss
  if ir.loss and ir.loss.own then
    local calls, first = ir.placed_calls, ir.forward_calls
    self.program, self.rest = core.program(table.move(calls, 1, first, 1, {})), core.program(table.move(calls, first + 1, #calls, 1, {}))
    self.own_losses, self.own_gradients = places[ir.own_losses], places[ir.own_gradients]
    for _, mark in ipairs(ir.marks) do mark.call = mark.call - first end
  else
    self.program = core.program(ir.placed_calls)
  end
  self.input, self.output = places[ir.input], places[ir.result]
  self.buffer, self.marks = places[ir.buffer], ir.marks
  self.labels, self.weights, self.losses = places[ir.labels], places[ir.weights], places[ir.losses]
  self.seed, self.taps, self.node_gradients = places[ir.seed], {}, {}
  for node, v in pairs(ir.tap_values) do self.taps[node] = places[v] end
  for node, v in pairs(ir.node_gradients) do self.node_gradients[node] = places[v] end
  for i, g in ipairs(ir.gradients) do self.gradients[i] = { layer = g.layer, parameter = g.parameter, place = places[g.value] } end
  for i, p in ipairs(ir.pending) do self.pending[i] = { tensor = p.tensor, place = places[p.value] } end
  return self
end

--- Runs the program with the backward pass, and tells of the gradients that are complete meanwhile.
local function run_last(self, program, arena, n, step, told)
  local first = 1
  for _, mark in ipairs(told and self.marks or {}) do
    if mark.call >= first then
      if not program:run(arena, n, step, first, mark.call) then return false end
      first = mark.call + 1
    end
    told(mark.elements)
  end
  return program:run(arena, n, step, first)
end

--- Builds derived tensors again where parameters changed, copies a batch into the arena and runs the program: in two parts where the loss
--- is a function of the user's, which is called between them. It changes no parameter and no moving average: the optimizer and
--- plan:commit do.
---@param arena scion.Tensor u8 [at least arena_bytes]
---@param batch { images: scion.Tensor, labels: scion.Tensor?, weights: scion.Tensor?, seed: scion.Tensor?, step: integer? } seed: the gradient
--- with respect to the output, of a plan that gives gradients of nodes; step: the number of the training step, from which dropout draws
---@param told? fun(elements: integer) called now and then in the backward pass: so many first elements of the flat buffer of gradients are complete
---@return boolean complete false after an interrupt
function plan:run(arena, batch, told)
  local n, step = batch.images:shape()[1], batch.step or 0
  for _, entry in ipairs(self.derived) do entry.refresh() end
  core.copy(batch.images, core.place(arena, self.input, n))
  if self.labels then core.copy(batch.labels, core.place(arena, self.labels, n)) end
  if self.weights then core.copy(batch.weights, core.place(arena, self.weights, n)) end
  if self.seed then core.copy(batch.seed, core.place(arena, self.seed, n)) end
  if not self.rest then return run_last(self, self.program, arena, n, step, told) end
  if not self.program:run(arena, n, step) then return false end
  local losses, gradients = own_loss.compute(self.loss, core.place(arena, self.output, n), batch.labels, self.own_gradients ~= nil)
  core.copy(losses, core.place(arena, self.own_losses, n))
  if gradients then core.copy(gradients, core.place(arena, self.own_gradients, n)) end
  return run_last(self, self.rest, arena, n, step, told)
end

--- Copies the moving averages that the last run computed to their layers. It is called when the step is accepted, since a step with a loss
--- that is not finite must leave no trace.
---@param arena scion.Tensor of that run
function plan:commit(arena)
  for _, p in ipairs(self:averages(arena)) do core.copy(p.new, p.tensor) end
end

--- The moving averages that a run has computed, each with the layer's own. The views are made once: so nothing can fail between the change of
--- the weights and that of the averages.
---@param arena scion.Tensor of that run
---@return { new: scion.Tensor, tensor: scion.Tensor }[]
function plan:averages(arena)
  if not self.average_views or self.average_views.arena ~= arena then
    local views = { arena = arena }
    for i, p in ipairs(self.pending) do views[i] = { new = core.place(arena, p.place), tensor = p.tensor } end
    self.average_views = views
  end
  return self.average_views
end

return plan
