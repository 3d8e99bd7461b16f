--- The seed of weights and dropout, and a counter that gives every random tensor a stream of its own.
--- A draw depends on (seed, stream, element) alone: the same script gives the same numbers on any number of threads.
local check = require "scion.check"

local random = {}

local seed, stream = 0, 0

--- Starts over: what is drawn from here on depends on `n` and the order of the calls. Without it the seed is 0.
--- Raises when n is no whole number.
---@param n integer
function random.seed(n) seed, stream = check.argument("scion.seed", "the seed", n, check.whole()), 0 end

--- The seed, and the next stream that nothing has used yet.
---@return integer seed
---@return integer stream
function random.next_stream()
  stream = stream + 1
  return seed, stream
end

return random
