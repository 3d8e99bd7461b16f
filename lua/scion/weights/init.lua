--- Weights from files, by what the file is: Keras's HDF5 and .keras archives, PyTorch's state dicts, and safetensors, Scion's own or
--- with torchvision's names.
local check = require "scion.check"
local options = require "scion.weights.options"
local origin = require "scion.weights.origin"

local weights = {}

local a_model = check.instance("scion.Model", "a model")

--- Whose network a file's weights are for, as its names tell or, where model:export wrote it, its metadata. Raises with the path when
--- there is no such file, and where it is none of weights.
---@param path string
---@return "keras"|"torchvision"|"tf"|"timm"|nil publisher nil for Scion's own files, and for those that cannot be read
function weights.publisher(path)
  local told = origin.of(check.argument("scion.weights.publisher", "its argument", path, check.path))
  return told.variant or (told.library == "pytorch" and "torchvision" or told.library)
end

--- Loads a file into a model's layers: what model:load_weights does.
---@param model scion.Model
---@param path string
---@param given? scion.LoadOptions
---@return scion.WeightsReport report what was loaded and what was not; tostring gives it as text
function weights.load(model, path, given)
  local where = "scion.weights.load"
  check.argument(where, "its first argument", model, a_model)
  path = check.argument(where, "its second argument", path, check.path)
  local o = check.options(where, given, options)
  return require "scion.weights.load"(model, origin.of(path), o)
end

return weights
