--- How scripts make tensors. Methods and arithmetic are C: see scion.Tensor in scion/meta.lua.
local check = require "scion.check"
local core = require "scion.core"
local random = require "scion.random"

local tensor = {}

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

-- The shape as a list of sizes, or an error in the name of a constructor, two levels up.
local function check_shape(name, shape)
  for i = 1, #shape do
    if math.type(shape[i]) ~= "integer" or shape[i] < 0 then
      check.raise(("scion.%s: dimension %d of the shape is %s, not a whole number from 0 up"):format(name, i, tostring(shape[i])))
    end
  end
  return shape
end

--- Normal numbers of mean 0 and deviation 1: randn(2, 3) or randn{2, 3}. What they are depends on scion.seed.
--- Raises on a bad shape.
---@param shape integer[]|integer
---@param ... integer
---@return scion.Tensor
function tensor.randn(shape, ...)
  shape = check_shape("randn", type(shape) == "table" and shape or { shape, ... })
  return core.randn(shape, random.next_stream())
end

--- Numbers between low and high, 0 and 1 unless given; high is never reached. What they are depends on scion.seed.
--- Raises on a bad shape.
---@param shape integer[]|integer
---@param low? number
---@param high? number
---@return scion.Tensor
function tensor.uniform(shape, low, high)
  shape = check_shape("uniform", type(shape) == "table" and shape or { shape })
  local seed, stream = random.next_stream()
  return core.uniform(shape, seed, stream, low, high)
end

--- first, first + step, .. up to last, which belongs to it as in a loop of Lua: arange(1, 3) is 1 2 3.
--- Raises when the step is 0.
---@type fun(first: number, last: number, step?: number, dtype?: scion.Dtype): scion.Tensor
tensor.arange = core.arange

return tensor
