--- kappa, Cohen's: how much of the agreement of predicted and true classes is more than chance would give, (p - c) / (1 - c), where p is the
--- accuracy and c the accuracy of guesses with the same frequencies.

local function value(sums)
  local chance = 0
  for _, t in ipairs(sums:tallies()) do chance = chance + t.support / sums.examples * (t.predicted / sums.examples) end
  if chance == 1 then return 0 / 0, "NaN: all examples are of one class and were taken for it, so that no agreement is more than chance" end
  return (sums:accuracy() - chance) / (1 - chance)
end

return { names = { "kappa" }, tells = { classes = true }, value = value }
