--- insight.transfer: whether a network's weights help to tell a data set's classes: its features beside those of the same architecture with
--- random weights.
local check = require "scion.check"
local class = require "scion.class"
local graph = require "scion.graph"
local difference = require "scion.insight.difference"
local probe = require "scion.insight.probe"
local random = require "scion.random"
local text = require "scion.report.text"

local where = "scion.insight.transfer"

---@class scion.TransferOptions: scion.ProbeOptions
---@field repeats? integer how many networks with random weights are probed (3)

--- Whether transfer helps. It prints as a sentence.
---@class scion.Transfer
---@field verdict "helps"|"hurts"|"unclear" unclear: the interval of the difference holds 0
---@field pretrained number accuracy by the features of the best block
---@field random number the same of networks with random weights, each by its own best block: the mean over them
---@field difference number the first less the second
---@field low number a 95% interval of it, over images and random networks
---@field high number
---@field block string the best block of the pretrained network
---@field images integer
---@field probe scion.Probe of the pretrained network

local verdicts = { helps = "Transfer helps", hurts = "Transfer hurts", unclear = "Whether transfer helps cannot be told" }

local function as_text(self)
  local words = ("%s: by its features (%s) %s of %d images are told right, by those of the same network with random weights %s: %+.1f points (95%%: %+.1f to %+.1f)."):format(
    verdicts[self.verdict], self.block, text.percent(self.pretrained), self.images, text.percent(self.random), 100 * self.difference, 100 * self.low, 100 * self.high)
  local advice = { hurts = " Train from scratch, or begin with other weights.", unclear = " More images would tell.", helps = "" }
  return table.concat(text.wrap(words .. advice[self.verdict], text.width(), 2), "\n")
end

local made = class.define { name = "scion.Transfer", title = "a comparison with random weights",
                            locked = { "verdict", "pretrained", "random", "difference", "low", "high", "block", "images", "probe" }, meta = { __tostring = as_text } }

local schema = check.joined(probe.schema, { repeats = { check.whole(1, 1000), 3 } })

--- The mean of a list, and the variance of that mean.
local function mean_of(values)
  local mean, squares, n = 0, 0, #values
  for _, v in ipairs(values) do mean = mean + v / n end
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 end
  return mean, n > 1 and squares / (n - 1) / n or 0
end

--- Tells whether a network's weights help to tell the classes of a data set, by how much, and how sure that is: the best of its blocks is
--- compared with the best block of networks of the same architecture with random weights, by a linear classifier in cross-validation on the
--- same images, see base:probe. Nothing is trained. Raises on options or data that do not fit, and if there are not two classes with two
--- images each.
---@param base scion.Model
---@param data scion.Dataset
---@param given scion.TransferOptions?
---@return scion.Transfer
---@example print(scion.insight.transfer(base, train, { repeats = 2 }))
return function(base, data, given)
  check.argument(where, "the first argument", base, check.instance("scion.Model", "a model"))
  local o = check.options(where, given, schema)
  local found, saved = probe.run(where, base, data, o), require "scion.saved"
  local accuracies, right = {}, 0
  for seed = 1, o.repeats do
    local other = random.with(seed, saved.anew, base)
    for _, p in graph.parameters(other.order) do p.drawn = nil end -- nobody needs to be told that these are random
    local probed = probe.run(where, other, data, { folds = o.folds, cache = false, precision = o.precision })
    local told = probed.right[probed.best]
    accuracies[seed], right = told:mean(), told / o.repeats + right
  end
  local pretrained = found.right[found.best]
  local mean, deviation = difference(pretrained, right)
  local by_chance, between = mean_of(accuracies)
  local around = 1.959963984540054 * math.sqrt(deviation ^ 2 + between)
  return made.new { verdict = mean - around > 0 and "helps" or mean + around < 0 and "hurts" or "unclear", pretrained = pretrained:mean(), random = by_chance,
                    difference = mean, low = mean - around, high = mean + around, block = found.best, images = found.images, probe = found }
end
