local normal = require "scion.insight.normal"

--- A 95% interval of by how much one classifier is right more often than another on the same images: Agresti and Min's (2005), which counts two
--- images more, half of one in each case: both right, neither, only the first, only the second. So it is none of width 0 where few images agree.
---@param first scion.Tensor f32 [images], 1 where it is right, or the share of several that are
---@param second scion.Tensor
---@param more number? a variance to be added, of what was drawn beside the images (0)
---@return number low
---@return number high
return function(first, second, more)
  local d = first - second
  local n = #d + 2
  local mean = d:sum() / n
  local variance = (((d * d):sum() + 1) / n - mean ^ 2) / n
  local around = normal * math.sqrt(variance + (more or 0))
  return math.max(mean - around, -1), math.min(mean + around, 1)
end
