--- The seed for random tensors, initial weights and dropout, and a counter that gives each of them its own stream of random numbers.
--- A number depends only on seed, stream and its position in the tensor, so that a script gives the same numbers with any number of
--- threads.
local check = require "scion.check"

local random = {}

local seed, stream = 0, 0

--- Sets the seed and starts again with the first stream: what is drawn afterwards depends on `n` and the order of the calls. Without a
--- call the seed is 0. Raises unless n is a whole number.
---@param n integer
function random.seed(n) seed, stream = check.argument("scion.seed", "the seed", n, check.whole()), 0 end

--- The seed that is set.
---@return integer
function random.current() return seed end

--- The seed, and a stream that has not been used since the seed was set.
---@return integer seed
---@return integer stream
function random.next_stream()
  stream = stream + 1
  return seed, stream
end

--- Calls f with another seed, and goes on afterwards where the streams were.
---@param n integer the seed
---@param f function
---@param ... any its arguments
---@return any ... its results
function random.with(n, f, ...)
  local old_seed, old_stream = seed, stream
  local function ended(ok, ...)
    seed, stream = old_seed, old_stream
    if not ok then error((...), 0) end
    return ...
  end
  random.seed(n)
  return ended(pcall(f, ...))
end

return random
