--- Freeze schedules: which layers train when, as data. A schedule is a list of stages; fit runs them one after the other. A stage that has
--- not begun may be changed while a fit runs, as by a callback: schedule[2].lr = 1e-5.
local check = require "scion.check"
local class = require "scion.class"
local cut = require "scion.ir.cut"
local depth = require "scion.train.depth"
local graph = require "scion.graph"
local interrupts = require "scion.interrupts"
local kinds = require "scion.train.kinds"
local rate = require "scion.rate"
local text = require "scion.report.text"

local schedule = {}

--- One stage. At most one of `train`, `from`, `upto`, `first` and `blocks` is given; without any of them the freezing stays as it is.
---@class scion.StageOptions
---@field epochs? integer how many epochs it has (1)
---@field train? "head"|"all" the head alone, which is what was grafted onto a trunk (else the last layer with weights); or everything
---@field from? string a layer or block: everything from it on trains, as with model:thaw{ from = … }
---@field upto? string a layer or block: everything up to it is frozen, as with model:freeze{ upto = … }
---@field first? integer so many layers are frozen, as with model:freeze{ first = … }
---@field blocks? integer the head and so many blocks of the trunk train, counted from its end
---@field optimizer? scion.Optimizer (that of the stage before; in the first one, that of fit)
---@field lr? number|scion.Rate the optimizer's learning rate from this stage on, up to one that names an optimizer or a rate (its own)
---@field patience? integer the stage ends early once the validation loss (without one, the loss) has not fallen for so many epochs (never)

local choices = { "train", "from", "upto", "first", "blocks" }

local whole = check.whole(1, (1 << 31) - 1)

local schema = {
  epochs = { whole, 1, usual = true }, train = { check.one_of("head", "all") }, from = { check.text }, upto = { check.text },
  first = { check.whole(0, (1 << 31) - 1) }, blocks = { whole }, optimizer = { kinds.optimizer }, lr = { kinds.rate }, patience = { whole },
}

local settable = {}
for name, option in pairs(schema) do settable[name] = name == "epochs" and option[1] or check.optional(option[1]) end

--- A choice of a stage that is there already: it cannot be set beside another one.
local function alone(name)
  return function(self)
    local other = nil
    for _, each in ipairs(choices) do other = other or each ~= name and self[each] ~= nil and each end
    return check.optional(not other and schema[name][1] or check.kind(name, function()
      return false, nil, ("cannot stand beside %s, as a stage takes one of train, from, upto, first and blocks: set %s = nil first"):format(other, other)
    end))
  end
end
for _, name in ipairs(choices) do settable[name] = alone(name) end

--- What a stage freezes, in the words of the option: "from = 'mixed9'"; nil if it changes nothing.
---@param of scion.Stage
---@return string?
function schedule.choice(of)
  for _, name in ipairs(choices) do
    if of[name] ~= nil then return ("%s = %s"):format(name, check.show(of[name])) end
  end
end

--- A stage in words; made: with the optimizer as it was made, and not as its options were set since then.
local function stage_text(self, made)
  local parts = { ("%d epoch%s"):format(self.epochs, self.epochs == 1 and "" or "s"), schedule.choice(self) or "frozen as before" }
  if self.optimizer then parts[#parts + 1] = made and self.optimizer.made or tostring(self.optimizer) end
  if self.lr then parts[#parts + 1] = "lr = " .. (type(self.lr) == "number" and ("%g"):format(self.lr) or tostring(self.lr)) end
  if self.patience then parts[#parts + 1] = "patience = " .. self.patience end
  return table.concat(parts, ", ")
end

local stage = class.define { name = "scion.Stage", title = "a stage", settable = settable, meta = { __tostring = function(self) return stage_text(self) end } }

--- A stage in words that stay the same while it runs.
---@param of scion.Stage
---@return string
function schedule.identity(of) return stage_text(of, true) end

--- All stages in these words.
---@param stages scion.Stage[]
---@return string[]
function schedule.given(stages)
  local list = {}
  for i = 1, #stages do list[i] = schedule.identity(stages[i]) end
  return list
end

--- The fields of a stage that may have been set since the fit began, as plain data; its optimizer only as words.
---@param of scion.Stage
---@return table
function schedule.plain(of)
  local fields = { epochs = of.epochs, patience = of.patience, lr = of.lr and rate.plain(of.lr), optimizer = of.optimizer and of.optimizer.made }
  for _, name in ipairs(choices) do fields[name] = of[name] end
  return fields
end

--- Sets them again, but for the optimizer.
---@param of scion.Stage
---@param fields table as of schedule.plain
function schedule.set(of, fields)
  for _, name in ipairs(choices) do of[name] = nil end
  for _, name in ipairs(choices) do of[name] = fields[name] end
  of.epochs, of.patience, of.lr = fields.epochs, fields.patience, fields.lr and rate.made(fields.lr)
end

-- ---- what a stage freezes -------------------------------------------------------------------------------------------

--- The position of the trunk's last layer; without a graft, of the layer before the last one with weights.
local function trunk_end(model)
  for i, node in ipairs(model.order) do
    if node.layer.name == model.trunk then return i end
  end
  for i = #model.order, 1, -1 do
    if #model.order[i].layer.parameters > 0 then return i - 1 end
  end
  return #model.order
end

--- The first positions of the trunk's blocks that have weights, from its end on.
local function blocks_of(model)
  local starts, seen = {}, {}
  for i = 1, trunk_end(model) do
    local node = model.order[i]
    local block = depth.block_of(node)
    if #node.layer.parameters > 0 and not seen[block] then
      seen[block] = true
      table.insert(starts, 1, i)
    end
  end
  return starts
end

local function set_frozen(model, upto)
  for i, node in ipairs(model.order) do node.layer.frozen = i <= upto end
end

--- Freezes and thaws layers as a stage says. Raises if it names no layer.
---@param of scion.Stage
---@param model scion.Model
function schedule.freeze(of, model)
  if of.train == "head" then return set_frozen(model, trunk_end(model)) end
  if of.train == "all" then return set_frozen(model, 0) end
  if of.from then return set_frozen(model, graph.find(model.order, of.from)[1] - 1) end
  if of.first then
    if of.first > #model.order then check.raise(("first = %d, but the model has %d layers"):format(of.first, #model.order)) end
    return set_frozen(model, of.first)
  end
  if of.upto then
    local found = graph.find(model.order, of.upto)
    return set_frozen(model, found[#found])
  end
  if not of.blocks then return end
  local starts = blocks_of(model)
  if of.blocks > #starts then check.raise(("blocks = %d, but the trunk has %d blocks with weights"):format(of.blocks, #starts)) end
  set_frozen(model, starts[of.blocks] - 1)
end

--- Calls f(number, stage) once for each stage, while the model is frozen as in that stage; then it is frozen as before.
---@param stages scion.Stage[]
---@param model scion.Model
---@param where string for messages
---@param f fun(number: integer, stage: scion.Stage)
function schedule.each(stages, model, where, f)
  graph.keep_freezing(model.order, function()
    for i, of in ipairs(stages) do
      local found, complaint = check.try(schedule.freeze, of, model)
      if not found then check.raise(("%s: stage %d: %s"):format(where, i, complaint)) end
      f(i, of)
    end
  end)
end

--- Raises, before anything is trained, if a stage names no layer or leaves nothing to train.
---@param stages scion.Stage[]
---@param model scion.Model
---@param where string
function schedule.check(stages, model, where)
  schedule.each(stages, model, where, function(number, of)
    for _, node in ipairs(model.order) do
      if #node.layer:trainable() > 0 then return end
    end
    check.raise(("%s: stage %d (%s) trains nothing: every layer with weights is frozen; let it begin further down, or graft a head"):format(
      where, number, schedule.choice(of) or "frozen as before"))
  end)
end

--- What is frozen in each stage, from the input on: the last position, and the multiply-adds up to the last cut before it; 0 where the
--- network cannot be cut.
local function frozen_parts(stages, model)
  local parts = {}
  schedule.each(stages, model, "fit: schedule", function(number, of)
    local last = 0
    while last < #model.order and #model.order[last + 1].layer:trainable() == 0 do last = last + 1 end
    local found = cut(model.order, model.output, last)
    parts[number] = { last = found and last or 0, macs = found and found.macs or 0, epochs = of.epochs }
  end)
  return parts
end

--- Up to where outputs of frozen layers are kept in each stage. Stages that follow each other can share what is kept, at the deepest place
--- that is frozen in all of them: then it is computed once, but the earlier ones compute more in each epoch. Of all ways to divide the
--- stages into such groups the one with the fewest multiply-adds is taken.
---@param stages scion.Stage[]
---@param model scion.Model
---@return table<integer, string> limits names of layers, by the stage's number; nil where a stage keeps as much as it can
function schedule.cache_limits(stages, model)
  local parts, best = frozen_parts(stages, model), { [0] = { cost = 0 } }
  for to = 1, #parts do
    local lowest, epochs, work = parts[to], 0, 0
    for from = to, 1, -1 do
      local part = parts[from]
      if from < to and (part.last == 0 or lowest.last == 0) then break end
      if part.macs < lowest.macs then lowest = part end
      epochs, work = epochs + part.epochs, work + part.epochs * part.macs
      local cost = best[from - 1].cost + lowest.macs + work - epochs * lowest.macs
      if not best[to] or cost < best[to].cost then best[to] = { cost = cost, from = from, last = lowest.last } end
    end
  end
  local limits, to = {}, #parts
  while to > 0 do
    for i = best[to].from, to do
      if best[to].last < parts[i].last then limits[i] = model.order[best[to].last].layer.name end
    end
    to = best[to].from - 1
  end
  return limits
end

--- The optimizer of a stage: its own, or that of the last stage before it that has one.
---@param stages scion.Stage[]
---@param number integer
---@param first scion.Optimizer fit's
---@return scion.Optimizer
function schedule.optimizer(stages, number, first)
  for i = number, 1, -1 do
    if stages[i].optimizer then return stages[i].optimizer end
  end
  return first
end

--- The optimizers to which stages give rates, with those that they have now: a schedule is data, and the next fit begins with the same ones.
---@param stages scion.Stage[]
---@param first scion.Optimizer fit's
---@return table<scion.Optimizer, number|scion.Rate>
function schedule.rates_of(stages, first)
  local rates = {}
  for i, of in ipairs(stages) do
    local optimizer = of.lr and schedule.optimizer(stages, i, first)
    if optimizer then rates[optimizer] = optimizer.lr end
  end
  return rates
end

--- The rate that a stage gives its optimizer, or that one before it gave; nil if the optimizer has its own.
---@param stages scion.Stage[]
---@param number integer
---@return number|scion.Rate|nil
function schedule.rate(stages, number)
  for i = number, 1, -1 do
    if stages[i].lr or stages[i].optimizer then return stages[i].lr end
  end
end

-- ---- schedules ------------------------------------------------------------------------------------------------------

local methods = {}

--- What each stage would take, before anything runs: what trains, multiply-adds, memory, what is kept of the frozen part, seconds. It
--- times a batch of each stage on this machine, and trains nothing. Raises if the schedule does not fit the model.
---@param model scion.Model
---@param data scion.Dataset
---@param given? scion.PriceOptions
---@return scion.Prices
---@example print(scion.schedule{ { epochs = 2, train = "head" }, { epochs = 3, blocks = 1, lr = 1e-4 } }:plan(model, train))
function methods:plan(model, data, given) return interrupts.within("schedule:plan", require "scion.report.prices", self, model, data, given) end

local function schedule_text(self)
  local rows = {}
  for i, of in ipairs(self) do
    rows[i] = { tostring(i), tostring(of.epochs), schedule.choice(of) or "as before", of.optimizer and tostring(of.optimizer) or "as before",
                of.lr and tostring(of.lr) or "", of.patience and tostring(of.patience) or "" }
  end
  local lines, width = text.at_width(10000, text.table, { { title = "stage", right = true }, { title = "epochs", right = true }, { title = "trains" },
                                                         { title = "optimizer" }, { title = "lr" }, { title = "patience", right = true } }, rows), text.width()
  for _, line in ipairs(lines) do
    if text.length(line) > width then -- then a sentence for each stage, in which nothing is shortened
      lines = {}
      for i, of in ipairs(self) do table.move(text.wrap(("%d. %s"):format(i, tostring(of)), width, 3), 1, 100, #lines + 1, lines) end
      break
    end
  end
  return table.concat(lines, "\n")
end

local made = class.define {
  name = "scion.Schedule", title = "a schedule", call = "schedule", methods = methods, fixed = "make another one of its stages: scion.schedule{ s[1], s[2], … }",
  meta = { __tostring = schedule_text, __len = class.list_length },
}

--- The option `schedule`.
schedule.kind = check.kind("a schedule, as scion.schedule{ { epochs = 2, train = 'head' }, … } makes one", made.kind.read)

local function new_stage(where, given)
  if stage.is(given) then -- of another schedule: a copy of it
    local copy = {}
    for name in pairs(schema) do copy[name] = given[name] end
    given = copy
  end
  local values = check.options(where, given, schema)
  local chosen = {}
  for _, name in ipairs(choices) do
    if values[name] ~= nil then chosen[#chosen + 1] = name end
  end
  if #chosen > 1 then check.raise(("%s takes one of train, from, upto, first and blocks, not both %s and %s"):format(where, chosen[1], chosen[2])) end
  return stage.new(values)
end

--- Makes a schedule of a list of stages.
---@param where string for messages
---@param list scion.StageOptions[]
---@return scion.Schedule
function schedule.new(where, list)
  if type(list) ~= "table" or getmetatable(list) ~= nil or rawlen(list) == 0 then
    check.raise(("%s: a schedule is a list of stages, such as { { epochs = 2, train = 'head' }, { epochs = 3, from = 'mixed9', lr = 1e-4 } }, not %s"):format(
      where, check.show(list)))
  end
  local read, stages = check.argument(where, "the list of stages", list, check.list(check.table)), {}
  for i, given in ipairs(read) do stages[i] = new_stage(("%s: stage %d"):format(where, i), given) end
  return made.new(stages)
end

return schedule
