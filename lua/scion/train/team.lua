--- A step on several processes: what each computes of a batch, and how they come to the same sums.
---
--- A batch is cut into parts of one size (see shards.lua). A process computes the parts that are its own, each by itself, as if it were a batch.
--- Losses, outputs and labels of all parts then go to all processes, and gradients and new moving averages are added up in a fixed tree over the
--- parts. So every process has the whole step, to the same bits as any other number of processes would have it, and all else that a fit
--- does (the update, metrics, callbacks, schedules) is the same on all without another message.
local checkpoint = require "scion.train.checkpoint"
local core = require "scion.core"
local distributed = require "scion.train.distributed"
local events = require "scion.train.events"
local gradients = require "scion.train.gradients"
local graph = require "scion.graph"
local shards = require "scion.train.shards"

---@class scion.Team
---@field comm scion.Comm
---@field parts integer of a batch
---@field first integer this rank's first part, from 0; it has `share.pieces` of them
---@field share scion.Share
---@field done integer how many of its parts of the batch it has computed
---@field private reduction userdata?
---@field mixed boolean whether ranks may have CPUs with other instruction sets
---@field halves boolean whether sums of gradients are rounded to bf16
---@field private elements integer of the buffer that is added up
---@field private open boolean whether the sums of a step are under way
---@field private released integer how many gradients of the part at hand were added up
---@field private may_read_ahead boolean?
---@field private rows { losses: scion.Tensor[], output: scion.Tensor[], y: scion.Tensor[] } of this rank's parts of the batch
---@field private failed scion.Failure[] of this epoch and rank, until all know them
local Team = {}
Team.__index = Team

local function add(list, tensor) list[#list + 1] = tensor:copy() end

--- The number of the step that the part at hand draws from.
---@param run scion.Run
---@return integer
function Team:step_number(run) return run.model.steps + run.parts.batches * self.parts + self.first + self.done end

--- Whether the part at hand is this rank's last one of its batch.
---@return boolean
function Team:ends_batch() return self.done + 1 == self.share.pieces end

--- What is added up, as a run has left it in the arena: the gradients, and behind them the new moving averages. Returns a list of tensors of one axis,
--- each with the number of its first element, from 0; and how many elements there are.
local function buffers(plan, arena)
  local flat = gradients.of(plan, arena).flat
  local list, at = { { at = 0, tensor = flat } }, #flat
  for _, p in ipairs(plan:averages(arena)) do
    list[#list + 1] = { at = at, tensor = p.new }
    at = at + #p.new
  end
  return list, at
end

--- Adds a part's gradients, from number `first` of them on, and moving averages, each times its examples.
local function add_part(self, plan, arena, first, n)
  for i, each in ipairs(n > 0 and buffers(plan, arena) or {}) do
    local at = i == 1 and first or 0
    if at < #each.tensor then self.reduction:add(self.first + self.done, each.at + at, each.tensor:slice(1, at + 1, #each.tensor), n) end
  end
end

--- What all ranks have to have alike before they add up a step, in a text.
local function alike(run)
  local words = { tostring(run.team.elements), run.model:freeze_state() }
  for _, group in ipairs(run.optimizer.groups) do words[#words + 1] = tostring(group.lr) end
  words[#words + 1] = tostring(run.optimizer.lr)
  return table.concat(words, " ")
end

--- Begins the sums of a step, which all ranks have come to: from here on all of them send what they have, whatever happens.
local function open(self)
  self.comm:surely(self.reduction.open, self.reduction)
  self.open = true
end

--- Before a part is computed, for which there is memory. Before the last one of a batch ranks meet, so that its gradients can leave as soon as they
--- are there. Returns false after an interrupt on one of the ranks.
---@param run scion.Run
---@param plan scion.Plan
---@return boolean
function Team:begin_part(run, plan)
  local list, elements = buffers(plan, run.model.arena)
  if not self.reduction or self.elements ~= elements then
    self.reduction, self.elements = self.comm:reduction(elements, self.parts, self.halves and #list[1].tensor or 0), elements
  end
  self.released = 0
  if run.accumulate > 1 or not self:ends_batch() then return true end
  if not self.comm:meet("step", 0, nil, alike(run)) then return false end
  open(self)
  return true
end

--- What a part's backward pass calls as its gradients become complete, which are added up while they are in the CPU's caches; nil where a step has
--- several batches.
---@param run scion.Run
---@param plan scion.Plan
---@param n integer examples
---@return fun(elements: integer)?
function Team:takes(run, plan, n)
  if run.accumulate > 1 then return nil end
  local flat = gradients.of(plan, run.model.arena).flat
  return function(elements)
    self.reduction:add(self.first + self.done, self.released, flat:slice(1, self.released + 1, elements), n)
    self.reduction:release(elements)
    self.released = elements
  end
end

--- What all ranks have of a batch joins the step.
local function exchange(self, run)
  local rows = self.rows
  local joined = self.comm:rows("step", { core.concat(rows.losses), core.concat(rows.output), core.concat(rows.y) }, not self.open and alike(run) or nil)
  self.rows, self.done = { losses = {}, output = {}, y = {} }, 0
  if not joined then return false end
  local parts, n = run.parts, #joined[1]
  if n == 0 then return true end -- no image of the batch could be read
  parts.sums[#parts.sums + 1] = { losses = joined[1], output = joined[2], y = joined[3] }
  parts.batches, parts.examples, parts.loss = parts.batches + 1, parts.examples + n, parts.loss + joined[1]:sum()
  return true
end

--- Gives up what was added to a step.
local function forget(self)
  self.reduction:forget()
  self.open = false
end

--- Whether this rank has computed its parts of a batch, and does not know of the others'.
---@return boolean
function Team:waits() return self.done == self.share.pieces end

--- Learns what the others have of the batch, unless it knows. Where the sums are open that is put off until the step ends: a short message would
--- stand behind those that were sent. Returns false after an interrupt on one of the ranks.
---@param run scion.Run
---@return boolean
function Team:join(run)
  if not self:waits() then return true end
  if not exchange(self, run) then return false end
  if run.parts.batches == 0 and run.accumulate == 1 then forget(self) end
  return true
end

--- Takes what a part has given, and at the end of the batch what the others' parts have. Returns false after an interrupt on one of the ranks.
---@param run scion.Run
---@param plan scion.Plan
---@param batch scion.Batch
---@param losses scion.Tensor
---@param output scion.Tensor
---@return boolean
function Team:take(run, plan, batch, losses, output)
  add_part(self, plan, run.model.arena, self.released, #batch)
  if run.accumulate == 1 then self.reduction:release(self.elements) end
  for _, failure in ipairs(batch.failed) do self.failed[#self.failed + 1] = failure end
  add(self.rows.losses, losses)
  add(self.rows.output, output)
  add(self.rows.y, batch.y)
  self.done = self.done + 1
  run.parts.plan = plan
  return self.open or self:join(run)
end

--- Sends what this rank has gathered of a step. Returns whether the next batch may be read before the sums are there:
--- not where a callback of the user's may freeze layers, or change weights, between two steps.
---@param run scion.Run
---@return boolean
function Team:start(run)
  if not self.open then
    open(self)
    self.reduction:release(self.elements)
  end
  if self.may_read_ahead == nil then self.may_read_ahead = events.leave_layers_alone(run) end
  return self.may_read_ahead
end

--- Adds up what all ranks have gathered: afterwards the gradients in the arena, and the new moving averages, are those of the whole step.
---@param run scion.Run
---@param plan scion.Plan
function Team:sum(run, plan)
  if not self.open then open(self) end
  self.reduction:finish()
  self.open = false
  for _, each in ipairs((buffers(plan, run.model.arena))) do self.reduction:take(each.at, each.tensor, 1 / run.parts.examples) end
end

--- Gives up what was gathered of a step.
function Team:abandon()
  self.done, self.rows = 0, { losses = {}, output = {}, y = {} }
  if self.reduction then forget(self) end
end

--- Ends the steps of an epoch: all ranks know of the images that one of them could not read. Returns false after an interrupt.
---@param run scion.Run
---@return boolean
function Team:end_steps(run)
  local failed = distributed.failures(self.comm, "epoch", run.data, self.failed)
  if not failed then return false end
  self.failed = {}
  run.sums:leave_out(failed)
  return true
end

--- Where CPUs with other instruction sets take part, gives all of them rank 0's weights, of which the last bits may differ.
---@param model scion.Model
function Team:share_weights(model)
  if not self.mixed then return end
  for _, p in graph.parameters(model.order) do self.comm:broadcast(p.tensor) end
end

--- Ends a fit, behind which all ranks have the same weights. Returns false after an interrupt.
---@param model scion.Model
---@return boolean
function Team:end_fit(model)
  self:share_weights(model)
  return self.comm:meet("end of fit", 0, nil, checkpoint.of_weights(model)) ~= false
end

--- The sum of a number over all ranks; this rank's own after an interrupt.
---@param n integer
---@return integer
function Team:total(n)
  local sum = 0
  for _, each in ipairs(self.comm:meet("epoch", n) or { n }) do sum = sum + each end
  return sum
end

--- What a rank does of a fit; nil where mpirun has not started it.
---@param where string
---@param o scion.DistributedOptions?
---@param data scion.Dataset
---@return scion.Team?
return function(where, o, data)
  local comm = distributed.comm(o)
  if not comm then return nil end
  local batch = data.batch
  local parts = o.shards or shards.parts_of(batch)
  shards.check(where, batch, parts, comm.size)
  local first, last = shards.of_rank(parts, comm.rank, comm.size)
  local cut, pieces = { batch = batch, parts = parts, first = first, last = last }, last - first
  local share = { size = batch // parts, pieces = pieces,
                  order = function(set, epoch, shuffled) return shards.order(set, epoch, shuffled, cut) end,
                  number = function(i) return (i - 1) // pieces * parts + first + (i - 1) % pieces + 1 end }
  return setmetatable({ comm = comm, parts = parts, halves = o.wire == "bf16", mixed = o.mixed, first = first, share = share, done = 0,
                        rows = { losses = {}, output = {}, y = {} }, failed = {} }, Team)
end
