--- LogME (You, Liu, Wang and Long, ICML 2021): how well features explain classes, without a fit that has to be tested. It is the highest
--- log evidence of Bayesian linear regression on the features, for an image, to a target that is 1 for a class and 0 for the others: the mean
--- over the classes. Higher is better; it compares features of the same images only, and may be above 0.
local core = require "scion.core"

---@param x scion.Tensor f32 [rows, features]
---@param classes scion.Tensor i32 [rows], from 1
---@param count integer of classes; one without rows does not count
---@return number
return function(x, classes, count)
  local sum, present, counts = 0, 0, core.count(classes - 1, count)
  for c, evidence in ipairs(core.log_evidence(x, core.one_hot(classes - 1, count))) do
    if counts[c] > 0 then sum, present = sum + evidence, present + 1 end
  end
  return sum / present
end
