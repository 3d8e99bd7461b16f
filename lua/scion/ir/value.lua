--- Values: the tensors that calls write and read, before they have a place in the arena. Activations and their gradients have a row for
--- each example of the batch; `shape` is that of one row. Values that are `fixed`, such as gradients of weights, have no batch, and `shape`
--- is all of it. A value may have a parent, in whose memory it lies: as a slice of its channels, or as all of it in another shape.
local shapes = require "scion.shape"

local value = {}
value.__index = value

---@class scion.Value
---@field shape integer[] without the batch
---@field dtype scion.Dtype
---@field fixed boolean? no batch dimension: gradients of weights, statistics
---@field input boolean? written before the first call
---@field pinned boolean? kept until the last call has run
---@field parent scion.Value? the value in whose memory it lies
---@field channel integer? where a slice begins in the parent's last dimension, from 0; nil: the parent in another shape
---@field within scion.Value? the value in whose memory it lies, from `offset` on; set by the pass `gradients`
---@field offset integer? of its memory in the arena, in bytes; set by the pass `arena`; with `within`, in that value's memory

--- Makes a value, f32 by default.
---@param shape integer[]
---@param fields? { dtype: scion.Dtype?, fixed: boolean?, pinned: boolean?, input: boolean? }
---@return scion.Value
function value.new(shape, fields)
  local v = { shape = { table.unpack(shape) }, dtype = "f32" }
  for k, field in pairs(fields or {}) do v[k] = field end
  return setmetatable(v, value)
end

--- Whether an operand of a call is a value, and not a tensor.
---@param v any
---@return boolean
function value.is(v) return getmetatable(v) == value end

--- A slice of the parent along its last dimension: `channels` channels from `channel` on, which counts from 0.
---@param parent scion.Value
---@param channel integer
---@param channels integer
---@return scion.Value
function value.slice(parent, channel, channels)
  local shape = { table.unpack(parent.shape) }
  shape[#shape] = channels
  return value.new(shape, { dtype = parent.dtype, fixed = parent.fixed, parent = parent, channel = channel })
end

--- The same elements in another shape.
---@param parent scion.Value must be contiguous
---@param shape integer[]
---@return scion.Value
function value.view(parent, shape)
  return value.new(shape, { dtype = parent.dtype, fixed = parent.fixed, parent = parent })
end

--- Turns v into a slice of parent: it has no memory of its own from now on.
---@param v scion.Value
---@param parent scion.Value
---@param channel integer where the slice begins, from 0
function value.move_into(v, parent, channel) v.parent, v.channel = parent, channel end

--- The number of elements: of one example or, if the value is fixed, of all of it.
---@param v scion.Value
---@return integer
function value.elements(v) return shapes.elements(v.shape) end

--- The value in whose memory v lies in the end, following parents.
---@param v scion.Value
---@return scion.Value root
---@return integer channel at which v begins in root, from 0
---@return integer stride elements from the start of one row to the next
function value.root(v)
  local channel, stride = 0, v.shape[#v.shape] or 1
  while v.parent do
    if v.channel then
      channel = channel + v.channel
      stride = v.parent.shape[#v.parent.shape]
    end
    v = v.parent
  end
  return v, channel, stride
end

--- Whether there are no gaps between its rows: it is neither a slice nor a view of one.
---@param v scion.Value
---@return boolean
function value.contiguous(v)
  while v.parent do
    if v.channel then return false end
    v = v.parent
  end
  return true
end

return value
