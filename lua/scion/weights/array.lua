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

--- A shape in words: "2x3" or "scalar".
---@param shape integer[]
---@return string
function array.shape_text(shape) return #shape > 0 and table.concat(shape, "x") or "scalar" end

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

--- Why an array cannot be read: the file stores it otherwise, its dtype is unknown, or it reaches beyond its storage. nil if it can. Sets `strides` if there are none.
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
end

--- How many bytes of the storage an array spans, from its first element to its last.
local function reach(self)
  local last, first = last_element(self), self.first or 0
  return last < first and 0 or (last + 1 - first) * core.element_size(self.dtype)
end

--- A u8 tensor that is large enough for the bytes of any one of these arrays.
---@param arrays scion.Array[] for which array.misfit gives nil
---@return scion.Tensor room
function array.room(arrays)
  local most = 0
  for _, a in ipairs(arrays) do most = math.max(most, reach(a)) end
  return core.new({ most }, "u8")
end

--- Reads an array into a tensor and converts the numbers to its dtype. Raises where there are not as many strides as the tensor has
--- dimensions.
---@param self scion.Array for which array.misfit gives nil
---@param tensor scion.Tensor contiguous
---@param room scion.Tensor of array.room
---@param strides? integer[] the array's stride for each dimension of the tensor (the array's own)
---@return true? read nil when the file cannot be read or is damaged
---@return string? message names the file
function array.read_into(self, tensor, room, strides)
  local count = reach(self)
  if count == 0 then return true end
  local bytes, message = self.read((self.first or 0) * core.element_size(self.dtype), count, room)
  if not bytes then return nil, message end
  core.unpack(bytes, self.dtype, 0, strides or self.strides, tensor)
  return true
end

local tensor_dtype = { BF16 = "bf16", U8 = "u8", BOOL = "u8", I8 = "i32", I16 = "i32", I32 = "i32", I64 = "i32" }

--- Reads all arrays of a file. Floating-point numbers become f32, but bf16 stays bf16. U8 and BOOL become u8. Other integers become i32,
--- and those that i32 cannot hold become its nearest number.
---@param arrays scion.Array[]
---@return table<string, scion.Tensor>? tensors nil when one cannot be read, or when they would take far more memory than the file
---@return string? message names the file
function array.read_all(arrays)
  local tensors, left, most = {}, arrays[1] and array.allowance(arrays[1].path), 0
  for _, a in ipairs(arrays) do
    local problem = array.misfit(a) or (#a.shape > 6 and a.name .. " has more than 6 dimensions")
    if problem then return nil, a.path .. ": " .. problem end
    left, most = left - 4 * array.elements(a.shape), math.max(most, reach(a))
    if left < most then return nil, a.path .. ": its arrays would take more than twice the memory of the file" end
  end
  local room <close> = array.room(arrays)
  for _, a in ipairs(arrays) do
    local tensor = core.new(a.shape, tensor_dtype[a.dtype] or "f32")
    local read, message = array.read_into(a, tensor, room)
    if not read then return nil, message end
    tensors[a.name] = tensor
  end
  return tensors
end

return array
