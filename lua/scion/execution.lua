--- How a model runs: the plans that it keeps, and the memory in which they compute. The functions are methods of scion.Model for the library.
local check = require "scion.check"
local core = require "scion.core"
local graph = require "scion.graph"
local held = require "scion.ir.held"
local losses = require "scion.ir.losses"
local plan = require "scion.plan"
local precision = require "scion.precision"
local quantization = require "scion.ir.quantization"

local execution = {}

--- How many compiled plans a model keeps: enough for training, validation and a few changes of what is frozen.
local plans_kept = 4

--- A plan for a mode and a batch of at least that size: a kept one if there is one, else a new one. It covers the whole network, or the
--- part up to a node (`upto`), or the part after a node (`from`), whose input is that node's value.
---@param request { mode: "train"|"infer", batch: integer, input_dtype: string, loss: string|scion.Loss|nil, labels: "i32"|"f32"|nil, weighted: boolean?, precision: string?,
--- upto: scion.Node?, from: scion.Node?, bytes: boolean?, taps: scion.Node[]?, gradients_of: scion.Node[]? } labels: the dtype of what the loss compares
--- with; bytes: whether the value of `upto` is given as bytes, in precision int8; taps, gradients_of: as for plan.compile
---@return scion.Plan
function execution:plan_for(request)
  local in_use = precision.in_use(request.precision or self.precision, self)
  local frozen = precision.parts(in_use)
  if request.mode == "infer" then in_use = frozen end
  local preprocess = request.input_dtype == "u8" and self.input.layer.options.preprocess
  local loss = request.loss and losses.of(request.loss)
  local state, upto, from = request.mode == "train" and self:freeze_state() or "", request.upto, request.from
  local function names(nodes)
    local list = {}
    for i, node in ipairs(nodes or list) do list[i] = node.layer.name end
    return table.concat(list, ",")
  end
  local ranges = "-"
  if frozen == "int8" then -- in training nothing changes of what is computed in int8
    ranges = quantization.revision() .. (request.mode == "infer" and " " .. graph.version(graph.weights(upto or self.output)) or "")
  end
  local key = table.concat({ request.mode, request.input_dtype, losses.key(loss), request.labels or "-", request.weighted and "w" or "-", in_use, ranges,
                             request.bytes and "bytes" or "-", upto and "upto " .. upto.layer.name or from and "from " .. from.layer.name or "-",
                             names(request.taps), names(request.gradients_of) }, " ")
  for i, kept in ipairs(self.plans) do
    if kept.key == key and kept.state == state and kept.preprocess == preprocess and kept.plan.capacity >= request.batch then
      table.insert(self.plans, 1, table.remove(self.plans, i))
      return kept.plan
    end
  end
  local order = upto and graph.order(upto) or from and graph.from(self.order, from) or self.order
  local bytes, from_codes = request.bytes and upto or nil, nil
  if frozen == "int8" then
    if from then from_codes = held.codes(from) elseif request.mode == "train" then bytes = held.frontier(order, self.output) end
  end
  local made = plan.compile { order = order, bytes = bytes, from_codes = from_codes, output = upto or self.output, from = from, mode = request.mode,
                              capacity = request.batch, input_dtype = request.input_dtype, precision = in_use, loss = loss, labels = request.labels,
                              weighted = request.weighted, taps = request.taps, gradients_of = request.gradients_of }
  table.insert(self.plans, 1, { key = key, state = state, preprocess = preprocess, plan = made })
  self.plans[plans_kept + 1] = nil
  return made
end

--- Gives the model an arena that is large enough for a plan. Where there is no memory for it the plan is forgotten, so that smaller batches do not
--- take it again.
---@param made scion.Plan
function execution:reserve(made)
  if self.arena and self.arena:shape()[1] >= made.arena_bytes then return end
  self.arena = nil -- first, so that the new one can have its memory
  for _, kept in ipairs(self.plans) do kept.plan.views, kept.plan.average_views = nil, nil end
  local ok, arena = check.try(core.new, { made.arena_bytes }, "u8")
  if not ok then
    for i, kept in ipairs(self.plans) do
      if kept.plan == made then
        table.remove(self.plans, i)
        break
      end
    end
    local instead = made.mode == "train" and "smaller images or freezing more layers" or "smaller images"
    if made.capacity > 1 then instead = "a smaller batch" .. (made.mode == "train" and ", " or " or ") .. instead end
    check.raise(("%s for a batch of %d: %s take less memory"):format(arena, made.capacity, instead))
  end
  self.arena = arena
end

--- Runs a plan on a batch in the model's arena, which all its plans share. The results stay there until the next run.
---@param made scion.Plan
---@param batch table as for plan:run
---@param told? fun(elements: integer) likewise
---@return boolean complete false after an interrupt
function execution:execute(made, batch, told)
  if self.executing then
    check.raise "a loss of one's own cannot use the model that it is the loss of, whose step it is a part of: give it another one, such as a copy by scion.load"
  end
  self:reserve(made)
  if not made.rest then return made:run(self.arena, batch, told) end
  self.executing = true
  local ok, complete = pcall(made.run, made, self.arena, batch, told)
  self.executing = false
  return ok and complete or not ok and error(complete, 0)
end

return execution
