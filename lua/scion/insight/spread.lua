--- The mean of a list, and the variance of that mean.
---@param values number[]
---@return number mean
---@return number variance 0 for a single value
return function(values)
  local mean, squares, n = 0, 0, #values
  for _, v in ipairs(values) do mean = mean + v / n end
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 end
  return mean, n > 1 and squares / (n - 1) / n or 0
end
