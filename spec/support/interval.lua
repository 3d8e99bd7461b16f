--- The mean of a list of numbers, and how far its 95% interval goes to both sides (Student's t).
local normal = require "scion.insight.normal"
local spread = require "scion.insight.spread"

---@param values number[]
---@return number mean
---@return number around 0 for a single number
return function(values)
  local mean, variance = spread(values)
  return mean, normal * math.sqrt(variance)
end
