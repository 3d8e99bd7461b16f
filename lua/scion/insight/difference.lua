--- By how much one classifier is right more often than another on the same images, and the standard error of that. (Its square is that of
--- McNemar's statistic, but for what that leaves out, the difference itself.)
---@param first scion.Tensor f32 [images], 1 where it is right, or the share of several that are
---@param second scion.Tensor
---@return number mean
---@return number deviation
return function(first, second)
  local d = first - second
  local n, mean = #d, d:mean()
  local around = d - mean
  return mean, math.sqrt((around * around):sum() / math.max(n - 1, 1) / n)
end
