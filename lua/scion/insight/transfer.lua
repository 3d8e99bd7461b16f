--- insight.transfer: whether a network's weights help to tell a data set's classes: its features beside those of the same architecture with
--- random weights.
local check = require "scion.check"
local class = require "scion.class"
local gathered = require "scion.insight.gathered"
local graph = require "scion.graph"
local difference_interval = require "scion.insight.difference_interval"
local interrupts = require "scion.interrupts"
local inputs = require "scion.train.inputs"
local probe = require "scion.insight.probe"
local random = require "scion.random"
local scratch = require "scion.insight.scratch"
local spread = require "scion.insight.spread"
local text = require "scion.report.text"

local where = "scion.insight.transfer"

--- By how much accuracies may differ and still count as the same.
local margin = 0.01

---@class scion.TransferOptions: scion.ProbeOptions
---@field repeats? integer how many networks with random weights are probed (3)
---@field scratch? boolean whether a small network is trained from scratch, too, for 20 epochs: with 1800 photographs two minutes of one
--- processor; it takes a validation set (false)

--- Whether transfer helps: the best block of a network beside the best one of networks with random weights. It prints as a sentence.
---@class scion.Transfer
---@field verdict "helps"|"hurts"|"nothing"|"unclear" helps, hurts: the interval of the difference lies on one side of 0; nothing: it does not, and
--- lies within a point on both sides; unclear: more images would tell
---@field pretrained number accuracy by the features of the best block
---@field random number the same of networks with random weights, each by its own best block: the mean over them
---@field difference number the first less the second
---@field low number a 95% interval of it, over images and random networks (Agresti and Min 2005, Student's t)
---@field high number
---@field block string the best block of the pretrained network
---@field images integer that were told
---@field whole scion.TransferPart of the last blocks: what is grafted onto the whole network gets these features
---@field scratch scion.TransferPart? of the best block with a small network that was trained from scratch
---@field probe scion.Probe of the pretrained network, with LogME of every block, and LEEP if it ends in a softmax

--- The features of a network beside others: the last block beside that of networks with random weights, or the best one beside a small network.
--- The verdicts are those of a scion.Transfer.
---@class scion.TransferPart
---@field verdict "helps"|"hurts"|"nothing"|"unclear"
---@field pretrained number accuracy
---@field other number
---@field difference number the first less the second
---@field low number a 95% interval of it
---@field high number

local function numbers(of, other, by)
  return ("%s beside %s by %s, %+.1f points (95%%: %+.1f to %+.1f)"):format(text.percent(of.pretrained), text.percent(other), by, 100 * of.difference,
    100 * of.low, 100 * of.high)
end

local by_chance, small = "the same network with random weights", "a small network trained from scratch"

local said = { helps = "helps", hurts = "hurts", nothing = "does nothing", unclear = "cannot be told to help or to hurt" }

local advice = { helps = "", hurts = " Train from scratch, or begin with other weights.", nothing = " Other weights may serve better, or none.",
                 unclear = " More images would tell, or more networks with random weights (repeats)." }

local function as_text(self)
  local last = self.probe[#self.probe].block
  local words = ("Transfer %s: of %d images, the features of %s tell %s.%s"):format(said[self.verdict], self.images, self.block,
    numbers(self, self.random, by_chance), advice[self.verdict])
  if self.block ~= last then
    words = words .. (" Onto the whole network it %s: the features of %s tell %s."):format(said[self.whole.verdict], last, numbers(self.whole, self.whole.other, by_chance))
  end
  if self.scratch then words = words .. (" The features of %s tell %s."):format(self.block, numbers(self.scratch, self.scratch.other, small)) end
  return table.concat(text.wrap(words, text.width(), 2), "\n")
end

local part = class.define { name = "scion.TransferPart", title = "a part of transfer", locked = { "verdict", "pretrained", "other", "difference", "low", "high" },
                                  meta = { __tostring = function(self)
                                    return ("%s beside %s: %s"):format(text.percent(self.pretrained), text.percent(self.other), said[self.verdict])
                                  end } }

local made = class.define { name = "scion.Transfer", title = "a comparison with random weights",
                            locked = { "verdict", "pretrained", "random", "difference", "low", "high", "block", "images", "whole", "scratch", "probe" },
                            meta = { __tostring = as_text } }

local schema = check.joined(probe.schema, { repeats = { check.whole(1, 1000), 3 }, scratch = { check.boolean, false } })

--- Compares what a network tells right, f32 [images], with what others do.
local function compare(right, others)
  local accuracies, told = {}, 0
  for i, other in ipairs(others) do accuracies[i], told = other:mean(), other / #others + told end
  local mean, between = spread(accuracies)
  local low, high = difference_interval(right, told, between)
  return { verdict = low > 0 and "helps" or high < 0 and "hurts" or low >= -margin and high <= margin and "nothing" or "unclear",
           pretrained = right:mean(), other = mean, difference = right:mean() - mean, low = low, high = high }
end

local function transfer(base, train, val, given)
  check.argument(where, "the first argument", base, check.instance("scion.Model", "a model"))
  if val ~= nil and given == nil and not inputs.kind.read(val) then val, given = nil, val end
  local o, saved = check.options(where, given, schema), require "scion.saved"
  if o.scratch and not val then check.raise(where .. ": scratch = true takes a validation set as the third argument") end
  local found, best, last = probe.run(where, base, train, o, val), {}, {}
  for seed = 1, o.repeats do
    local other = random.with(seed, saved.anew, base)
    for _, p in graph.parameters(other.order) do p.drawn = nil end -- nobody needs to be told that these are random
    local of = gathered.new(where, other, train, { folds = o.folds, cache = false, precision = o.precision }, val)
    local told = probe.tell(of)
    best[seed], last[seed] = told.right[told.best], told.right[of.list[#of.list].name]
  end
  local result = compare(found.right[found.best], best)
  result.random, result.other = result.other, nil
  result.whole = part.new(compare(found.right[found[#found].block], last))
  if o.scratch then
    result.scratch = part.new(compare(found.right[found.best], { scratch(where, base.input.shape, train, val, found.classes) }))
  end
  result.block, result.images, result.probe = found.best, found.images, found
  return made.new(result)
end

--- Tells whether a network's weights help to tell the classes of a data set, by how much, and how sure that is: the best of its blocks is
--- compared with the best block of networks of the same architecture with random weights, and the last block with theirs, by a linear classifier on
--- the same images, see base:probe. The images are told in cross-validation, or with a validation set as third argument: then the classifiers learn
--- from the first set and tell the second one, and images that are in both are told of. Nothing is trained, but for a small network if scratch =
--- true asks for it: then the best block is compared with that, too. Raises on options or data that do not fit, and if there are not two classes
--- with two images each, or with one in both sets.
---@param base scion.Model
---@param train scion.Dataset
---@param val scion.Dataset|scion.TransferOptions|nil
---@param given scion.TransferOptions?
---@return scion.Transfer
---@example print(scion.insight.transfer(base, train, { repeats = 2 }))
return function(base, train, val, given) return interrupts.within(where, transfer, base, train, val, given) end
