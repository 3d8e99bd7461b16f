--- Whole safetensors files at once. For single tensors see core.safetensors_open.
local check = require "scion.check"
local array = require "scion.weights.array"
local core = require "scion.core"

local safetensors = {}

local function open(name, path)
  return core.safetensors_open(check.argument("scion.weights.safetensors." .. name, "its argument", path, check.path))
end

--- Reads every tensor of a file.
---@param path string
---@return table<string, scion.Tensor>? tensors by name; nil when the file cannot be read or breaks a rule of the format
---@return table<string, string>|string metadata the file's pairs of strings, or a message that names the file
function safetensors.read(path)
  local file <close>, message = open("read", path)
  if not file then return nil, message end
  local tensors, metadata = file:header()
  for name in pairs(tensors) do
    local tensor, reason = file:read(name)
    if not tensor then return nil, reason end
    tensors[name] = tensor
  end
  return tensors, metadata
end

--- Writes a file that appears whole or not at all: whatever goes wrong, an older file of that name stays as it was.
--- Raises on names and metadata that are not UTF-8 strings, on a name given twice, and on what is no tensor.
---@param path string
---@param tensors table<string, scion.Tensor> | { name: string, tensor: scion.Tensor }[] a list is written in its order
---@param metadata? table<string, string>
---@return true? written
---@return string? message names the file
function safetensors.write(path, tensors, metadata)
  path = check.argument("scion.weights.safetensors.write", "the file to write", path, check.path)
  local ok, written, message = check.try(core.safetensors_write, path, tensors, metadata)
  if not ok then check.raise("scion.weights.safetensors.write: " .. (written:match "%((.*)%)$" or written)) end
  return written, message
end

---@class scion.SafetensorsArrays a list of scion.Array by name, to be closed: its arrays are read from one open file, whatever
---becomes of the path meanwhile
---@field file userdata of core.safetensors_open
---@field metadata table<string, string> the file's pairs of strings
---@field bytes integer of the whole file

local closable = { __close = function(arrays) arrays.file:close() end }

--- Lists the arrays of a file, without reading their numbers. What is opened stays open until the list is closed, so that all of it
--- belongs to one file, also where another process replaces that file.
---@param path string
---@return scion.SafetensorsArrays? arrays
---@return string? message names the file
function safetensors.arrays(path)
  local file, message = open("arrays", path)
  if not file then return nil, message end
  local entries, metadata = file:header()
  local list = { file = file, metadata = metadata, bytes = file:size() }
  for name, entry in pairs(entries) do
    local elements = array.elements(entry.shape)
    list[#list + 1] = { name = name, path = path, dtype = entry.dtype, shape = entry.shape,
                        bytes = elements * (core.element_size(entry.dtype) or 0),
                        read = function(offset, count, room) return file:bytes(entry.place + offset, count, room) end }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return setmetatable(list, closable)
end

--- The arrays that a model's layers stand for in Scion's own files: layer/weight, as model:save names them.
---@param layers scion.Layer[]
---@return scion.ExpectedWeight[]
function safetensors.expected(layers)
  local list = {}
  for _, layer in ipairs(layers) do
    for _, p in ipairs(layer.parameters) do
      list[#list + 1] = { name = layer.name .. "/" .. p.name, shape = p.tensor:shape(), tensor = p.tensor }
    end
  end
  return list
end

return safetensors
