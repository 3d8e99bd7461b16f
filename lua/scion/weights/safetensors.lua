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

--- The pairs of strings of a file alone.
---@param path string
---@return table<string, string>? metadata
---@return string? message names the file
function safetensors.metadata(path)
  local file <close>, message = core.safetensors_open(path)
  if not file then return nil, message end
  local _, metadata = file:header()
  return metadata
end

local function shape_text(shape) return #shape > 0 and table.concat(shape, "x") or "scalar" end

--- Why a file's tensors are not those of the layers, or nothing.
local function misfit(tensors, layers)
  local ours = {}
  for _, layer in ipairs(layers) do
    for _, weight in ipairs(layer.weights) do
      local name = layer.name .. "/" .. weight.name
      local expected, found = shape_text(weight.tensor:shape()), tensors[name]
      if not found then return ("%s (%s) is missing"):format(name, expected) end
      if shape_text(found.shape) ~= expected then
        return ("%s is %s, but the model expects %s"):format(name, shape_text(found.shape), expected)
      end
      ours[name] = true
    end
  end
  local extra = {}
  for name in pairs(tensors) do
    if not ours[name] then extra[#extra + 1] = name end
  end
  table.sort(extra)
  if extra[1] then return ("%s is not among the model's weights"):format(extra[1]) end
end

--- Reads a file's tensors, named layer/weight as model:save names them, into a model's. All names and shapes are compared
--- before a tensor changes.
---@param path string
---@param layers { name: string, weights: { name: string, tensor: scion.Tensor }[] }[]
---@return true? loaded
---@return string? message names the file and the first weight that does not fit
function safetensors.load(path, layers)
  local file <close>, message = core.safetensors_open(path)
  if not file then return nil, message end
  local problem = misfit(file:header(), layers)
  if problem then return nil, path .. ": " .. problem end
  for _, layer in ipairs(layers) do
    for _, weight in ipairs(layer.weights) do
      local read, reason = file:read_into(layer.name .. "/" .. weight.name, weight.tensor)
      if not read then return nil, reason end
    end
  end
  return true
end

return safetensors
