--- Values: the tensors that calls write and read, before they have a place in the arena. Activations and their gradients have a
--- row for each example of the batch, and their shape is that for one example; `fixed` ones, such as gradients of weights, have
--- their whole shape. A value can be a slice of another one's channels, or its memory under another shape: a parent has the memory.
local shapes = require "scion.shape"

local value = {}
value.__index = value

---@class scion.Value
---@field shape integer[] without the batch
---@field dtype scion.Dtype
---@field fixed boolean? no batch dimension: gradients of weights, statistics
---@field input boolean? written before the first call
---@field pinned boolean? kept until the last call has run
---@field parent scion.Value? who has the memory
---@field channel integer? where a slice begins in parent's last dimension, from 0; nil: parent under another shape
---@field offset integer? of its memory in the arena, in bytes [arena]

--- A value with memory of its own; f32 unless `fields` say otherwise.
---@param shape integer[]
---@param fields? { dtype: scion.Dtype?, fixed: boolean?, pinned: boolean?, input: boolean? }
---@return scion.Value
function value.new(shape, fields)
  local v = { shape = { table.unpack(shape) }, dtype = "f32" }
  for k, field in pairs(fields or {}) do v[k] = field end
  return setmetatable(v, value)
end

--- Whether an operand is a value of a plan, and not a tensor.
---@param v any
---@return boolean
function value.is(v) return getmetatable(v) == value end

--- Channels [channel, channel + channels) of parent, its last dimension; channels count from 0.
---@param parent scion.Value
---@param channel integer
---@param channels integer
---@return scion.Value
function value.slice(parent, channel, channels)
  local shape = { table.unpack(parent.shape) }
  shape[#shape] = channels
  return value.new(shape, { dtype = parent.dtype, fixed = parent.fixed, parent = parent, channel = channel })
end

--- The same elements under another shape.
---@param parent scion.Value contiguous
---@param shape integer[]
---@return scion.Value
function value.view(parent, shape)
  return value.new(shape, { dtype = parent.dtype, fixed = parent.fixed, parent = parent })
end

--- Makes v live in a slice of parent from now on.
---@param v scion.Value
---@param parent scion.Value
---@param channel integer where the slice begins, from 0
function value.move_into(v, parent, channel) v.parent, v.channel = parent, channel end

--- Elements for one example, or in all if fixed.
---@param v scion.Value
---@return integer
function value.elements(v) return shapes.elements(v.shape) end

--- The value that has the memory, the channel at which v begins within it, and the elements from row to row.
---@param v scion.Value
---@return scion.Value root
---@return integer channel from 0
---@return integer stride
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

--- Whether its rows lie without gaps: it is no slice, nor a view of one.
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
