--- The mean of a few values that were drawn, and how sure it is.
local normal = require "scion.insight.normal"

local student = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262 } -- 97.5% quantiles, by the degrees of freedom

---@param values number[]
---@return number mean
---@return number variance of the mean, so much larger that an interval by the normal distribution's quantiles is Student's; 0 of a single value
return function(values)
  local mean, squares, n = 0, 0, #values
  for _, v in ipairs(values) do mean = mean + v / n end
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 end
  return mean, n > 1 and squares / (n - 1) / n * ((student[n - 1] or normal) / normal) ^ 2 or 0
end
