--- roc_auc and average_precision: how well probabilities rank the examples of a class before the others, over all thresholds. Of two classes,
--- of the second one; of more, the mean over the classes, each against the rest; of labels, the mean over the labels. As roc_auc_score
--- (multi_class = "ovr", average = "macro") and average_precision_score of scikit-learn. They need all scores of a pass: 4 bytes for each
--- example and class, and as many again while they are computed.
local core = require "scion.core"

local defined = { roc_auc = "needs examples of it and others", average_precision = "needs examples of it" }

--- Both areas of each column; computed once for both metrics.
local function areas_of(all)
  if all.areas then return all.areas end
  local columns = all.probabilities:shape()[2]
  local roc, precision = core.new { columns }, core.new { columns }
  core.run { "areas", x = all.probabilities, labels = all.truth, roc = roc, precision = precision }
  all.areas = { roc_auc = roc:totable(), average_precision = precision:totable() }
  return all.areas
end

local function value(sums, metric, _, all)
  if sums:not_finite() > 0 then return 0 / 0, "NaN: some outputs are no numbers, and have no place in a ranking" end
  local columns, what = all.probabilities:shape()[2], sums.told == "labels" and "label" or "class"
  local list, sum, count = areas_of(all)[metric.name], 0, 0
  local first = sums.told == "classes" and sums.count == 2 and columns or 1
  for c = first, columns do
    if list[c] == list[c] then sum, count = sum + list[c], count + 1 end
  end
  local wanted = columns - first + 1
  if count == 0 then return 0 / 0, ("NaN: of a %s, it %s, and there are none"):format(what, defined[metric.name]) end
  return sum / count, count < wanted and
    ("the mean over %d of %d %s: of a %s, it %s"):format(count, wanted, what == "label" and "labels" or "classes", what, defined[metric.name]) or nil
end

return { names = { "roc_auc", "average_precision" }, tells = { classes = true, labels = true }, scores = true, value = value }
