--- Loads weights from files of all formats: Keras's HDF5 files and .keras archives, PyTorch's state dicts, and safetensors with Scion's own
--- names or with PyTorch's.
local check = require "scion.check"
local core = require "scion.core"
local interrupts = require "scion.interrupts"
local options = require "scion.weights.options"
local origin = require "scion.weights.origin"

local weights = {}

local a_model = check.instance("scion.Model", "a model")

--- Whose form of a network a file's weights are for. The names in the file tell, or its metadata where model:export wrote it. Raises, with
--- the path, where there is no such file, where it is no file of weights, and where the config.json beside it is damaged.
---@param path string
---@return "keras"|"torchvision"|"tf"|"timm"|nil publisher nil for Scion's own files, and for those that cannot be read
---@example print(scion.weights.publisher "net.keras")
function weights.publisher(path)
  local told <close> = origin.of(check.argument("scion.weights.publisher", "its argument", path, check.path))
  return told.variant or (told.library == "pytorch" and "torchvision" or told.library)
end

--- Loads a file into a model's layers: what model:load_weights does. Raises, with the path, where the file cannot be read, is no file of
--- weights or, unless strict = false, does not fit, also where its network is of another variant or takes images otherwise.
---@param model scion.Model
---@param path string
---@param given? scion.LoadOptions
---@return scion.WeightsReport report what was loaded and what was not; tostring gives it as text
---@example print(scion.weights.load(model, "pets.safetensors"))
function weights.load(model, path, given)
  local where = "scion.weights.load"
  check.argument(where, "its first argument", model, a_model)
  path = check.argument(where, "its second argument", path, check.path)
  local o = check.options(where, given, options)
  local caught <close> = interrupts.catch()
  local told <close> = origin.of(path)
  if caught.mine and core.interrupted() then interrupts.raise(("load_weights: interrupted before %s was read, so nothing has changed"):format(path)) end
  local report = require "scion.weights.load"(model, told, o)
  if caught.mine and core.interrupted() then interrupts.raise(("load_weights: interrupted when %s was read, so the model has its weights"):format(path)) end
  return report
end

return weights
