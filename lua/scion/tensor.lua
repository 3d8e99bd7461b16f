--- The functions that make tensors. Methods and arithmetic of tensors are written in C: see scion.Tensor in meta.lua. The default of all
--- dtypes is "f32".
local check = require "scion.check"
local core = require "scion.core"
local random = require "scion.random"
local shape = require "scion.shape"

local tensor = {}

local number = check.number()
local most_dimensions = shape.most_dimensions + 1
local sizes_kind = check.list(check.whole(0, shape.largest_size), nil, ("a list of at most %d sizes from 0 up"):format(most_dimensions))

--- Reads a shape, a list of sizes or one size, and raises if no tensor can have it.
local function read_shape(where, sizes)
  sizes = check.argument(where, "the shape", type(sizes) == "number" and { sizes } or sizes, sizes_kind)
  if #sizes > most_dimensions then check.raise(("%s: a tensor has at most %d dimensions, not %d"):format(where, most_dimensions, #sizes)) end
  shape.elements(sizes, where .. ": a tensor")
  return sizes
end

--- A tensor of the numbers in nested tables, f32 unless a dtype is given. Numbers that the dtype cannot hold are rounded to nearest and
--- saturate. Raises if rows differ in length or an element is no number; the message names its position.
---@type fun(values: table, dtype?: scion.Dtype): scion.Tensor
---@example print(scion.tensor{ { 1, 2 }, { 3, 4 } })
tensor.tensor = core.from_table

--- A tensor of zeros: zeros({2, 3}, dtype) or zeros(2, 3, dtype), f32 unless a dtype is given. Raises on an invalid shape or dtype.
---@type fun(shape: integer[]|integer, ...: integer|scion.Dtype): scion.Tensor
---@example x = scion.zeros(2, 3)
tensor.zeros = core.zeros

--- A tensor of ones: ones({2, 3}, dtype) or ones(2, 3, dtype), f32 unless a dtype is given. Raises on an invalid shape or dtype.
---@type fun(shape: integer[]|integer, ...: integer|scion.Dtype): scion.Tensor
---@example x = scion.ones({ 2, 3 }, "u8")
tensor.ones = core.ones

--- A tensor whose elements all have one value, f32 unless a dtype is given. A number as the shape makes a vector. Raises on an invalid
--- shape, value or dtype.
---@type fun(shape: integer[]|integer, value: number, dtype?: scion.Dtype): scion.Tensor
---@example x = scion.full({ 2, 3 }, 0.5)
tensor.full = core.full

--- An f32 tensor of normally distributed random numbers, mean 0 and standard deviation 1: randn(2, 3) or randn{2, 3}. They depend on
--- scion.seed and on what was drawn since. Raises on an invalid shape.
---@param sizes integer[]|integer
---@param ... integer
---@return scion.Tensor
---@example x = scion.randn(2, 3)
function tensor.randn(sizes, ...)
  if type(sizes) == "number" then sizes = { sizes, ... } elseif select("#", ...) > 0 then check.raise "scion.randn: nothing follows the list of sizes" end
  return core.randn(read_shape("scion.randn", sizes), random.next_stream())
end

--- An f32 tensor of uniformly distributed random numbers from low up to, but not, high. They depend on scion.seed and on what was drawn
--- since. Raises on an invalid shape, on bounds that are not finite numbers, and if low is above high.
---@param sizes integer[]|integer
---@param low? number (0)
---@param high? number (1)
---@return scion.Tensor
---@example x = scion.uniform({ 2, 3 }, -1, 1)
function tensor.uniform(sizes, low, high)
  local where = "scion.uniform"
  sizes = read_shape(where, sizes)
  low, high = check.argument(where, "the lower bound", low or 0, number), check.argument(where, "the upper bound", high or 1, number)
  if low > high then
    local instead = #sizes == 1 and ("; several sizes are a list: %s({ %d, %s })"):format(where, sizes[1], check.show(low)) or ""
    check.raise(("%s: the lower bound, %s, is above the upper one, %s%s"):format(where, check.show(low), check.show(high), instead))
  end
  local seed, stream = random.next_stream()
  return core.uniform(sizes, seed, stream, low, high)
end

--- A vector of first, first + step, … up to last, which is included as in Lua's for loop: arange(1, 3) is 1 2 3. The step is 1 and the
--- dtype f32 unless given. Raises if the step is 0 or an argument is not a finite number.
---@type fun(first: number, last: number, step?: number, dtype?: scion.Dtype): scion.Tensor
---@example print(scion.arange(1, 10, 2))
tensor.arange = core.arange

--- Tensors of one shape and dtype side by side along a new axis, at the front unless one is given: stack{ a, b } of two 3x4 is 2x3x4, and
--- stack({ a, b }, -1) is 3x4x2. Raises if the list is empty, or if shapes or dtypes differ.
---@type fun(tensors: scion.Tensor[], axis?: integer): scion.Tensor
---@example print(scion.stack{ scion.zeros(3), scion.ones(3) })
tensor.stack = core.stack

--- Tensors of one dtype one behind the other along an axis, the first unless one is given: concat({ a, b }, 2) of 3x4 and 3x2 is 3x6.
--- Raises if the list is empty, or if dtypes or the sizes of other axes differ.
---@type fun(tensors: scion.Tensor[], axis?: integer): scion.Tensor
---@example print(scion.concat({ scion.zeros(2, 1), scion.ones(2, 2) }, 2))
tensor.concat = core.concat

--- The elements of a where the condition is not 0, and those of b elsewhere: where(t:gt(0), t, 0). All three are broadcast, and may be
--- numbers. The dtype is that of a and b if it is the same; a number takes the dtype of the other one if that holds it; else it is f32.
--- Raises if the shapes do not fit.
---@type fun(condition: scion.Tensor|number, a: scion.Tensor|number, b: scion.Tensor|number): scion.Tensor
---@example
---  x = scion.randn(2, 3)
---  print(scion.where(x:gt(0), x, 0))
tensor.where = core.where

--- Class numbers from 1 to n as f32 rows that are 1 at the class and 0 elsewhere: one_hot({ 2, 1 }, 3) is 2x3. The classes are a list or a
--- tensor of any shape, to which the result adds the axis of classes. Raises if a class is not a whole number from 1 to n.
---@type fun(classes: integer[]|scion.Tensor, n: integer): scion.Tensor
---@example print(scion.one_hot({ 2, 1 }, 3))
tensor.one_hot = core.one_hot_from_one

return tensor
