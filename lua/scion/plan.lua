--- Plans: from a graph, its freeze state and a mode to a program of kernel steps. The passes are in plan/, each a file; this
--- file runs them in order and holds the result.
local core = require "scion.core"
local alias = require "scion.plan.alias"
local backward = require "scion.plan.backward"
local cost = require "scion.plan.cost"
local expand = require "scion.plan.expand"
local fold = require "scion.plan.fold"
local forward = require "scion.plan.forward"
local frontier = require "scion.plan.frontier"
local fuse = require "scion.plan.fuse"
local loss = require "scion.plan.loss"
local pad = require "scion.plan.pad"
local place = require "scion.plan.place"
local precision = require "scion.plan.precision"

---@class scion.Plan
---@field capacity integer largest batch
---@field arena_bytes integer
---@field precision "f32"|"bf16" of what does not train
---@field gradients { layer: scion.Layer, parameter: scion.Parameter, place: table }[]
local plan = {}
plan.__index = plan

--- A new intermediate form, after the passes that put layers together.
local function analyse(request)
  local ir = { order = request.order, output_node = request.output, from = request.from, mode = request.mode, loss = request.loss,
               weighted = request.weighted, input_dtype = request.input_dtype, precision = request.precision, capacity = request.capacity,
               steps = {}, derived = {}, gradients = {}, pending = {} }
  function ir.emit(kernel)
    ir.steps[#ir.steps + 1] = kernel
  end
  expand(ir)
  pad(ir)
  frontier(ir)
  loss.attach(ir)
  fold(ir)
  fuse(ir)
  return ir
end

--- Runs all passes.
local function compile(request)
  local ir = analyse(request)
  precision(ir)
  alias(ir)
  forward(ir)
  loss.emit(ir)
  ir.forward_steps = #ir.steps
  if ir.mode == "train" then backward(ir) end
  ir.inputs = { ir.input, ir.labels }
  if ir.weights then ir.inputs[#ir.inputs + 1] = ir.weights end
  ir.outputs = { ir.probabilities or ir.output.value }
  if ir.losses then ir.outputs[#ir.outputs + 1] = ir.losses end
  ir.arena_bytes = place(ir)
  return ir
end

--- The operations that an inference by a model would execute, in order; no kernels are made for them.
---@param order scion.Node[]
---@param output scion.Node
---@return scion.Operation[]
function plan.operations(order, output) return analyse({ order = order, output = output, mode = "infer" }).ops end

---@class scion.PlanRequest
---@field order scion.Node[]
---@field output scion.Node
---@field from scion.Node? the first of `order`, whose value is given in place of images
---@field mode "train"|"infer"
---@field capacity integer
---@field input_dtype "u8"|"f32"
---@field precision "f32"|"bf16"|nil
---@field loss string?
---@field weighted boolean?

--- Compiles a plan.
---@param request scion.PlanRequest
---@return scion.Plan
function plan.compile(request)
  local ir = compile(request)
  local self = setmetatable({ capacity = ir.capacity, arena_bytes = ir.arena_bytes, derived = ir.derived, ops = ir.ops, mode = ir.mode,
                              precision = ir.precision or "f32",
                              steps = ir.steps, cost = cost.total(ir.ops), gradients = {}, pending = {} }, plan)
  self.program = core.program(ir.program_steps)
  self.input, self.labels, self.weights = ir.places[ir.input], ir.places[ir.labels], ir.weights and ir.places[ir.weights]
  self.output = ir.places[ir.outputs[1]]
  self.losses = ir.losses and ir.places[ir.losses]
  for i, g in ipairs(ir.gradients) do self.gradients[i] = { layer = g.layer, parameter = g.parameter, place = ir.places[g.value] } end
  for i, p in ipairs(ir.pending) do self.pending[i] = { tensor = p.tensor, place = ir.places[p.value] } end
  return self
end

--- Copies a batch in and executes the program.
---@param arena scion.Tensor at least arena_bytes of u8
---@param batch { images: scion.Tensor, labels: scion.Tensor?, weights: scion.Tensor?, step: integer? }
---@return boolean complete false if an interrupt came
function plan:run(arena, batch)
  local n = batch.images:shape()[1]
  for _, entry in ipairs(self.derived) do entry.refresh() end
  core.copy(batch.images, core.place(arena, self.input, n))
  if self.labels then core.copy(batch.labels, core.place(arena, self.labels, n)) end
  if self.weights then core.copy(batch.weights, core.place(arena, self.weights, n)) end
  return self.program:run(arena, n, batch.step or 0)
end

--- Takes over the statistics that the last training step moved.
function plan:commit(arena)
  for _, p in ipairs(self.pending) do core.copy(core.place(arena, p.place), p.tensor) end
end

return plan
