---@meta
-- For editors and the documentation: what C defines. Nothing requires this file.

---@alias scion.Dtype "f32"|"bf16"|"u8"|"i32"

--- Numbers of one dtype in a shape of up to six dimensions. Indices and axes count from 1. t[i] is the i-th part along the
--- first axis: a view, or the number of a vector; t[i] = v writes it. #t is the size of the first dimension. A view shares
--- the numbers with the tensor it was made from. A wrong argument raises.
---
--- Arithmetic takes tensors of any dtype and numbers, broadcasts as NumPy does, and gives f32. Only + - * and negation of i32
--- with i32 or a whole number stay i32; they saturate at the ends of its range.
---@class scion.Tensor
---@operator add(scion.Tensor|number): scion.Tensor
---@operator sub(scion.Tensor|number): scion.Tensor
---@operator mul(scion.Tensor|number): scion.Tensor
---@operator div(scion.Tensor|number): scion.Tensor
---@operator pow(scion.Tensor|number): scion.Tensor
---@operator unm: scion.Tensor
---@operator len: integer
---@field [integer] scion.Tensor|number
local Tensor = {}

--- The sizes of all dimensions.
---@return integer[]
function Tensor:shape() end

--- The type of its numbers.
---@return scion.Dtype
function Tensor:dtype() end

--- A number that changes whenever the contents do.
---@return integer
function Tensor:version() end

--- The element at those indices, one for each dimension. Raises when one is out of range.
---@param ... integer
---@return number
function Tensor:get(...) end

--- Writes the element at those indices: t:set(i, j, value). Raises when one is out of range.
---@param ... number indices, then the value
---@return scion.Tensor self
function Tensor:set(...) end

--- The same numbers in another shape, {2, -1} or 2, -1; -1 is what the others leave. A view, unless the tensor is a slice of
--- columns, whose rows have gaps, and the last dimension changes: then a copy, which cannot be written to (see Tensor:slice).
--- Raises when the shape does not fit.
---@param shape integer[]|integer
---@param ... integer
---@return scion.Tensor
function Tensor:reshape(shape, ...) end

--- The elements first to last, both included, along an axis. A view along the first and the last axis, and where all axes before it
--- have one element. Else a copy, and what is written to that would not reach the tensor: so writing to it raises, as it does to
--- the copies that reshape and transpose give; t:slice(…):copy() can be written to. Raises when first and last are out of range.
---@param axis integer
---@param first integer
---@param last integer
---@return scion.Tensor
function Tensor:slice(axis, first, last) end

--- The i-th part along the first axis, as t[i]. Raises when i is out of range.
---@param i integer
---@return scion.Tensor|number
function Tensor:select(i) end

--- A copy with a memory of its own.
---@return scion.Tensor
function Tensor:copy() end

--- A copy in another dtype: to u8 and i32 rounds to nearest and saturates, to bf16 rounds to nearest even.
--- Raises on an unknown dtype.
---@param dtype scion.Dtype
---@return scion.Tensor
function Tensor:to(dtype) end

--- Writes one value everywhere.
---@param value number
---@return scion.Tensor self
function Tensor:fill(value) end

--- The transpose of a matrix: a copy, which cannot be written to (see Tensor:slice). Raises for anything but two dimensions.
---@return scion.Tensor
function Tensor:transpose() end

--- Nested tables of its numbers.
---@return table|number
function Tensor:totable() end

--- Its elements as they lie in memory, row-major, in a string.
---@return string
function Tensor:bytes() end

--- Whether dtype, shape and every bit are the same.
---@param other scion.Tensor
---@return boolean
function Tensor:equal(other) end

--- Sums along an axis, which goes; or of everything. A single result is a number. Sums of u8 and i32 are i32.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:sum(axis) end

--- Means along an axis, which goes; or of everything. A single result is a number.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:mean(axis) end

--- The greatest along an axis, which goes; or of everything. A single result is a number. Raises where there are no elements.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:max(axis) end

--- The least along an axis, which goes; or of everything. A single result is a number. Raises where there are no elements.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:min(axis) end

--- Where along the axis the greatest lies first, from 1; or its row-major place among all.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:argmax(axis) end

--- The product of matrices [M,K] and [K,N], f32. A vector on the left is a row, on the right a column, and its dimension goes
--- from the result. Raises when the shapes do not fit, and when OpenBLAS, which the first product loads, cannot be loaded.
---@param other scion.Tensor
---@return scion.Tensor|number
function Tensor:matmul(other) end

--- Each element to that power.
---@param exponent scion.Tensor|number
---@return scion.Tensor
function Tensor:pow(exponent) end

--- Absolute values.
---@return scion.Tensor
function Tensor:abs() end

--- e to the power of each element.
---@return scion.Tensor
function Tensor:exp() end

--- Natural logarithms.
---@return scion.Tensor
function Tensor:log() end

--- Square roots.
---@return scion.Tensor
function Tensor:sqrt() end

--- Each element, or the bound that it passes.
---@param low number
---@param high number
---@return scion.Tensor
function Tensor:clamp(low, high) end

--- 1 where equal, else 0, in u8; so for the next five.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:eq(other) end

--- 1 where not equal.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:ne(other) end

--- 1 where less.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:lt(other) end

--- 1 where less or equal.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:le(other) end

--- 1 where greater.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:gt(other) end

--- 1 where greater or equal.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:ge(other) end
