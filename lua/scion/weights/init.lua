--- Weights from files, by what the file is: Keras's HDF5 and .keras archives, PyTorch's state dicts, and safetensors, Scion's own or
--- with torchvision's names.
local check = require "scion.check"
local core = require "scion.core"
local format = require "scion.weights.format"
local graph = require "scion.graph"
local identify = require "scion.weights.identify"
local kinds = require "scion.kinds"
local match = require "scion.weights.match"
local prefix = require "scion.weights.prefix"

local weights = {}

--- What is refused ends with what the file looks like, if that is anything known.
local function refuse(path, problem, arrays, publisher)
  local known = identify.architecture(arrays, publisher)
  check.raise(("%s: %s%s"):format(path, problem, known and (" (the file looks like %s)"):format(known) or ""))
end

--- Arrays by name: compares, refuses if it must, and reads.
local function load_arrays(path, arrays, expected, strict, may_be_left, naming)
  local report, matched = match.compare(path, arrays, expected, may_be_left)
  for key, value in pairs(naming or {}) do report[key] = value end
  local refusal = report:refusal(strict)
  if refusal then refuse(path, refusal, arrays, "torchvision") end
  local read, message = match.read(matched)
  if not read then check.raise(message) end
  report:tell()
  return report
end

local function load_torchvision(path, dicts, layers, o)
  local torchvision = require "scion.weights.torchvision"
  local function expected_of(arrays)
    return require("scion.weights.timm").rename(torchvision.expected(layers, torchvision.naming(arrays)), arrays)
  end
  local arrays, expected, naming = prefix.choose(path, dicts, expected_of, o.prefix)
  return load_arrays(path, arrays, expected, o.strict, torchvision.may_be_left, naming)
end

--- Raises where a prefix is given for a file whose names have none.
local function check_prefix(path, publisher, o)
  if o.prefix then check.raise(("%s: the option prefix is for PyTorch's names, and this file has %s"):format(path, publisher)) end
end

local function load_torch(path, layers, o)
  local arrays <close>, message = require("scion.weights.torch").arrays(path)
  if not arrays then check.raise(message) end
  return load_torchvision(path, arrays.dicts, layers, o)
end

local function load_safetensors(path, layers, o)
  local safetensors = require "scion.weights.safetensors"
  local arrays <close>, message = safetensors.arrays(path)
  if not arrays then check.raise(message) end
  for _, a in ipairs(arrays) do
    if a.name:find("/", 1, true) then
      check_prefix(path, "Scion's own", o)
      return load_arrays(path, arrays, safetensors.expected(layers), o.strict)
    end
  end
  return load_torchvision(path, { arrays }, layers, o)
end

local function load_keras(path, layers, o, model)
  check_prefix(path, "Keras's", o)
  local report, message, arrays = require("scion.weights.keras").load(path, layers, o.strict, model)
  if report then return report end
  if arrays then refuse(path, message:sub(#path + 3), arrays, "keras") end
  check.raise(message)
end

local function holds_keras(path)
  local archive <close>, message = core.zip_open(path)
  return archive and archive:entries()["model.weights.h5"] ~= nil, message
end

local function load_archive(path, layers, o, model)
  local keras, message = holds_keras(path)
  if message then check.raise(message) end
  return (keras and load_keras or load_torch)(path, layers, o, model)
end

--- The variant that a file of model:export was made of.
local function exported_variant(metadata)
  local known, variant = kinds.variant.read(metadata.variant)
  return known and variant or nil
end

--- EfficientNet-PyTorch has the networks of TensorFlow's authors.
local function publisher_of_names(arrays)
  return require("scion.weights.torchvision").naming(arrays) == "efficientnet_pytorch" and "tf" or "torchvision"
end

local a_model = check.instance("scion.Model", "a model")

--- Whose network a file's weights are for, as its names tell or, where model:export wrote it, its metadata. Raises with the path when
--- there is no such file, and where it is none of weights.
---@param path string
---@return "keras"|"torchvision"|"tf"|"timm"|nil publisher nil for Scion's own files, and for those that cannot be read
function weights.publisher(path)
  path = check.argument("scion.weights.publisher", "its argument", path, check.path)
  local kind = format.of(path)
  if kind == "hdf5" or kind == "zip" and holds_keras(path) then return "keras" end
  local arrays <close> = require(kind == "safetensors" and "scion.weights.safetensors" or "scion.weights.torch").arrays(path)
  if kind ~= "safetensors" then return publisher_of_names(arrays or {}) end
  local first = arrays and arrays[1]
  return first and not first.name:find("/", 1, true) and (exported_variant(arrays.metadata) or publisher_of_names(arrays)) or nil
end

local readers = { hdf5 = load_keras, zip = load_archive, pickle = load_torch, safetensors = load_safetensors }

--- Loads a file into a model's layers. Raises with the path when the file cannot be read or is none of weights, and, unless
--- strict = false, when it does not fit; then no weight has changed. With strict = false what fits is loaded: a line on standard error
--- says so when that is less than half of the model's weights, and nothing at all raises.
---
--- Of a checkpoint's state dicts the one is loaded that fits best, and what stands before its names is taken off where they fit
--- better without it. `prefix` says what stands before them where that cannot be told, as between "encoder_q." and "encoder_k.";
--- "ema." is that dict of the checkpoint, and "" takes the names as they are. Raises where the file's names have another one.
---@param model scion.Model
---@param path string
---@param given? { strict: boolean?, prefix: string? } true; found by comparing names
---@return scion.WeightsReport report what was loaded and what was not; tostring gives it as text
function weights.load(model, path, given)
  local where = "scion.weights.load"
  check.argument(where, "its first argument", model, a_model)
  path = check.argument(where, "its second argument", path, check.path)
  local o = check.options(where, given, { strict = { check.boolean, true }, prefix = { prefix.kind } })
  return readers[format.of(path)](path, graph.layers(model.order), o, model)
end

return weights
