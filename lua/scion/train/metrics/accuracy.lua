--- accuracy and exact_match, which an evaluation always tells; and balanced_accuracy, the mean recall of the classes that have examples.

local function value(sums, metric)
  if metric.name == "accuracy" then return sums:accuracy() end
  if metric.name == "exact_match" then return sums:exact_match() end
  local sum, classes = 0, 0
  for _, t in ipairs(sums:tallies()) do
    if t.support > 0 then sum, classes = sum + t.right / t.support, classes + 1 end
  end
  return sum / classes
end

return {
  names = { "accuracy", "balanced_accuracy", "exact_match" }, tells = { classes = true, labels = true }, value = value,
  misfit = function(metric, told)
    if metric.name == "balanced_accuracy" and told == "labels" then return "is of one class an image, but an image can have several labels" end
    if metric.name == "exact_match" and told == "classes" then return "is where an image can have several labels; of one class an image it is the accuracy" end
  end,
}
