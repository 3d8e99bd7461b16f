--- Weights from files, by what the file is: Keras's HDF5 and .keras archives, PyTorch's state dicts, and safetensors, Scion's own or
--- with torchvision's names.
local check = require "scion.check"
local core = require "scion.core"
local graph = require "scion.graph"
local identify = require "scion.weights.identify"
local match = require "scion.weights.match"
local options = require "scion.options"

local weights = {}

--- What is refused ends with what the file looks like, if that is anything known.
local function refuse(path, problem, arrays, publisher)
  local known = identify.architecture(arrays, publisher)
  check.raise(("%s: %s%s"):format(path, problem, known and (" (the file looks like %s)"):format(known) or ""))
end

--- Arrays by name: compares, refuses if it must, and reads.
local function load_arrays(path, arrays, expected, may_be_left, strict)
  local report, matched = match.compare(path, arrays, expected, may_be_left)
  if strict and not report:complete() then refuse(path, report:problem(), arrays, "torchvision") end
  local read, message = match.read(matched)
  if not read then check.raise(message) end
  return report
end

local function load_torchvision(path, arrays, layers, strict)
  local torchvision = require "scion.weights.torchvision"
  local expected = require("scion.weights.timm").rename(torchvision.expected(layers), arrays)
  return load_arrays(path, arrays, expected, torchvision.may_be_left, strict)
end

local function load_torch(path, layers, strict)
  local arrays <close>, message = require("scion.weights.torch").arrays(path)
  if not arrays then check.raise(message) end
  return load_torchvision(path, arrays, layers, strict)
end

local function load_safetensors(path, layers, strict)
  local safetensors = require "scion.weights.safetensors"
  local arrays <close>, message = safetensors.arrays(path)
  if not arrays then check.raise(message) end
  for _, a in ipairs(arrays) do
    if a.name:find("/", 1, true) then return load_arrays(path, arrays, safetensors.expected(layers), nil, strict) end
  end
  return load_torchvision(path, arrays, layers, strict)
end

local function load_keras(path, layers, strict)
  local report, message, arrays = require("scion.weights.keras").load(path, layers, { strict = strict })
  if report then return report end
  if arrays then refuse(path, message:sub(#path + 3), arrays, "keras") end
  check.raise(message)
end

local function holds_keras(path)
  local archive <close>, message = core.zip_open(path)
  return archive and archive:entries()["model.weights.h5"] ~= nil, message
end

local function load_archive(path, layers, strict)
  local keras, message = holds_keras(path)
  if message then check.raise(message) end
  return (keras and load_keras or load_torch)(path, layers, strict)
end

--- What a file is: "hdf5", "zip", "pickle" or "safetensors". A pickle's first bytes could be a header's length, of terabytes.
local function format_of(path)
  local head, message = core.read_head(path, 8)
  if not head then check.raise(message) end
  if head:sub(1, 4) == "\137HDF" then return "hdf5" end
  if head:sub(1, 4) == "PK\3\4" then return "zip" end
  return head:byte() == 0x80 and head:sub(5) ~= "\0\0\0\0" and "pickle" or "safetensors"
end

--- The variant that a file of model:export was made of.
local function exported_variant(metadata)
  local variant = metadata.variant
  return (variant == "keras" or variant == "torchvision") and variant or nil
end

--- Whose network a file's weights are for, as its names tell or, where model:export wrote it, its metadata.
---@param path string
---@return "keras"|"torchvision"|nil publisher nil for Scion's own files, and for those that cannot be read
function weights.publisher(path)
  local format = format_of(path)
  if format == "safetensors" then
    local arrays <close> = require("scion.weights.safetensors").arrays(path)
    local first = arrays and arrays[1]
    return first and not first.name:find("/", 1, true) and (exported_variant(arrays.metadata) or "torchvision") or nil
  end
  if format == "zip" then return holds_keras(path) and "keras" or "torchvision" end
  return format == "pickle" and "torchvision" or "keras"
end

local readers = { hdf5 = load_keras, zip = load_archive, pickle = load_torch, safetensors = load_safetensors }

--- Loads the arrays of a saved model that is open. Raises with the path where they are not the model's.
---@param model scion.Model
---@param path string
---@param arrays scion.SafetensorsArrays
function weights.load_saved(model, path, arrays)
  load_arrays(path, arrays, require("scion.weights.safetensors").expected(graph.layers(model.order)), nil, true)
end

--- Loads a file into a model's layers. Raises with the path when the file cannot be read, and, unless strict = false, when it does
--- not fit; then no weight has changed. With strict = false what fits is loaded.
---@param model scion.Model
---@param path string
---@param given? { strict: boolean? }
---@return scion.WeightsReport report what was loaded and what was not; tostring gives it as text
function weights.load(model, path, given)
  local strict = options.check("weights.load", given, { strict = true }).strict
  return readers[format_of(path)](path, graph.layers(model.order), strict)
end

return weights
