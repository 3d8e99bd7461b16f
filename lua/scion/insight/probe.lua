--- base:probe(data): how well simple classifiers do on the features of every block of a network, so that one can see where to cut it.
--- Features of all blocks come from one pass, and are kept like those of a frozen network.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local difference = require "scion.insight.difference"
local distributed = require "scion.train.distributed"
local cost = require "scion.ir.cost"
local gathered = require "scion.insight.gathered"
local graph = require "scion.graph"
local interrupts = require "scion.interrupts"
local interval = require "scion.insight.interval"
local leep_score = require "scion.insight.leep_score"
local logme = require "scion.insight.logme"
local plan = require "scion.plan"
local precision = require "scion.precision"
local text = require "scion.report.text"
local cross_validation = require "scion.insight.cross_validation"

local probe = {}

--- The row of a block.
---@param found scion.Probe
---@param block string
---@return scion.ProbedBlock
function probe.row(found, block)
  for _, row in ipairs(found) do
    if row.block == block then return row end
  end
end

---@class scion.ProbeOptions
---@field folds? integer into how many parts the images are divided, at most one for each image; each is told once by what the others teach (5)
---@field cache? boolean whether the features are kept, as for model:features (true)
---@field precision? "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions as for model:features (the model's)
---@field distributed? scion.Comm|scion.DistributedOptions require "scion.mpi": each process that mpirun has started computes a part of the features
--- (this process alone)

--- What base:probe found. It prints as a table.
---@class scion.Probe
---@field [integer] scion.ProbedBlock from the input on
---@field recommended string? the block to cut at, and to freeze up to: the first one that is not told worse than the best by more than one
--- standard error of the difference; nil if no block tells the classes better than the largest class alone would
---@field best string? the block with the highest accuracy
---@field images integer that were told: those that can be read, and of copies one
---@field classes integer
---@field guess number the share of the largest class: the accuracy of a classifier that says nothing else
---@field leep number? of a network that ends in a softmax: see scion.insight.leep
---@field seconds number that the probe took, features included
---@field private right table<string, scion.Tensor> by the block, f32 [images]: which of them it tells right, in an order that is the same for
--- every network

--- A block, and how well its features tell the classes.
---@class scion.ProbedBlock
---@field block string its name, for base:upto(…) and base:freeze{ upto = … }
---@field features integer of an image
---@field accuracy number of the linear classifier, in cross-validation
---@field low number a 95% interval of the accuracy (Wilson 1927)
---@field high number
---@field knn number accuracy of the five nearest neighbours
---@field logme number how well the features explain the classes, by the log evidence of a linear model (LogME, You et al. 2021): higher is better
---@field macs integer multiply-adds up to the block, for an image
---@field saved number the share of the network's multiply-adds that come after it

local function macs_of(model, node) return cost.total(plan.operations(graph.order(node), node, precision.in_use(model.precision, model))).forward end

-- ---- the report -----------------------------------------------------------------------------------------------------

--- What is said where nothing is clearly better than a guess.
---@param what string such as "no block tells"
---@param guess number
---@param images integer
---@return string
function probe.not_enough(what, guess, images)
  return ("Not enough to tell: %s the classes clearly better than the largest class alone would (%s of %d images)."):format(
    what, text.percent(guess), images)
end

local function sentence(self)
  if not self.recommended then return probe.not_enough("no block tells", self.guess, self.images) end
  local cut = probe.row(self, self.recommended)
  local better = self.recommended ~= self.best and (", which no later block clearly betters (%s has the highest accuracy)"):format(self.best) or ", which is the best"
  return ("Cut at %s%s: base:upto(%s):graft{ … }%s."):format(self.recommended, better, check.show(self.recommended),
    cut.saved > 0.005 and (" saves %.0f%% of the multiply-adds"):format(100 * cut.saved) or "")
end

local function as_text(self)
  local rows = {}
  for i, row in ipairs(self) do
    rows[i] = { (row.block == self.recommended and "> " or "  ") .. row.block, tostring(row.features), text.percent(row.accuracy),
                ("%s to %s"):format(text.percent(row.low), text.percent(row.high)), text.percent(row.knn),
                ("%.3f"):format(row.logme), text.macs(row.macs), ("%.0f%%"):format(100 * row.saved) }
  end
  local lines = text.table({ { title = "  block", least = 22 }, { title = "features", right = true, optional = "features" },
                             { title = "accuracy", right = true }, { title = "95% interval", right = true, optional = "intervals" },
                             { title = "neighbours", right = true }, { title = "LogME", right = true, optional = "LogME" },
                             { title = "up to it", right = true, optional = "multiply-adds" }, { title = "saved", right = true } }, rows)
  table.move(text.wrap(sentence(self), text.width(), 2), 1, 9, #lines + 1, lines)
  return table.concat(lines, "\n")
end

local probed = class.define { name = "scion.ProbedBlock", title = "a probed block",
                              locked = { "block", "features", "accuracy", "low", "high", "knn", "logme", "macs", "saved" },
                              meta = { __tostring = function(self)
                                return ("%s: accuracy %s, of neighbours %s"):format(self.block, text.percent(self.accuracy), text.percent(self.knn))
                              end } }

local made = class.define { name = "scion.Probe", title = "a probe", locked = { "recommended", "best", "images", "classes", "guess", "leep", "seconds" },
                            fields = { "right" }, meta = { __tostring = as_text, __len = class.list_length } }

-- ---- the probe ------------------------------------------------------------------------------------------------------

--- Whether the best block is clearly better than a guess. It is the best of many, and the best of many guesses is often far above a guess: each is
--- allowed its part of 2.5% (Bonferroni), by the bound exp(-z^2 / 2) of the normal distribution's tail.
---@param of scion.Gathered
---@param highest number its accuracy
---@return boolean
function probe.tells(of, highest)
  local low = interval(highest, of:told(), math.sqrt(2 * math.log(#of.list / 0.025)))
  return low > of.guess
end

--- The first block that is not clearly worse than the best; nil if the best is not clearly better than a guess.
local function recommended(of, told)
  if not probe.tells(of, told.right[told.best]:mean()) then return nil end
  for _, block in ipairs(of.list) do
    local mean, deviation = difference(told.right[told.best], told.right[block.name])
    if mean <= deviation then return block.name end
  end
end

--- Has the linear classifier tell the images by each block: all that a comparison with other networks needs.
---@param of scion.Gathered
---@param more? fun(i: integer, x: scion.Tensor) is called with the features of each block, which are taken apart once
---@return { right: table<string, scion.Tensor>, accuracy: number[], best: string, recommended: string? } told right as in scion.Probe; accuracy of each
--- block in the list
function probe.tell(of, more)
  local told, highest = { right = {}, accuracy = {} }, -1
  for i, block in ipairs(of.list) do
    local x = of:block(i)
    local right = cross_validation.linear(of, x)
    told.right[block.name], told.accuracy[i] = right, right:mean()
    if told.accuracy[i] > highest then told.best, highest = block.name, told.accuracy[i] end
    if more then more(i, x) end
  end
  told.recommended = recommended(of, told)
  return told
end

--- The options of a probe.
probe.schema = { folds = { check.whole(2, 1000) }, cache = { check.boolean, true }, precision = { precision.kind }, distributed = { distributed.kind } }

--- Probes a network by features that were gathered.
local function compare(model, of)
  local began, rows, whole = core.clock(), {}, macs_of(model, model.output)
  local told = probe.tell(of, function(i, x) rows[i] = { knn = cross_validation.neighbours(of, x):mean(), logme = logme(x, of.classes, of.count) } end)
  for i, block in ipairs(of.list) do
    local row = rows[i]
    row.block, row.features, row.accuracy, row.macs = block.name, block.features, told.accuracy[i], macs_of(model, block.node)
    row.low, row.high = interval(row.accuracy, of:told())
    row.saved = 1 - row.macs / math.max(whole, 1)
    rows[i] = probed.new(row)
  end
  rows.images, rows.classes, rows.guess = of:told(), of.count, of.guess
  rows.right, rows.best, rows.recommended = told.right, told.best, told.recommended
  local own = of:own_classes()
  rows.leep = own and leep_score(own, of.classes, of.count)
  rows.seconds = core.clock() - began + of.seconds
  return made.new(rows)
end

--- Probes a network.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param o scion.ProbeOptions as check.options reads them
---@param val scion.Dataset? what is told; without it the data set itself, in parts
---@return scion.Probe
---@return scion.Gathered of what it was told by
function probe.run(where, model, data, o, val)
  return distributed.guard(o, where, interrupts.within, where, function()
    if distributed.comm(o.distributed) then distributed.same(where, o.distributed, { { "number of folds", tostring(o.folds) } }) end
    local of = gathered.new(where, model, data, o, val)
    return compare(model, of), of
  end)
end

--- Probes a network: see model:probe.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.ProbeOptions?
---@return scion.Probe
function probe.of(model, data, given) return (probe.run("probe", model, data, check.options("probe", given, probe.schema))) end

return probe
