--- Arrays in files: how to read their bytes and turn them into tensors. torch.lua and safetensors.lua list a file's arrays in this form.
--- Listing does not read the numbers.
local core = require "scion.core"
local lfs = require "lfs"

local array = {}

---@class scion.Array
---@field name string
---@field path string the file
---@field dtype string as safetensors writes it: "F32", "F16", "I64" …
---@field shape integer[]
---@field strides integer[]? elements from one index to the next, for each dimension; none: the array is contiguous, row by row
---@field first integer? index of the first element in its storage, from 0 (0)
---@field bytes integer size of the storage
---@field read fun(offset: integer, count: integer, room: scion.Tensor): scion.Tensor?, string? reads `count` bytes of the storage, from
--- `offset` on, into `room`, and returns it, or nil and a message
---@field unreadable string? why its numbers cannot be read, in words that follow its name
---@field outside boolean? whether its name lacks the prefix that others were found behind: it may be a head
---@field beside boolean? whether it lies outside of the prefix that the user gave, so that it is no part of the network

--- How much memory a file's tensors may take, so that a small damaged or malicious file cannot ask for any amount: twice the size of the
--- file, since f32 takes twice the bytes of half precision, plus 64 MiB.
---@param path string
---@return integer bytes
function array.allowance(path) return array.allowance_of(lfs.attributes(path, "size") or 0) end

--- The same, for a file of a given size.
---@param size integer bytes
---@return integer bytes
function array.allowance_of(size) return 2 * size + (64 << 20) end

--- The function `read` of an array whose storage lies in a file uncompressed.
---@param path string
---@param start integer offset of the storage's first byte in the file, from 0
---@return fun(offset: integer, count: integer, room: scion.Tensor): scion.Tensor?, string?
function array.in_file(path, start)
  return function(offset, count, room) return core.read_bytes(path, start + offset, count, room) end
end

local most_shown = 64 -- dimensions: more are no shape, and a message of a file that claims them stays short

--- A shape in words: "2x3" or "scalar".
---@param shape integer[]
---@return string
function array.shape_text(shape)
  if #shape > most_shown then return ("%sx… (%d dimensions)"):format(table.concat(shape, "x", 1, most_shown), #shape) end
  return #shape > 0 and table.concat(shape, "x") or "scalar"
end

--- The strides, in elements, of a contiguous array.
---@param shape integer[]
---@return integer[]
function array.row_strides(shape)
  local strides, step = {}, 1
  for i = #shape, 1, -1 do
    strides[i] = step
    step = step * math.max(shape[i], 1)
  end
  return strides
end

--- How many elements a shape has; nil when there are 2^53 or more, which no file holds.
---@param shape integer[]
---@return integer?
function array.elements(shape)
  local n, rough = 1, 1.0 -- rough is a float: the integer may overflow
  for _, size in ipairs(shape) do n, rough = n * size, rough * size end
  return rough < 2 ^ 53 and n or nil
end

--- The index in the storage of the last element that the strides reach, or -1 for an array without elements; nil when it is 2^53 or more.
local function last_element(self)
  if array.elements(self.shape) == 0 then return -1 end
  local last, rough = self.first or 0, (self.first or 0) + 0.0
  for i, size in ipairs(self.shape) do
    last, rough = last + (size - 1) * self.strides[i], rough + (size - 1.0) * self.strides[i]
  end
  return rough < 2 ^ 53 and last or nil
end

--- How many bytes of the storage an array spans, from its first element to its last.
local function reach(self)
  local last, first = last_element(self), self.first or 0
  return last < first and 0 or (last + 1 - first) * core.element_size(self.dtype)
end

local most_spread, most_gaps = 8, 1 << 20 -- times an array's own bytes, and bytes beside them, that its elements may lie apart

--- Why an array cannot be read: the file stores it otherwise or spread far apart, its dtype is unknown, or it reaches beyond its storage. nil if it
--- can. Sets `strides` if there are none.
---@param self scion.Array
---@return string?
function array.misfit(self)
  if self.unreadable then return self.name .. " " .. self.unreadable end
  local size = core.element_size(self.dtype)
  if not size then
    local floats = self.dtype:find "^[Ff]%a*8_" -- F8_E4M3 in safetensors, float8_e4m3fn in PyTorch
    local complex = self.dtype:find "^C%d+$" or self.dtype:find "Complex" -- C64, and torch.ComplexFloatStorage
    local remedy = floats and "; in Python, save x.float() in its place" or complex and "; in Python, save x.real in its place" or ""
    return ("%s has dtype %s, which is not read%s"):format(self.name, self.dtype, remedy)
  end
  self.strides = self.strides or array.row_strides(self.shape)
  local last = last_element(self)
  if not array.elements(self.shape) or not last or (last + 1) * size > self.bytes then
    return ("%s (%s) reaches beyond the %d bytes that are stored of it"):format(self.name, array.shape_text(self.shape), self.bytes)
  end
  local bytes = array.elements(self.shape) * size
  if reach(self) > most_spread * bytes + most_gaps then -- forged files make the same megabytes be read for each of a thousand arrays
    return ("%s has %d bytes, spread over %d; in Python, save x.contiguous() in its place"):format(self.name, bytes, reach(self))
  end
end

local piece = 4 << 20 -- bytes of an array that are read at once, about
local line = 16 -- numbers of a line of the processor's cache: pieces of whole lines are written faster

---@class scion.ArrayReading
---@field array scion.Array for which array.misfit gives nil
---@field tensor scion.Tensor contiguous; the numbers are converted to its dtype
---@field strides integer[]? the array's stride for each dimension of the tensor (the array's own)

--- The axis of a tensor along which an array can be read in pieces that follow each other in the file, and how many elements one index of it
--- spans; nil where there is none. It is the first or the last one, whose slices can be written to.
local function outermost(shape, strides)
  for _, axis in ipairs { 1, #shape } do
    local span = 1
    for i, size in ipairs(shape) do span = span + (i ~= axis and (size - 1) * strides[i] or 0) end
    if strides[axis] >= span then return axis, span end
  end
end

--- How an array is read: along an `axis` of the tensor, `count` of its `last` indices at a time, of which each lies `stride` elements behind
--- the one before and spans `span`; or at once, without an axis. `bytes`: how many are read at a time, at most.
local function way_of(reading)
  local size, bytes = core.element_size(reading.array.dtype), reach(reading.array)
  local whole = { last = math.min(bytes, 1), count = 1, stride = 0, span = bytes // size, bytes = bytes }
  if bytes <= piece then return whole end
  local shape, strides = reading.tensor:shape(), reading.strides or reading.array.strides
  local axis, span = outermost(shape, strides)
  if not axis then return whole end
  local stride = strides[axis]
  local count = math.max(piece // (stride * size), 1)
  if count > line then count = count - count % line end
  return { axis = axis, last = shape[axis], count = count, stride = stride, span = span, bytes = math.min(((count - 1) * stride + span) * size, bytes) }
end

--- Reads one array. Returns nil and a message where the file cannot be read or is damaged.
local function read_one(reading, way, room)
  local self, tensor = reading.array, reading.tensor
  local first, size, strides = self.first or 0, core.element_size(self.dtype), reading.strides or self.strides
  for index = 1, way.last, way.count do
    local to = math.min(index + way.count - 1, way.last)
    local read, message = self.read((first + (index - 1) * way.stride) * size, ((to - index) * way.stride + way.span) * size, room)
    if not read then return nil, message end
    core.unpack(room, self.dtype, 0, strides, way.axis and tensor:slice(way.axis, index, to) or tensor)
  end
  return true
end

--- Reads arrays into tensors, the large ones piece by piece. Raises where there are not as many strides as a tensor has dimensions.
---@param readings scion.ArrayReading[]
---@return true? read nil when a file cannot be read or is damaged
---@return string? message names the file
function array.read_each(readings)
  local ways, most = {}, 0
  for i, reading in ipairs(readings) do
    ways[i] = way_of(reading)
    most = math.max(most, ways[i].bytes)
  end
  local room <close> = core.new({ most }, "u8")
  for i, reading in ipairs(readings) do
    local read, message = read_one(reading, ways[i], room)
    if not read then return nil, message end
  end
  return true
end

local tensor_dtype = { BF16 = "bf16", U8 = "u8", BOOL = "u8", I8 = "i32", I16 = "i32", I32 = "i32", I64 = "i32" }

--- Reads all arrays of a file. Floating-point numbers become f32, but bf16 stays bf16. U8 and BOOL become u8. Other integers become i32,
--- and those that i32 cannot hold become its nearest number.
---@param arrays scion.Array[]
---@return table<string, scion.Tensor>? tensors nil when one cannot be read, or when they would take far more memory than the file
---@return string? message names the file
function array.read_all(arrays)
  local tensors, readings, left, most = {}, {}, arrays[1] and array.allowance(arrays[1].path), 0
  for _, a in ipairs(arrays) do
    local problem = array.misfit(a) or (#a.shape > 6 and a.name .. " has more than 6 dimensions")
    if problem then return nil, a.path .. ": " .. problem end
    left, most = left - 4 * array.elements(a.shape), math.max(most, reach(a))
    if left < most then return nil, a.path .. ": its arrays would take more than twice the memory of the file" end
  end
  for i, a in ipairs(arrays) do
    tensors[a.name] = core.new(a.shape, tensor_dtype[a.dtype] or "f32")
    readings[i] = { array = a, tensor = tensors[a.name] }
  end
  local read, message = array.read_each(readings)
  return read and tensors, message
end

return array
