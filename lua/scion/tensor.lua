--- How scripts make tensors. Methods and arithmetic are C: see scion.Tensor in scion/meta.lua.
local check = require "scion.check"
local core = require "scion.core"
local random = require "scion.random"
local shape = require "scion.shape"

local tensor = {}

local dtype_kind = check.one_of("f32", "bf16", "u8", "i32")
local number = check.number()
local most_dimensions = shape.most_dimensions + 1
local sizes_kind = check.list(check.whole(0, shape.largest_size), nil, ("a list of at most %d sizes from 0 up"):format(most_dimensions))

local function dtype_of(where, dtype) return dtype ~= nil and check.argument(where, "the dtype", dtype, dtype_kind) or nil end

--- A shape that can be made, from a list of sizes.
local function read_shape(where, sizes)
  sizes = check.argument(where, "the shape", sizes, sizes_kind)
  if #sizes > most_dimensions then check.raise(("%s: a tensor has at most %d dimensions, not %d"):format(where, most_dimensions, #sizes)) end
  shape.elements(sizes, where .. ": a tensor")
  return sizes
end

--- The arguments of a constructor whose shape is a list or stands in the arguments themselves: the shape, and what follows it.
local function read_spread(where, first, ...)
  if type(first) == "table" then return read_shape(where, first), ... end
  local sizes, rest = {}, table.pack(first, ...)
  while type(rest[#sizes + 1]) == "number" do sizes[#sizes + 1] = rest[#sizes + 1] end
  if #sizes == 0 then check.raise(("%s: the shape is a list of sizes, { 2, 3 }, or sizes, not %s"):format(where, check.show(first))) end
  return read_shape(where, sizes), table.unpack(rest, #sizes + 1, rest.n)
end

local function nothing_left(where, n, ...)
  if select("#", ...) > n then check.raise(("%s takes nothing after its dtype, but was given %s"):format(where, check.show((select(n + 1, ...))))) end
end

--- A constructor like zeros.
local function filled(name, make)
  local where = "scion." .. name
  local function construct(sizes, dtype, ...)
    nothing_left(where, 0, ...)
    return make(sizes, dtype_of(where, dtype))
  end
  return function(...) return construct(read_spread(where, ...)) end
end

--- A tensor of the numbers in nested tables. Numbers that the dtype cannot hold are rounded to nearest and saturate.
--- Raises when the table is ragged or holds something else, and names the place.
---@param values table
---@param dtype? scion.Dtype
---@return scion.Tensor
function tensor.tensor(values, dtype) return core.from_table(values, dtype_of("scion.tensor", dtype)) end

--- Zeros: zeros({2, 3}, dtype) or zeros(2, 3, dtype). Raises on a bad shape or dtype.
---@type fun(shape: integer[]|integer, ...: integer|scion.Dtype): scion.Tensor
tensor.zeros = filled("zeros", core.zeros)

--- Ones: ones({2, 3}, dtype) or ones(2, 3, dtype). Raises on a bad shape or dtype.
---@type fun(shape: integer[]|integer, ...: integer|scion.Dtype): scion.Tensor
tensor.ones = filled("ones", core.ones)

--- A tensor of one value. A number for the shape makes a vector. Raises on a bad shape, value or dtype.
---@param sizes integer[]|integer
---@param value number
---@param dtype? scion.Dtype
---@return scion.Tensor
function tensor.full(sizes, value, dtype)
  local where = "scion.full"
  sizes = read_shape(where, type(sizes) == "number" and { sizes } or sizes)
  if type(value) ~= "number" then check.argument(where, "the value", value, number) end -- inf and NaN may be wanted
  return core.full(sizes, value, dtype_of(where, dtype))
end

--- Normal numbers of mean 0 and deviation 1: randn(2, 3) or randn{2, 3}. What they are depends on scion.seed.
--- Raises on a bad shape.
---@param sizes integer[]|integer
---@param ... integer
---@return scion.Tensor
function tensor.randn(sizes, ...)
  local function make(read, ...)
    nothing_left("scion.randn", 0, ...)
    return core.randn(read, random.next_stream())
  end
  return make(read_spread("scion.randn", sizes, ...))
end

--- Numbers between low and high, 0 and 1 unless given; high is never reached. What they are depends on scion.seed.
--- Raises on a bad shape, and on bounds that are none.
---@param sizes integer[]|integer
---@param low? number
---@param high? number
---@return scion.Tensor
function tensor.uniform(sizes, low, high)
  local where = "scion.uniform"
  sizes = read_shape(where, type(sizes) == "number" and { sizes } or sizes)
  low, high = check.argument(where, "the lower bound", low or 0, number), check.argument(where, "the upper bound", high or 1, number)
  if low > high then check.raise(("%s: the lower bound, %s, is above the upper one, %s"):format(where, check.show(low), check.show(high))) end
  local seed, stream = random.next_stream()
  return core.uniform(sizes, seed, stream, low, high)
end

--- first, first + step, .. up to last, which belongs to it as in a loop of Lua: arange(1, 3) is 1 2 3.
--- Raises when the step is 0, and on what is no finite number.
---@param first number
---@param last number
---@param step? number 1 unless given
---@param dtype? scion.Dtype
---@return scion.Tensor
function tensor.arange(first, last, step, dtype)
  local where = "scion.arange"
  if step == nil then step = 1 end
  first, last = check.argument(where, "the first number", first, number), check.argument(where, "the last number", last, number)
  if check.argument(where, "the step", step, number) == 0 then check.raise(where .. ": the step is 0") end
  if math.abs((last - first) / step) >= shape.largest_size then
    check.raise(("%s: from %s to %s by %s are more than %d numbers"):format(where, check.show(first), check.show(last), check.show(step), shape.largest_size))
  end
  return core.arange(first, last, step, dtype_of(where, dtype))
end

return tensor
