--- Values: what steps read and write, before it has a place in the arena. A value's shape is that for one example, unless it is
--- `fixed`. A value can be a slice of the channels of another (parent, channel), or the same memory under another shape.
local value = {}
value.__index = value

---@class scion.Value
---@field shape integer[]
---@field dtype string
---@field fixed boolean? no batch dimension: gradients of weights, statistics
---@field pinned boolean? lives to the end of the program, and from its beginning if it is an input
---@field parent scion.Value?
---@field channel integer? where the slice begins, from 0

--- A value with memory of its own.
---@param shape integer[]
---@param fields table? dtype, fixed, pinned, input
---@return scion.Value
function value.new(shape, fields)
  local v = { shape = { table.unpack(shape) }, dtype = "f32" }
  for k, field in pairs(fields or {}) do v[k] = field end
  return setmetatable(v, value)
end

--- Whether v is a value of a plan, and not a tensor.
function value.is(v) return getmetatable(v) == value end

--- Channels [channel, channel + channels) of parent.
function value.slice(parent, channel, channels)
  local shape = { table.unpack(parent.shape) }
  shape[#shape] = channels
  return value.new(shape, { dtype = parent.dtype, fixed = parent.fixed, parent = parent, channel = channel })
end

--- The same elements under another shape; parent must not be a slice itself.
function value.view(parent, shape)
  return value.new(shape, { dtype = parent.dtype, fixed = parent.fixed, parent = parent })
end

--- Makes v live in a slice of parent from now on.
function value.move_into(v, parent, channel) v.parent, v.channel = parent, channel end

--- Elements for one example (or in all, if fixed).
function value.elements(v)
  local n = 1
  for _, size in ipairs(v.shape) do n = n * size end
  return n
end

--- The value that has the memory, the channel that v begins at within it, and the distance from row to row.
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

--- Whether its rows lie without gaps.
function value.contiguous(v)
  while v.parent do
    if v.channel then return false end
    v = v.parent
  end
  return true
end

return value
