--- How scripts make tensors. Methods and arithmetic are C: see scion.Tensor in scion/meta.lua.
local check = require "scion.check"
local core = require "scion.core"
local random = require "scion.random"
local shape = require "scion.shape"

local tensor = {}

local number = check.number()
local most_dimensions = shape.most_dimensions + 1
local sizes_kind = check.list(check.whole(0, shape.largest_size), nil, ("a list of at most %d sizes from 0 up"):format(most_dimensions))

--- A shape that can be made: a list of sizes, or one size.
local function read_shape(where, sizes)
  sizes = check.argument(where, "the shape", type(sizes) == "number" and { sizes } or sizes, sizes_kind)
  if #sizes > most_dimensions then check.raise(("%s: a tensor has at most %d dimensions, not %d"):format(where, most_dimensions, #sizes)) end
  shape.elements(sizes, where .. ": a tensor")
  return sizes
end

--- A tensor of the numbers in nested tables. Numbers that the dtype cannot hold are rounded to nearest and saturate.
--- Raises when the table is ragged or holds something else, and names the place.
---@type fun(values: table, dtype?: scion.Dtype): scion.Tensor
tensor.tensor = core.from_table

--- Zeros: zeros({2, 3}, dtype) or zeros(2, 3, dtype). Raises on a bad shape or dtype.
---@type fun(shape: integer[]|integer, ...: integer|scion.Dtype): scion.Tensor
tensor.zeros = core.zeros

--- Ones: ones({2, 3}, dtype) or ones(2, 3, dtype). Raises on a bad shape or dtype.
---@type fun(shape: integer[]|integer, ...: integer|scion.Dtype): scion.Tensor
tensor.ones = core.ones

--- A tensor of one value. A number for the shape makes a vector. Raises on a bad shape, value or dtype.
---@type fun(shape: integer[]|integer, value: number, dtype?: scion.Dtype): scion.Tensor
tensor.full = core.full

--- Normal numbers of mean 0 and deviation 1: randn(2, 3) or randn{2, 3}. What they are depends on scion.seed.
--- Raises on a bad shape.
---@param sizes integer[]|integer
---@param ... integer
---@return scion.Tensor
function tensor.randn(sizes, ...)
  if type(sizes) == "number" then sizes = { sizes, ... } elseif select("#", ...) > 0 then check.raise "scion.randn: nothing follows the list of sizes" end
  return core.randn(read_shape("scion.randn", sizes), random.next_stream())
end

--- Numbers between low and high, 0 and 1 unless given; high is never reached. What they are depends on scion.seed.
--- Raises on a bad shape, and on bounds that are none.
---@param sizes integer[]|integer
---@param low? number
---@param high? number
---@return scion.Tensor
function tensor.uniform(sizes, low, high)
  local where = "scion.uniform"
  sizes = read_shape(where, sizes)
  low, high = check.argument(where, "the lower bound", low or 0, number), check.argument(where, "the upper bound", high or 1, number)
  if low > high then check.raise(("%s: the lower bound, %s, is above the upper one, %s"):format(where, check.show(low), check.show(high))) end
  local seed, stream = random.next_stream()
  return core.uniform(sizes, seed, stream, low, high)
end

--- first, first + step, .. up to last, which belongs to it as in a loop of Lua: arange(1, 3) is 1 2 3.
--- Raises when the step is 0, and on what is no finite number.
---@type fun(first: number, last: number, step?: number, dtype?: scion.Dtype): scion.Tensor
tensor.arange = core.arange

return tensor
