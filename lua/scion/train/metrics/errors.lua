--- mae and mse: the mean absolute and the mean squared error of predicted numbers, over all examples and numbers.

return {
  names = { "mae", "mse" }, tells = { numbers = true },
  begin = function() return { absolute = 0.0, squares = 0.0, numbers = 0 } end,
  add = function(kept, outputs, truth)
    local difference = (outputs - truth):reshape(-1)
    kept.absolute, kept.squares = kept.absolute + difference:abs():sum(), kept.squares + (difference * difference):sum()
    kept.numbers = kept.numbers + difference:shape()[1]
  end,
  value = function(_, metric, kept) return (metric.name == "mae" and kept.absolute or kept.squares) / kept.numbers end,
}
