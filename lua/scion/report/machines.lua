--- comm:plan: how long a training step takes on one machine and on more.
---
--- A step of R ranks, each with at most q = ceil(S/R) of a batch's S parts, takes
---
---   q (reading + rest) + frozen(q) + (2q + 1) adding + update + handling + agreeing + what is left of the sums
---
--- where frozen(q) are the seconds of q parts below the frontier, which are computed at once, rest those of a part above it, adding is a pass over the
--- gradients (a part's are copied, and added to those of the parts before; the ranks' are added up, and the sum is taken), handling what messages take
--- of the CPU, and agreeing is three short messages. The sums of M bytes
--- of gradients go to the ranks that add them and back: 2 (R-1)/R M bytes from and to each rank, as a rule, which takes (k+1)/2 of that longer
--- where a rank sends k sums for its parts. They travel from when the first of them leave, some seconds before the last part's backward pass
--- ends, and while the frozen part of the next batch is computed, q reading + frozen(q) seconds; the rest is waited for.
local check = require "scion.check"
local checkpoint = require "scion.train.checkpoint"
local class = require "scion.class"
local core = require "scion.core"
local cached = require "scion.cache.cached"
local cut = require "scion.ir.cut"
local distributed = require "scion.train.distributed"
local inputs = require "scion.train.inputs"
local precision = require "scion.precision"
local shards = require "scion.train.shards"
local targets = require "scion.train.targets"
local text = require "scion.report.text"

local machines = {}

--- What a step costs on one machine, measured, and what its messages are.
---@class scion.StepCost
---@field reading number seconds in which the images of a part are read
---@field frozen number seconds of what is frozen, for a part by itself
---@field at_once integer the most parts that a rank has
---@field frozen_at_once number seconds of what is frozen, for so many parts
---@field rest number seconds of the rest of the forward pass and of the backward pass
---@field leaving number the last of these, from when gradients begin to leave
---@field adding number seconds in which gradients are added to others
---@field update number seconds of the update
---@field bytes integer of gradients that are added up, in f32
---@field wire "f32"|"bf16" as what they are sent
---@field parts integer of a batch
---@field batch integer images
---@field threads integer of a rank

---@class scion.MachinesRow
---@field ranks integer
---@field seconds number of a step
---@field compute number of these, what is computed
---@field messages number that messages take
---@field hidden number how much of that is under way while something else is computed
---@field efficiency number the speed against that of one machine, divided by their number

--- What comm:plan has found. It prints as a table.
---@class scion.Machines
---@field [integer] scion.MachinesRow
---@field cost scion.StepCost
---@field bandwidth number bits a second
---@field latency number seconds
---@field kept boolean whether what is frozen counts as kept, from the second epoch on
---@field within boolean whether the network was measured between two processes of one machine, and so is none
---@field pays integer the most machines of the list of which each step up still makes training a tenth faster for twice as many

local overhead = 3 -- messages of a step beside the sums: two to meet, and one with losses, outputs and labels, which travel together
local turns = 2 -- messages of a sum, in latencies: to the rank that adds, and back
--- Seconds of a core for a byte that TCP sends or receives, as measured within a machine; of bf16 with the rounding of numbers.
local handling = { f32 = 0.3e-9, bf16 = 0.5e-9 }

--- How many sums a rank sends for its parts: the branches of the tree that hold no others, see csrc/mpi/tree.h.
local function nodes_of(parts, rank, ranks)
  local first, last = shards.of_rank(parts, rank, ranks)
  local count = 0
  while first < last do -- the largest node of the tree that begins here and ends in the range
    local size = 1
    while first % (2 * size) == 0 and (first + 2 * size <= last or last == parts and first + size < parts) do size = 2 * size end
    first, count = first + size, count + 1
  end
  return count
end

--- Seconds of what is frozen, for so many parts at once: a line through those of one part and of the most that there are.
local function frozen_of(cost, q)
  return cost.at_once == 1 and q * cost.frozen or cost.frozen + (cost.frozen_at_once - cost.frozen) * (q - 1) / (cost.at_once - 1)
end

--- The time of a step.
---@param cost scion.StepCost
---@param ranks integer
---@param latency number seconds
---@param bandwidth number bits a second
---@return scion.MachinesRow
function machines.step(cost, ranks, latency, bandwidth)
  local q, most = math.ceil(cost.parts / ranks), 0
  for rank = 0, ranks - 1 do most = math.max(most, nodes_of(cost.parts, rank, ranks)) end
  local before, rest = q * cost.reading + frozen_of(cost, q), q * cost.rest + cost.update
  local sent = cost.wire == "bf16" and cost.bytes / 2 or cost.bytes
  local bytes = (most + 1) * (ranks - 1) / ranks * sent -- of a rank, and as many that it receives
  local sums = ranks == 1 and 0 or turns * latency + 8 * bytes / bandwidth
  if ranks > 1 then rest = rest + (2 * q + 1) * cost.adding + 2 * bytes * handling[cost.wire] / cost.threads end
  local agreeing = ranks == 1 and 0 or overhead * latency
  local hidden = math.min(sums, cost.leaving + before)
  return { ranks = ranks, compute = before + rest, messages = sums + agreeing, hidden = hidden, seconds = before + rest + agreeing + sums - hidden }
end

--- Rows for these numbers of machines, and the most that pay.
---@param cost scion.StepCost
---@param ranks integer[] in ascending order
---@param latency number
---@param bandwidth number
---@return scion.MachinesRow[]
---@return integer pays
function machines.rows(cost, ranks, latency, bandwidth)
  local alone, rows, pays = machines.step(cost, 1, latency, bandwidth).seconds, {}, 1
  for i, n in ipairs(ranks) do
    local row = machines.step(cost, n, latency, bandwidth)
    row.efficiency = alone / row.seconds / n
    local before = rows[i - 1]
    -- twice as many machines have to be a tenth faster
    if before and pays == before.ranks and before.seconds / row.seconds >= 1.1 ^ (math.log(n / before.ranks, 2)) or not before then pays = n end
    rows[i] = row
  end
  return rows, pays
end

-- ---- measuring --------------------------------------------------------------------------------------------------------

local least_rounds, most_rounds, most_seconds = 5, 50, 0.5

--- The seconds that f takes: the least of some rounds, of more where it is short, since what else the machine does makes them longer alone.
local function least(f)
  local found, rounds, start = math.huge, 0, core.clock()
  while rounds < least_rounds or rounds < most_rounds and core.clock() - start < most_seconds do
    local began = core.clock()
    f()
    found, rounds = math.min(found, core.clock() - began), rounds + 1
  end
  return found
end

--- Seconds in which the images of a part are read, once they have been read before.
local function reading(data, size)
  if not data.files and not data.images then return 0 end
  local order, seconds = core.arange(0, math.min(#data, 8 * size) - 1, 1, "i32"), nil
  for _ = 1, 2 do
    local began = core.clock()
    for _ in data:pass { order = order, batch = size, epoch = 0 } do end -- luacheck: ignore 542
    seconds = core.clock() - began
  end
  return seconds * size / #order
end

--- Seconds of what is frozen, for so many images at once, and its values.
local function run_frozen(model, data, node, count)
  local kind = data.values and "f32" or "u8"
  local images = core.new({ count, table.unpack(kind == "f32" and model.input.shape or { data.size[1], data.size[2], 3 }) }, kind)
  if not node then return 0, images end
  local plan = model:plan_for { mode = "infer", batch = count, input_dtype = kind, upto = node }
  local function run() model:execute(plan, { images = images }) end
  run()
  return least(run), core.place(model.arena, plan.output, count):copy()
end

--- What a step costs where a rank has at most so many of a batch's parts.
local function measure(model, data, parts, most)
  local size, loss = data.batch // parts, targets.loss(model)
  local index = {}
  for i = 1, size do index[i] = (i - 1) % #data end
  local target = targets.tensor("comm:plan", data:labels_at(core.from_table(index, "i32")), loss, model, data.labels, size)
  local found, cost = cut(model.order, model.output, #model.order), { parts = parts, batch = data.batch, at_once = most, reading = reading(data, size) }
  local node = found and found.macs > 0 and found.node or nil
  cost.frozen_at_once = run_frozen(model, data, node, most * size)
  local images
  cost.frozen, images = run_frozen(model, data, node, size)
  cost.frozen_at_once = math.max(cost.frozen_at_once, cost.frozen) -- more images never take less
  local plan = model:plan_for { mode = "train", batch = size, input_dtype = images:dtype(), loss = loss, labels = target:dtype(), from = node }
  local leaving, ends = math.huge, nil -- how long before the end gradients begin to leave
  local function leave() ends = ends or core.clock() end
  local function run()
    ends = nil
    model:execute(plan, { images = images, labels = target, step = 0 }, leave)
    leaving = math.min(leaving, ends and core.clock() - ends or 0.0)
  end
  run()
  cost.rest, cost.leaving = least(run), leaving
  local flat = plan.buffer and core.place(model.arena, plan.buffer) or core.new({ 1 }, "f32")
  cost.bytes = 4 * #flat
  local copy = flat:copy()
  cost.adding = least(function() core.run { "scaled_add_backward", dy = flat, db = copy, rate = 0.5, accumulate = true } end)
  cost.update = 3 * cost.adding -- an optimizer reads and writes a few times as much
  cost.threads = core.threads()
  local kept = cached.lay(model, data, {}, {}) ~= nil
  if kept then cost.frozen, cost.frozen_at_once, cost.reading = 0, 0, 0 end -- from the second epoch on
  return cost, kept
end

-- ---- the report -------------------------------------------------------------------------------------------------------

local function seconds(s) return s < 1 and (s < 0.01 and "%.2g ms" or "%.0f ms"):format(1000 * s) or ("%.2f s"):format(s) end

local function as_text(self)
  local rows = {}
  for i, row in ipairs(self) do
    rows[i] = { (row.ranks == self.pays and "> " or "  ") .. row.ranks, seconds(row.seconds), seconds(row.compute), seconds(row.messages), seconds(row.hidden),
                ("%.1f"):format(self.cost.batch / row.seconds), text.percent(row.efficiency) }
  end
  local lines = text.table({ { title = "  machines", least = 4 }, { title = "a step", right = true }, { title = "computing", right = true, optional = "computing" },
                             { title = "messages", right = true }, { title = "hidden", right = true, optional = "what of messages is hidden" },
                             { title = "images/s", right = true }, { title = "efficiency", right = true } }, rows)
  local last = self[#self].ranks
  local within = self.within and " That is between processes of one machine: for a plan of several give their network, such as { bandwidth = 1e9, latency = 2e-4 }." or ""
  local words = last == 1 and "A batch has one part, and so one machine: give shards, a number that divides it." or
    self.pays == 1 and "More than one machine does not pay: twice as many are not a tenth faster." or
    ("Up to %d machines, twice as many make training a tenth faster at least."):format(self.pays)
  if self.kept then words = words .. " The frozen part is kept: these are steps from the second epoch on." end
  table.move(text.wrap(("%s %s a step are added up%s, at %.3g Gbit/s and %.3g ms."):format(words, text.bytes(self.cost.bytes),
    self.cost.wire == "bf16" and " and sent as half of that" or "", self.bandwidth / 1e9, 1000 * self.latency) .. within,
                       text.width(), 2), 1, 9, #lines + 1, lines)
  return table.concat(lines, "\n")
end

local made = class.define { name = "scion.Machines", title = "a plan for machines", locked = { "cost", "bandwidth", "latency", "pays", "within", "kept" },
                            meta = { __tostring = as_text, __len = class.list_length } }

local several = check.list(check.whole(1, 1 << 20), nil, "a list of numbers of machines")
local schema = { ranks = { several }, bandwidth = { check.number { above = 0 } }, latency = { check.number { from = 0 } }, shards = { check.whole(1, 1 << 20) },
                 wire = { distributed.wires, "f32" } }

--- 1, 2, 4 … and the parts themselves.
local function doubled(parts)
  local list, n = {}, 1
  while n < parts do list[#list + 1], n = n, 2 * n end
  list[#list + 1] = parts
  return list
end

--- See comm:plan.
---@param comm scion.Comm
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.MachinesOptions?
---@return scion.Machines
function machines.new(comm, model, data, given)
  local where = "comm:plan"
  inputs.dataset(where, data)
  distributed.check(where, { comm }, data)
  inputs.fits(where, model, data)
  local o = check.options(where, given, schema)
  local parts = o.shards or shards.parts_of(data.batch)
  shards.check(where, data.batch, parts, 1)
  if comm.size > 1 then
    local facts = checkpoint.facts_of(model, data, nil, precision.in_use(model.precision, model, #data))
    facts[#facts + 1] = { "number of shards", tostring(parts) }
    facts[#facts + 1] = { "wire for gradients", o.wire }
    facts[#facts + 1] = { "list of ranks", o.ranks and table.concat(o.ranks, " ") or "none" }
    comm:same(where, facts, "plan")
  end
  local latency, bandwidth, within = comm:network()
  if comm.size > 1 and not latency then return nil end -- after an interrupt, which the caller raises
  within = within and not (o.latency and o.bandwidth) or false
  latency, bandwidth = o.latency or latency, o.bandwidth or bandwidth
  if not latency or not bandwidth then
    check.raise(where .. ": there is no network to measure without mpirun and two ranks: give bandwidth, in bits a second, and latency, in seconds, such " ..
                "as { bandwidth = 1e9, latency = 2e-4 }")
  end
  local ranks = {}
  if o.ranks and not o.ranks[1] then check.raise(where .. ": ranks is a list of numbers of machines, such as { 1, 2, 4, 8 }, and not an empty one") end
  for _, n in ipairs(o.ranks or doubled(parts)) do
    if n > parts then check.raise(("%s: %d machines are more than the %d shards of a batch: give shards = %d, and a batch that they divide"):format(where, n, parts, n)) end
    ranks[#ranks + 1] = n
  end
  table.sort(ranks)
  local cost, kept = measure(model, data, parts, math.ceil(parts / ranks[1]))
  cost = comm:slowest(cost)
  cost.wire = o.wire
  local rows, pays = machines.rows(cost, ranks, latency, bandwidth)
  rows.cost, rows.bandwidth, rows.latency, rows.pays, rows.within, rows.kept = cost, bandwidth, latency, pays, within, kept
  return made.new(rows)
end

return machines
