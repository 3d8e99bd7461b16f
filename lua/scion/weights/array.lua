--- Arrays in files: how to get at their bytes, and how they become tensors. torch.lua and safetensors.lua list a file's arrays in this
--- form; nothing of their contents is read before it is asked for.
local core = require "scion.core"
local lfs = require "lfs"

local array = {}

---@class scion.Array
---@field name string
---@field path string the file
---@field dtype string in safetensors' words: "F32", "F16", "I64" …
---@field shape integer[]
---@field strides integer[]? elements from one index to the next; none: row by row
---@field first integer? the first element, counted from 0 in its storage
---@field bytes integer of the storage
---@field read fun(offset: integer, count: integer, room: scion.Tensor): scion.Tensor?, string? brings bytes of the storage into `room`
---@field late boolean? whether damage may show as late as its numbers are read

--- What the memory for a file's tensors may come to: what half precision takes as f32, and a little for small files.
---@param path string
---@return integer bytes
function array.allowance(path) return array.allowance_of(lfs.attributes(path, "size") or 0) end

--- The same for a file of that size.
---@param size integer bytes
---@return integer bytes
function array.allowance_of(size) return 2 * size + (64 << 20) end

--- What reads a storage that lies in a file as it is.
---@param path string
---@param place integer of its first byte
---@return fun(offset: integer, count: integer, room: scion.Tensor): scion.Tensor?, string?
function array.in_file(path, place)
  return function(offset, count, room) return core.read_bytes(path, place + offset, count, room) end
end

--- "2x3" or "scalar".
---@param shape integer[]
---@return string
function array.shape_text(shape) return #shape > 0 and table.concat(shape, "x") or "scalar" end

--- The strides of an array that lies row by row.
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

--- How many elements a shape has; nil when that is more than any file holds.
---@param shape integer[]
---@return integer?
function array.elements(shape)
  local n, rough = 1, 1.0
  for _, size in ipairs(shape) do n, rough = n * size, rough * size end
  return rough < 2 ^ 53 and n or nil
end

--- The last element that the strides reach, or -1 where there is none; nil when that is beyond any file.
local function last_element(self)
  if array.elements(self.shape) == 0 then return -1 end
  local last, rough = self.first or 0, (self.first or 0) + 0.0
  for i, size in ipairs(self.shape) do
    last, rough = last + (size - 1) * self.strides[i], rough + (size - 1.0) * self.strides[i]
  end
  return rough < 2 ^ 53 and last or nil
end

--- Why an array's numbers are not all in its storage, or nothing.
---@param self scion.Array
---@return string?
function array.misfit(self)
  local size = core.element_size(self.dtype)
  if not size then return ("%s has dtype %s, which is not read"):format(self.name, self.dtype) end
  self.strides = self.strides or array.row_strides(self.shape)
  local last = last_element(self)
  if not array.elements(self.shape) or not last or (last + 1) * size > self.bytes then
    return ("%s (%s) reaches beyond the %d bytes that are stored of it"):format(self.name, array.shape_text(self.shape), self.bytes)
  end
end

--- How many bytes lie between an array's first element and its last.
local function reach(self)
  local last, first = last_element(self), self.first or 0
  return last < first and 0 or (last + 1 - first) * core.element_size(self.dtype)
end

--- Memory for the bytes of any one of these arrays.
---@param arrays scion.Array[] that array.misfit finds nothing against
---@return scion.Tensor room
function array.room(arrays)
  local most = 0
  for _, a in ipairs(arrays) do most = math.max(most, reach(a)) end
  return core.new({ most }, "u8")
end

--- Reads an array into a tensor. Raises when the tensor's elements are not as many as the strides are for.
---@param self scion.Array one that array.misfit finds nothing against
---@param tensor scion.Tensor contiguous
---@param room scion.Tensor of array.room
---@param strides? integer[] of the array for each dimension of the tensor; by default the array's own
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

--- Reads all arrays of a file: floating-point numbers as f32 (bf16 stays so), integers as u8 and i32, which saturates.
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
