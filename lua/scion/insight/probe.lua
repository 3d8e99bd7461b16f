--- base:probe(data): how well simple classifiers do on the features of every block of a network, so that one can see where to cut it.
--- Features of all blocks come from one pass, and are kept like those of a frozen network.
local blocks = require "scion.insight.blocks"
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local difference = require "scion.insight.difference"
local cost = require "scion.ir.cost"
local folds = require "scion.insight.folds"
local graph = require "scion.graph"
local inputs = require "scion.train.inputs"
local interval = require "scion.insight.interval"
local knn = require "scion.insight.knn"
local linear = require "scion.insight.linear"
local notice = require "scion.report.notice"
local plan = require "scion.plan"
local precision = require "scion.precision"
local text = require "scion.report.text"

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
---@field folds? integer into how many parts the images are divided; each is told once by what the others teach (5)
---@field cache? boolean whether the features are kept, as for model:features (true)
---@field precision? "f32"|"bf16" as for model:features (the model's)

--- What base:probe found. It prints as a table.
---@class scion.Probe
---@field [integer] scion.ProbedBlock from the input on
---@field recommended string? the block to cut at, and to freeze up to: the first one that is not told worse than the best by more than one
--- standard error of the difference; nil if no block tells the classes better than the largest class alone would
---@field best string? the block with the highest accuracy
---@field images integer that were told
---@field classes integer
---@field guess number the share of the largest class: the accuracy of a classifier that says nothing else
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
---@field macs integer multiply-adds up to the block, for an image
---@field saved number the share of the network's multiply-adds that come after it

-- ---- statistics -----------------------------------------------------------------------------------------------------

--- The penalty's rows with the highest mean.
local function best_of(list)
  local best, mean
  for _, right in ipairs(list) do
    local found = right:mean()
    if not mean or found > mean then best, mean = right, found end
  end
  return best, mean
end

-- ---- one block ------------------------------------------------------------------------------------------------------

--- Cross-validates both classifiers on the features of a block. Returns which rows are told right: f32 [rows], of each.
local function cross_validate(parts, x, classes, count)
  local by_penalty, neighbours = {}, {}
  for k = 1, #parts.first do
    local test_x, train_x = folds.split(parts, x, k)
    local test_y, train_y = folds.split(parts, classes, k)
    for i, right in ipairs(linear.right(train_x, train_y, test_x, test_y, count)) do
      by_penalty[i] = by_penalty[i] or {}
      table.insert(by_penalty[i], right)
    end
    neighbours[k] = knn.right(train_x, train_y, test_x, test_y, count)
  end
  local joined = {}
  for i, list in ipairs(by_penalty) do joined[i] = core.concat(list) end
  return best_of(joined), core.concat(neighbours)
end

local function macs_of(model, node) return cost.total(plan.operations(graph.order(node), node, precision.in_use(model.precision))).forward end

-- ---- the report -----------------------------------------------------------------------------------------------------

local function sentence(self)
  if not self.recommended then
    return ("Not enough to tell: no block tells the classes clearly better than the largest class alone would (%s of %d images)."):format(
      text.percent(self.guess), self.images)
  end
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
                text.macs(row.macs), ("%.0f%%"):format(100 * row.saved) }
  end
  local lines = text.table({ { title = "  block", least = 10 }, { title = "features", right = true, optional = "features" }, { title = "accuracy", right = true },
                             { title = "95% interval", right = true, optional = "intervals" }, { title = "neighbours", right = true },
                             { title = "up to it", right = true, optional = "multiply-adds" }, { title = "saved", right = true } }, rows)
  table.move(text.wrap(sentence(self), text.width(), 2), 1, 9, #lines + 1, lines)
  return table.concat(lines, "\n")
end

local probed = class.define { name = "scion.ProbedBlock", title = "a probed block",
                              locked = { "block", "features", "accuracy", "low", "high", "knn", "macs", "saved" },
                              meta = { __tostring = function(self)
                                return ("%s: accuracy %s, of neighbours %s"):format(self.block, text.percent(self.accuracy), text.percent(self.knn))
                              end } }

local made = class.define { name = "scion.Probe", title = "a probe", locked = { "recommended", "best", "images", "classes", "guess", "seconds" },
                            fields = { "right" }, meta = { __tostring = as_text, __len = class.list_length } }

-- ---- the probe ------------------------------------------------------------------------------------------------------

--- The pooled features of all blocks and the classes, in the order of the parts, without images that could not be read.
local function gather(model, data, list, o)
  local part = blocks.pooled(list)
  part.precision = o.precision or model.precision
  local all, labels, failures = graph.keep_freezing(part.order, function() -- what is frozen is kept
    part:freeze()
    return part:features(data, part.output.layer.name, { cache = o.cache })
  end)
  local lost, kept = {}, {}
  for _, failure in ipairs(failures) do lost[failure.index] = true end
  for i = 1, #all do kept[#kept + 1] = not lost[i] and i or nil end
  if #kept < #all then all, labels = all:gather(1, kept), labels:gather(1, kept) end
  return all, labels
end

--- Raises unless there are classes to tell. Returns how many images each has.
local function counts_of(where, data, classes, count)
  local counts, several, alone = core.count(classes - 1, count), 0, {}
  for c, n in ipairs(counts) do
    if n > 1 then several = several + 1 elseif n == 1 then alone[#alone + 1] = data.labels and data.labels[c] or tostring(c) end
  end
  if several < 2 then
    check.raise(("%s: two classes with two images each are the least that can be told apart; %d of %d classes have two or more"):format(where, several, count))
  end
  if alone[1] then
    local verb = #alone == 1 and "has" or "have"
    notice.line(("scion: %s: %s %s one image alone, which nothing can be learned from and be told by: it counts as wrong"):format(
      where, table.concat(alone, ", "), verb))
  end
  return counts
end

--- Probes every block. Returns the fields of the probe that follow from it: a row for each, `best` and `right`.
local function compare(model, list, parts, all, classes, count)
  local found, column, whole, highest = { right = {} }, 1, macs_of(model, model.output), -1
  for i, block in ipairs(list) do
    local x = all:slice(2, column, column + block.features - 1):copy()
    column = column + block.features
    local right, neighbours = cross_validate(parts, x, classes, count)
    local accuracy, macs = right:mean(), macs_of(model, block.node)
    local low, high = interval(accuracy, #classes)
    found[i] = probed.new { block = block.name, features = block.features, accuracy = accuracy, low = low, high = high, knn = neighbours:mean(), macs = macs,
                            saved = 1 - macs / math.max(whole, 1) }
    found.right[block.name] = right
    if accuracy > highest then found.best, highest = block.name, accuracy end
  end
  return found
end

--- The first block that is not clearly worse than the best; nil if the best is not clearly better than a guess.
local function recommended(found)
  if probe.row(found, found.best).low <= found.guess then return nil end
  for _, row in ipairs(found) do
    local mean, deviation = difference(found.right[found.best], found.right[row.block])
    if mean <= deviation then return row.block end
  end
end

--- The options of a probe.
probe.schema = { folds = { check.whole(2, 1000), 5 }, cache = { check.boolean, true }, precision = { precision.kind } }

--- Probes a network.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param o scion.ProbeOptions as check.options reads them
---@return scion.Probe
function probe.run(where, model, data, o)
  local began = core.clock()
  inputs.dataset(where, data)
  inputs.fits(where, model, data)
  if not data.classes then check.raise(where .. ": the data set has no classes, one an image, which could be told apart") end
  local list = blocks.of(model)
  if not list[1] then check.raise(where .. ": the network has no layer with weights after which it can be cut") end
  local all, classes = gather(model, data, list, o)
  local count = data.labels and #data.labels or classes:max()
  local counts = counts_of(where, data, classes, count)
  local parts = folds.of(classes:totable(), math.min(o.folds, #classes), data.seed or 0)
  local found = compare(model, list, parts, all:gather(1, parts.order), classes:gather(1, parts.order), count)
  found.images, found.classes, found.guess = #classes, count, math.max(table.unpack(counts)) / #classes
  found.recommended = recommended(found)
  found.seconds = core.clock() - began
  return made.new(found)
end

--- Probes a network: see model:probe.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.ProbeOptions?
---@return scion.Probe
function probe.of(model, data, given) return probe.run("probe", model, data, check.options("probe", given, probe.schema)) end

return probe
