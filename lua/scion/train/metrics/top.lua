--- top_N, for any N: the share of examples whose true class is among the N most probable. Of classes with equal probabilities the first ones
--- come first, as for the accuracy, which top_1 is.
local core = require "scion.core"

return {
  names = { "top_N" }, tells = { classes = true },
  misfit = function(metric, _, count)
    if metric.n >= count then return ("is always 1 of %d classes: N can be from 1 to %d"):format(count, count - 1) end
  end,
  begin = function(count) return { ranks = core.new({ count }, "i32") } end,
  add = function(kept, probabilities, truth)
    -- of a single sigmoid there is only top_1, which needs no ranks
    if probabilities:shape()[2] > 1 then core.run { "ranks", x = probabilities, labels = truth, counts = kept.ranks } end
  end,
  value = function(sums, metric, kept)
    return metric.n == 1 and sums:accuracy() or kept.ranks:slice(1, 1, metric.n):sum() / sums.examples
  end,
}
