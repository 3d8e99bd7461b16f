--- The mean of a list of numbers, and how far its 95% interval goes to both sides (Student's t).
local quantile = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262 } -- by the degrees of freedom

---@param values number[]
---@return number mean
---@return number around 0 for a single number
return function(values)
  local n, mean, squares = #values, 0, 0
  for _, v in ipairs(values) do mean = mean + v / n end
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 end
  return mean, n > 1 and (quantile[n - 1] or 1.96) * math.sqrt(squares / (n - 1) / n) or 0
end
