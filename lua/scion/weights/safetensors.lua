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

--- The pairs of strings of a file alone.
---@param path string
---@return table<string, string>? metadata
---@return string? message names the file
function safetensors.metadata(path)
  local file <close>, message = open("metadata", path)
  if not file then return nil, message end
  local _, metadata = file:header()
  return metadata
end

--- Lists the arrays of a file, without reading their numbers.
---@param path string
---@return scion.Array[]? arrays by name
---@return string? message names the file
function safetensors.arrays(path)
  local file <close>, message = open("arrays", path)
  if not file then return nil, message end
  local list = {}
  for name, entry in pairs(file:header()) do
    local elements = array.elements(entry.shape)
    list[#list + 1] = { name = name, path = path, dtype = entry.dtype, shape = entry.shape, read = array.in_file(path, entry.place),
                        bytes = elements * (core.element_size(entry.dtype) or 0) }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
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
