--- Shapes: lists of sizes. Their limits, how many elements they have, and how many bytes these take.
local check = require "scion.check"

local shape = {}

--- Bytes of one element of each dtype.
shape.dtype_bytes = { f32 = 4, bf16 = 2, u8 = 1, i32 = 4 }

--- The most elements that a shape may have: 4 TiB of f32, far more than a machine holds, and far below what overflows an integer.
shape.most_elements = 1 << 40

--- The largest size along one axis: the kernels use 32-bit integers for it.
shape.largest_size = (1 << 31) - 1

--- The most dimensions of a value without its batch: a tensor has up to six, and the batch is one of them.
shape.most_dimensions = 5

--- The number of elements of a shape, or nil if it is more than `shape.most_elements`.
---@param sizes integer[] from 0 up
---@return integer?
function shape.count(sizes)
  local n = 1
  for i = 1, #sizes do
    if not (n * (sizes[i] + 0.0) <= shape.most_elements) then return nil end -- as floats, since integers would wrap around
    n = n * sizes[i]
  end
  return n
end

--- The number of elements of a shape; 1 for {}, a scalar. Raises if it is more than `shape.most_elements`.
---@param sizes integer[] from 0 up
---@param what? string what has the shape, for the message ("a shape")
---@return integer
function shape.elements(sizes, what)
  return shape.count(sizes) or check.raise(("%s of %s has more than 2^40 elements, the most that can be computed with; make it smaller"):format(
    what or "a shape", shape.text(sizes)))
end

--- The bytes of a shape's elements. Raises as shape.elements does.
---@param sizes integer[]
---@param dtype "f32"|"bf16"|"u8"|"i32"
---@param what? string as for shape.elements
---@return integer
function shape.bytes(sizes, dtype, what) return shape.elements(sizes, what) * shape.dtype_bytes[dtype] end

--- {224, 224, 3} as "224x224x3", and {} as "no dimensions".
---@param sizes integer[]
---@return string
function shape.text(sizes) return #sizes == 0 and "no dimensions" or table.concat(sizes, "x") end

--- Whether two shapes are the same.
---@param a integer[]
---@param b integer[]
---@return boolean
function shape.equal(a, b) return table.concat(a, "x") == table.concat(b, "x") end

return shape
