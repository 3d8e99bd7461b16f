---@meta
-- Types of what is defined in C, for editors and the documentation. Nothing requires this file.

---@alias scion.Dtype "f32"|"bf16"|"u8"|"i32"

--- An array of numbers of one dtype, with up to six dimensions. Indices and axes count from 1, and negative ones from the end: -1 is the
--- last. #t is the size of the first dimension. A view shares its memory with the tensor that it was made from. A wrong argument raises.
---
--- t[i] is the i-th part along the first axis: a view or, for a vector, a number; so `for i, row in ipairs(t)` goes over the parts.
--- t[{ {1, 5}, 2, {} }] says something of each axis: a range, both ends included; an index, which removes the axis; or {} for all of it, as
--- for the axes that follow. It is a number if no axis is left, a view where one can be had (see Tensor:slice), and otherwise a copy, which
--- cannot be written to. Both forms can be assigned to, whatever the axes: t[{ {}, {2, 3} }] = value takes a number, or a tensor, which is
--- converted to t's dtype and broadcast to the part.
---
--- Arithmetic takes numbers and tensors of any dtype, broadcasts as NumPy does, and gives f32. The exceptions are + - * and negation of
--- i32 tensors with i32 tensors or whole numbers: their results are i32, and saturate at the ends of its range.
---@class scion.Tensor
---@operator add(scion.Tensor|number): scion.Tensor
---@operator sub(scion.Tensor|number): scion.Tensor
---@operator mul(scion.Tensor|number): scion.Tensor
---@operator div(scion.Tensor|number): scion.Tensor
---@operator pow(scion.Tensor|number): scion.Tensor
---@operator unm: scion.Tensor
---@operator len: integer
---@field [integer|table] scion.Tensor|number
local Tensor = {}

--- The sizes of all dimensions, as a new list.
---@return integer[]
function Tensor:shape() end

--- The type of its numbers.
---@return scion.Dtype
function Tensor:dtype() end

--- A number that grows whenever the contents are written to.
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

--- The same elements in another shape, given as t:reshape{2, -1} or t:reshape(2, -1); one size may be -1 and is computed from the
--- others. The result is a view, with one exception: for a slice of columns, whose rows have gaps in memory, a new size of the last
--- dimension needs a copy, which cannot be written to (see Tensor:slice). Raises if the shape does not fit.
---@param shape integer[]|integer
---@param ... integer
---@return scion.Tensor
function Tensor:reshape(shape, ...) end

--- The elements from first to last along an axis, both included. The result is a view if the axis is the first or the last one, or if
--- all axes before it have size 1. Otherwise it is a copy, unless its parts happen to lie at equal distances. Writing to a copy raises,
--- since it would not change the tensor; so it is with the copies of t[{ … }], reshape and transpose. t[{ {}, {first, last} }] = value
--- writes to the tensor, here along axis 2. t:slice(…):copy() can be written to. Raises if first or last is out of range.
---@param axis integer
---@param first integer
---@param last integer
---@return scion.Tensor
function Tensor:slice(axis, first, last) end

--- The i-th part along the first axis, as t[i]. Raises when i is out of range.
---@param i integer
---@return scion.Tensor|number
function Tensor:select(i) end

--- A copy with its own memory, which can be written to.
---@return scion.Tensor
function Tensor:copy() end

--- A copy in another dtype. Conversion to u8 and i32 rounds to nearest and saturates; to bf16 it rounds to nearest even.
--- Raises on an unknown dtype.
---@param dtype scion.Dtype
---@return scion.Tensor
function Tensor:to(dtype) end

--- Sets all elements to a value.
---@param value number
---@return scion.Tensor self
function Tensor:fill(value) end

--- The transpose of a matrix: a copy, which cannot be written to (see Tensor:slice). Raises for anything but two dimensions.
---@return scion.Tensor
function Tensor:transpose() end

--- Its elements in nested tables, one level per dimension; a number for a tensor without dimensions.
---@return table|number
function Tensor:totable() end

--- The memory of its elements as a string, in row-major order.
---@return string
function Tensor:bytes() end

--- Whether dtype, shape and all bits of the elements are equal.
---@param other scion.Tensor
---@return boolean
function Tensor:equal(other) end

--- Sums along an axis, which the result lacks; without an axis, the sum of all elements. A single result is a number, else the result is
--- a tensor: i32 for u8 and i32, f32 otherwise.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:sum(axis) end

--- Means along an axis, which the result lacks, in f32; without an axis, the mean of all elements. A single result is a number.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:mean(axis) end

--- Maxima along an axis, which the result lacks, in the same dtype; without an axis, the maximum of all elements. A single result is a
--- number. Raises if there are no elements.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:max(axis) end

--- Minima along an axis, which the result lacks, in the same dtype; without an axis, the minimum of all elements. A single result is a
--- number. Raises if there are no elements.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:min(axis) end

--- The index, from 1, of the first maximum along an axis, in i32; without an axis, its row-major index among all elements. A single
--- result is a number. Raises if there are no elements.
---@param axis? integer
---@return scion.Tensor|number
function Tensor:argmax(axis) end

--- The elements in ascending order along an axis, the last one by default, and where they were: indices from 1, in i32. t:sort(1,
--- { descending = true }) has the greatest first. Equal elements keep their order in both. A NaN counts as greater than any number, as in
--- NumPy and PyTorch: it is last in ascending order. Raises if there is no such axis.
---@param axis? integer
---@param options? { descending: boolean? }
---@return scion.Tensor values
---@return scion.Tensor indices
function Tensor:sort(axis, options) end

--- The indices of Tensor:sort alone. t:gather(axis, t:argsort(axis)) is sorted.
---@param axis? integer
---@param options? { descending: boolean? }
---@return scion.Tensor
function Tensor:argsort(axis, options) end

--- The k greatest elements along an axis, the last one by default, the greatest first, and where they were: indices from 1, in i32. Equal
--- elements keep their order, and a NaN counts as greater than any number. Raises unless the axis has k elements.
---@param k integer
---@param axis? integer
---@return scion.Tensor values
---@return scion.Tensor indices
function Tensor:top_k(k, axis) end

--- The parts with these indices along an axis, for a list of indices or a vector of them: t:gather(1, { 3, 1, 3 }) has three rows. If
--- the indices are a tensor of t's number of dimensions, it picks element by element, as torch.gather does: result[{i, j}] is
--- t[{i, indices[{i, j}]}] for axis 2. Such indices have no more elements than t along the other axes. Negative indices count from the
--- end. Raises if an index is out of range or no whole number.
---@param axis integer
---@param indices integer[]|scion.Tensor
---@return scion.Tensor
function Tensor:gather(axis, indices) end

--- The product of matrices [M,K] and [K,N], in f32. A vector on the left counts as a row and one on the right as a column; the result
--- lacks that dimension. Raises if the shapes do not fit, or if OpenBLAS, which the first product loads, cannot be loaded.
---@param other scion.Tensor
---@return scion.Tensor|number
function Tensor:matmul(other) end

--- The singular value decomposition of an f32 matrix [M,N]: it is u times the diagonal matrix of s times vt, with K = min(M,N) singular
--- values, the largest first. Raises unless it is a matrix of finite numbers, or if OpenBLAS, which the first call loads, cannot be loaded.
---@return scion.Tensor u [M,K], its columns orthonormal
---@return scion.Tensor s [K]
---@return scion.Tensor vt [K,N], its rows orthonormal
function Tensor:svd() end

--- The matrix w with the least |x w - y|^2 + penalty |w|^2, where x is this matrix [N,D] and y one of [N,K]: least squares, or with a penalty
--- above 0 ridge regression. A list of P penalties gives a w for each of them, in less time than one after the other. Raises unless both are
--- matrices of finite numbers with as many rows, if a penalty is below 0 or too small to tell which w is meant, or if OpenBLAS, which the
--- first call loads, cannot be loaded.
---@param y scion.Tensor
---@param penalty number|number[] (a list for several)
---@return scion.Tensor w [D,K]; of a list [P,D,K]
function Tensor:least_squares(y, penalty) end

--- Each element to the power of the exponent; the same as t ^ exponent.
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

--- Limits each element to the range from low to high.
---@param low number
---@param high number
---@return scion.Tensor
function Tensor:clamp(low, high) end

--- A u8 tensor: 1 where the elements are equal, else 0. The arguments are broadcast, as for the five comparisons that follow.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:eq(other) end

--- 1 where the elements are not equal, else 0.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:ne(other) end

--- 1 where the element is less than the other, else 0.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:lt(other) end

--- 1 where the element is less than or equal to the other, else 0.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:le(other) end

--- 1 where the element is greater than the other, else 0.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:gt(other) end

--- 1 where the element is greater than or equal to the other, else 0.
---@param other scion.Tensor|number
---@return scion.Tensor
function Tensor:ge(other) end
