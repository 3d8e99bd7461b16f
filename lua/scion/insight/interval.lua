local normal = require "scion.insight.normal"

--- Wilson's interval (1927) of a share of n, at 95% or at other deviations of the normal distribution.
---@param share number
---@param n integer
---@param z? number deviations (1.96, which are 95%)
---@return number low
---@return number high
return function(share, n, z)
  z = z or normal
  local middle, around = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
  return (middle - around) / (1 + z * z / n), (middle + around) / (1 + z * z / n)
end
