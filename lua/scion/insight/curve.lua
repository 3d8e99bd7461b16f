--- insight.curve: how accuracy grows with the number of images, and so whether more of them would help.
local check = require "scion.check"
local class = require "scion.class"
local difference_interval = require "scion.insight.difference_interval"
local folds = require "scion.insight.folds"
local gathered = require "scion.insight.gathered"
local interrupts = require "scion.interrupts"
local interval = require "scion.insight.interval"
local probe = require "scion.insight.probe"
local spread = require "scion.insight.spread"
local text = require "scion.report.text"
local cross_validation = require "scion.insight.cross_validation"

local where = "scion.insight.curve"

--- Shares of the images that are learned from; how often a share is drawn; and how much accuracy is too little to collect images for.
local shares, draws, margin = { 1 / 8, 1 / 4, 1 / 2, 1 }, 5, 0.01

---@class scion.CurveOptions: scion.ProbeOptions
---@field block? string whose features tell (the one that a probe recommends; the last one where it recommends none)

--- How accuracy grows with the number of images. It prints as a table.
---@class scion.LearningCurve
---@field [integer] scion.CurvePoint from few images to all
---@field verdict "more"|"enough"|"unclear" more: the last doubling gained accuracy; enough: it gained less than a point; unclear: it cannot be
--- told, as where the features tell the classes no better than a guess, by the probe's measure
---@field gain number? of accuracy, from half of the images to all; nil if there are too few to halve
---@field low number? a 95% interval of it, over images and draws
---@field high number?
---@field block string whose features tell
---@field private why string? what is said where the features tell the classes no better than a guess

--- A point of the curve.
---@class scion.CurvePoint
---@field images integer that are learned from
---@field accuracy number on the same images at all points: the mean over five draws of those that are learned from
---@field low number a 95% interval (Wilson 1927)
---@field high number

local function sentence(self)
  if not self.gain then return "There are too few images to halve." end
  if self.why then return self.why .. " So it cannot be told whether more images would help." end
  local last, before = self[#self], self[#self - 1]
  local gained = ("from %d to %d, the accuracy by a linear classifier on %s rose by %.1f points (95%%: %+.1f to %+.1f)"):format(before.images, last.images, self.block,
    100 * self.gain, 100 * self.low, 100 * self.high)
  local words = { more = "More images would help: %s. The next doubling may bring as much, and hardly more.", enough = "More images of this kind would hardly help: %s.",
                  unclear = "Whether more images would help cannot be told: %s." }
  return words[self.verdict]:format((gained:gsub("rose by %-", "fell by ")))
end

local function as_text(self)
  local rows = {}
  for i, point in ipairs(self) do
    rows[i] = { tostring(point.images), text.percent(point.accuracy), ("%s to %s"):format(text.percent(point.low), text.percent(point.high)) }
  end
  local lines = text.table({ { title = "images learned from", right = true }, { title = "accuracy", right = true }, { title = "95% interval", right = true } }, rows)
  table.move(text.wrap(sentence(self), text.width(), 2), 1, 9, #lines + 1, lines)
  return table.concat(lines, "\n")
end

local point_class = class.define { name = "scion.CurvePoint", title = "a point of a learning curve", locked = { "images", "accuracy", "low", "high" },
                                   meta = { __tostring = function(self)
                                     return ("%d images: accuracy %s"):format(self.images, text.percent(self.accuracy))
                                   end } }

local made = class.define { name = "scion.LearningCurve", title = "a learning curve", locked = { "verdict", "gain", "low", "high", "block" },
                            fields = { "why" }, meta = { __tostring = as_text, __len = class.list_length } }

local schema = check.joined(probe.schema, { block = { check.text } })

--- What is told right by a share of the images, as a mean over draws; how many images that is; and the variance of that mean over draws.
local function measure(of, x, share)
  local sum, accuracies, images, times = 0, {}, 0, share < 1 and draws or 1
  for seed = 1, times do
    local learned = 0
    local right = cross_validation.linear(of, x, function(classes)
      local rows = folds.thinned(classes:totable(), share, seed)
      learned = learned + #rows
      return rows
    end)
    accuracies[seed], sum, images = right:mean(), right / times + sum, learned // #of.parts.first
  end
  return sum, images, select(2, spread(accuracies))
end

local function curve(base, data, given)
  check.argument(where, "the first argument", base, check.instance("scion.Model", "a model"))
  local o = check.options(where, given, schema)
  local of = gathered.new(where, base, data, o)
  local found, before, variance = {}, nil, 0
  local recommended = not o.block and probe.tell(of).recommended
  found.block = o.block or recommended or of.list[#of.list].name -- the best of blocks that only guess would look better than it is
  local x = of:block(of:position(found.block))
  for _, share in ipairs(shares) do
    local right, images, between = measure(of, x, share)
    if found[1] and found[#found].images == images then found[#found] = nil end -- of too few images a smaller share is the same
    local accuracy = right:mean()
    local low, high = interval(accuracy, of:told())
    found[#found + 1] = point_class.new { images = images, accuracy = accuracy, low = low, high = high }
    if share == 1 and found[2] then
      found.gain = accuracy - before:mean()
      found.low, found.high = difference_interval(right, before, variance)
    end
    before, variance = right, between
  end
  if not recommended and not (o.block and probe.tells(of, found[#found].accuracy)) then
    found.why = probe.not_enough(o.block and ("the features of %s do not tell"):format(o.block) or "no block tells", of.guess, of:told())
  end
  found.verdict = (not found.gain or found.why) and "unclear" or found.low > 0 and "more" or found.high < margin and "enough" or "unclear"
  return made.new(found)
end

--- Tells how the accuracy of a linear classifier on a block's features grows with the number of images: it learns from an eighth, a quarter, half
--- and all of them, and tells the same images each time, in cross-validation. What the last doubling gained, and how sure that is, says whether
--- it pays to collect more; where they tell no better than a guess, nothing does. The features are those of base:probe: they come from one pass over
--- the images, or from a probe before, if they were kept. Nothing is trained. Raises on options or data that do not fit, and if there are not two
--- classes with two images each.
---@param base scion.Model
---@param data scion.Dataset
---@param given scion.CurveOptions?
---@return scion.LearningCurve
---@example print(scion.insight.curve(base, train))
return function(base, data, given) return interrupts.within(where, curve, base, data, given) end
