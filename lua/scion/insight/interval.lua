--- Wilson's interval (1927) of a share of n, at 95%.
---@param share number
---@param n integer
---@return number low
---@return number high
return function(share, n)
  local z = 1.959963984540054 -- of the normal distribution
  local middle, around = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
  return (middle - around) / (1 + z * z / n), (middle + around) / (1 + z * z / n)
end
