--- Whole safetensors files at once. For single tensors see core.safetensors_open.
local core = require "scion.core"

local safetensors = {}

--- Reads every tensor of a file.
---@param path string
---@return table<string, scion.Tensor>? tensors by name; nil when the file cannot be read or breaks a rule of the format
---@return table<string, string>|string metadata the file's pairs of strings, or a message that names the file
function safetensors.read(path)
  local file <close>, message = core.safetensors_open(path)
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
  return core.safetensors_write(path, tensors, metadata)
end

return safetensors
