--- A 95% interval of by how much one classifier is right more often than another on the same images: Bonett and Price's (2012), which counts two
--- images more, one that only the first and one that only the second tells, so that few images that agree are not taken for certainty.
---@param first scion.Tensor f32 [images], 1 where it is right, or the share of several that are
---@param second scion.Tensor
---@param more number a variance to be added, of what was drawn beside the images
---@return number low
---@return number high
return function(first, second, more)
  local d = first - second
  local n = #d + 2
  local mean = d:sum() / n
  local variance = (((d * d):sum() + 2) / n - mean ^ 2) / n
  local around = 1.959963984540054 * math.sqrt(variance + more) -- of the normal distribution
  return mean - around, mean + around
end
