--- insight.transfer: whether a network's weights help to tell a data set's classes: its features beside those of the same architecture with
--- random weights.
local check = require "scion.check"
local class = require "scion.class"
local graph = require "scion.graph"
local difference_interval = require "scion.insight.difference_interval"
local inputs = require "scion.train.inputs"
local probe = require "scion.insight.probe"
local random = require "scion.random"
local spread = require "scion.insight.spread"
local text = require "scion.report.text"

local where = "scion.insight.transfer"

--- By how much accuracies may differ and still count as the same.
local margin = 0.01

---@class scion.TransferOptions: scion.ProbeOptions
---@field repeats? integer how many networks with random weights are probed (3)

--- Whether transfer helps. It prints as a sentence.
---@class scion.Transfer
---@field verdict "helps"|"hurts"|"nothing"|"unclear" helps, hurts: the interval of the difference lies on one side of 0; nothing: it does not, and
--- lies within a point on both sides; unclear: more images would tell
---@field pretrained number accuracy by the features of the best block
---@field random number the same of networks with random weights, each by its own best block: the mean over them
---@field difference number the first less the second
---@field low number a 95% interval of it, over images and random networks
---@field high number
---@field block string the best block of the pretrained network
---@field images integer that were told
---@field probe scion.Probe of the pretrained network, with LogME of every block, and LEEP if it ends in a softmax

local verdicts = { helps = "Transfer helps", hurts = "Transfer hurts", nothing = "Transfer does nothing", unclear = "Whether transfer helps cannot be told" }

local advice = { helps = "", hurts = " Train from scratch, or begin with other weights.", nothing = " Other weights may serve better, or none.",
                 unclear = " More images would tell." }

local function as_text(self)
  local words = ("%s: by its features (%s) %s of %d images are told right, by those of the same network with random weights %s: %+.1f points (95%%: %+.1f to %+.1f)."):format(
    verdicts[self.verdict], self.block, text.percent(self.pretrained), self.images, text.percent(self.random), 100 * self.difference, 100 * self.low, 100 * self.high)
  return table.concat(text.wrap(words .. advice[self.verdict], text.width(), 2), "\n")
end

local made = class.define { name = "scion.Transfer", title = "a comparison with random weights",
                            locked = { "verdict", "pretrained", "random", "difference", "low", "high", "block", "images", "probe" }, meta = { __tostring = as_text } }

local schema = check.joined(probe.schema, { repeats = { check.whole(1, 1000), 3 } })

local function verdict_of(low, high)
  return low > 0 and "helps" or high < 0 and "hurts" or low >= -margin and high <= margin and "nothing" or "unclear"
end

--- Tells whether a network's weights help to tell the classes of a data set, by how much, and how sure that is: the best of its blocks is
--- compared with the best block of networks of the same architecture with random weights, by a linear classifier on the same images, see
--- base:probe. The images are told in cross-validation, or with a validation set as third argument, which may come before the options: then
--- the classifiers learn from the first set and tell the second one. Nothing is trained. Raises on options or data that do not fit, and if there
--- are not two classes with two images each, or with one in both sets.
---@param base scion.Model
---@param train scion.Dataset
---@param val scion.Dataset|scion.TransferOptions|nil
---@param given scion.TransferOptions?
---@return scion.Transfer
---@example print(scion.insight.transfer(base, train, { repeats = 2 }))
return function(base, train, val, given)
  check.argument(where, "the first argument", base, check.instance("scion.Model", "a model"))
  if val ~= nil and given == nil and not inputs.kind.read(val) then val, given = nil, val end
  local o, saved = check.options(where, given, schema), require "scion.saved"
  local found = probe.run(where, base, train, o, val)
  local accuracies, right = {}, 0
  for seed = 1, o.repeats do
    local other = random.with(seed, saved.anew, base)
    for _, p in graph.parameters(other.order) do p.drawn = nil end -- nobody needs to be told that these are random
    local probed = probe.run(where, other, train, { folds = o.folds, cache = false, precision = o.precision }, val)
    local told = probed.right[probed.best]
    accuracies[seed], right = told:mean(), told / o.repeats + right
  end
  local pretrained = found.right[found.best]
  local by_chance, between = spread(accuracies)
  local low, high = difference_interval(pretrained, right, between)
  return made.new { verdict = verdict_of(low, high), pretrained = pretrained:mean(), random = by_chance, difference = pretrained:mean() - by_chance, low = low,
                    high = high, block = found.best, images = found.images, probe = found }
end
