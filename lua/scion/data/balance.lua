--- Weights of classes that make up for how many examples each has, as scikit-learn's "balanced".

--- examples / (classes * examples of the class), where classes are those with examples; 1 for a class without.
---@param counts number[] examples of each class, perhaps fractions
---@return number[]
return function(counts)
  local total, present, weights = 0, 0, {}
  for _, count in ipairs(counts) do total, present = total + count, present + (count > 0 and 1 or 0) end
  for i, count in ipairs(counts) do weights[i] = count > 0 and total / (present * count) or 1.0 end
  return weights
end
