--- Weights from files, by what the file is: Keras's HDF5 and .keras archives, PyTorch's state dicts, and safetensors, Scion's own or
--- with torchvision's names.
local check = require "scion.check"
local core = require "scion.core"
local format = require "scion.weights.format"
local graph = require "scion.graph"
local identify = require "scion.weights.identify"
local match = require "scion.weights.match"

local weights = {}

--- What is refused ends with what the file looks like, if that is anything known.
local function refuse(path, problem, arrays, publisher)
  local known = identify.architecture(arrays, publisher)
  check.raise(("%s: %s%s"):format(path, problem, known and (" (the file looks like %s)"):format(known) or ""))
end

--- Arrays by name: compares, refuses if it must, and reads.
local function load_arrays(path, arrays, expected, may_be_left, strict)
  local report, matched = match.compare(path, arrays, expected, may_be_left)
  local refusal = report:refusal(strict)
  if refusal then refuse(path, refusal, arrays, "torchvision") end
  local read, message = match.read(matched)
  if not read then check.raise(message) end
  report:tell()
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

local function load_keras(path, layers, strict, model)
  local report, message, arrays = require("scion.weights.keras").load(path, layers, strict, model)
  if report then return report end
  if arrays then refuse(path, message:sub(#path + 3), arrays, "keras") end
  check.raise(message)
end

local function holds_keras(path)
  local archive <close>, message = core.zip_open(path)
  return archive and archive:entries()["model.weights.h5"] ~= nil, message
end

local function load_archive(path, layers, strict, model)
  local keras, message = holds_keras(path)
  if message then check.raise(message) end
  return (keras and load_keras or load_torch)(path, layers, strict, model)
end

--- The variant that a file of model:export was made of.
local function exported_variant(metadata)
  local variant = metadata.variant
  return (variant == "keras" or variant == "torchvision") and variant or nil
end

local a_model = check.instance("scion.Model", "a model")

--- Whose network a file's weights are for, as its names tell or, where model:export wrote it, its metadata. Raises with the path when
--- there is no such file, and where it is none of weights.
---@param path string
---@return "keras"|"torchvision"|nil publisher nil for Scion's own files, and for those that cannot be read
function weights.publisher(path)
  path = check.argument("scion.weights.publisher", "its argument", path, check.path)
  local kind = format.of(path)
  if kind == "safetensors" then
    local arrays <close> = require("scion.weights.safetensors").arrays(path)
    local first = arrays and arrays[1]
    return first and not first.name:find("/", 1, true) and (exported_variant(arrays.metadata) or "torchvision") or nil
  end
  if kind == "zip" then return holds_keras(path) and "keras" or "torchvision" end
  return kind == "pickle" and "torchvision" or "keras"
end

local readers = { hdf5 = load_keras, zip = load_archive, pickle = load_torch, safetensors = load_safetensors }

--- Loads a file into a model's layers. Raises with the path when the file cannot be read or is none of weights, and, unless
--- strict = false, when it does not fit; then no weight has changed. With strict = false what fits is loaded: a line on standard error
--- says so when that is less than half of the model's weights, and nothing at all raises.
---@param model scion.Model
---@param path string
---@param given? { strict: boolean? } true
---@return scion.WeightsReport report what was loaded and what was not; tostring gives it as text
function weights.load(model, path, given)
  local where = "scion.weights.load"
  check.argument(where, "its first argument", model, a_model)
  path = check.argument(where, "its second argument", path, check.path)
  local strict = check.options(where, given, { strict = { check.boolean, true } }).strict
  return readers[format.of(path)](path, graph.layers(model.order), strict, model)
end

return weights
