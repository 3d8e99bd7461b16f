--- Precision, recall and F1: of the second of two classes, or of the one label; or of all classes or labels: their mean (macro), the mean
--- with the examples of each as weights (weighted), or that of all decisions together (micro). As in scikit-learn with zero_division = 0:
--- 0 where nothing was predicted, or where there is nothing to find. A class that has no example and was never predicted is not part of
--- the mean; a label always is.
local sums = require "scion.train.sums"
local ratio = sums.ratio

local of = {
  precision = function(t) return ratio(t.right, t.predicted) end,
  recall = function(t) return ratio(t.right, t.support) end,
  f1 = function(t) return ratio(2 * t.right, t.predicted + t.support) end,
}

local function micro(score, tallies)
  local all = { right = 0, predicted = 0, support = 0 }
  for _, t in ipairs(tallies) do
    for key, count in pairs(t) do all[key] = all[key] + count end
  end
  return score(all)
end

local function macro(score, tallies, told)
  local sum, count = 0, 0
  for _, t in ipairs(tallies) do
    if told == "labels" or t.support > 0 or t.predicted > 0 then sum, count = sum + score(t), count + 1 end
  end
  return sum / count
end

local function weighted(score, tallies)
  local sum, count = 0, 0
  for _, t in ipairs(tallies) do sum, count = sum + t.support * score(t), count + t.support end
  return ratio(sum, count)
end

local averages = { [""] = false, _macro = macro, _weighted = weighted, _micro = micro }
local names, parts = {}, {} -- of each name: the score, and the average if there is one
for score, compute in pairs(of) do
  for suffix, average in pairs(averages) do
    names[#names + 1] = score .. suffix
    parts[score .. suffix] = { score = compute, average = average }
  end
end

local function misfit(metric, told, count)
  if parts[metric.name].average or count == (told == "classes" and 2 or 1) then return nil end
  return ("is %s, but there are %d: %s_macro, %s_weighted and %s_micro are of all"):format(
    told == "classes" and "of the second of two classes" or "of one label", count, metric.name, metric.name, metric.name)
end

local function value(of_pass, metric)
  local tallies, how = of_pass:tallies(), parts[metric.name]
  return how.average and how.average(how.score, tallies, of_pass.told) or how.score(tallies[#tallies])
end

return { names = names, tells = { classes = true, labels = true }, misfit = misfit, value = value }
