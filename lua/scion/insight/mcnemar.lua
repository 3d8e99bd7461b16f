--- McNemar's test (1947) in its exact form: whether two classifiers are right equally often on the same images. Only the images count that one of
--- them is right about and the other is not; without a difference each of these is as likely as not to be the first one's.

--- The two-sided p-value.
---@param first integer images that only the first is right about
---@param second integer images that only the second is right about
---@return number
return function(first, second)
  local n, fewer = first + second, math.min(first, second)
  local term, sum = -n * math.log(2), 0 -- the logarithm of the first of the binomial's terms, which may be too small for a number
  for k = 0, fewer do
    sum = sum + math.exp(term)
    term = term + math.log((n - k) / (k + 1))
  end
  return math.min(2 * sum, 1)
end
