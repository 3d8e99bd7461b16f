--- The network that a Keras file describes, as Scion builds it: to compare it with a model, and to name it where the weights fit no other.
local array = require "scion.weights.array"
local check = require "scion.check"
local layers = require "scion.layer"
local lfs = require "lfs"

local keras_own = {}

local unchanged = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false }

--- The file's graph over images of a model's size, without weights: its output, and the layers by what the file says of them; nil where it cannot
--- be built here.
---@param opened scion.KerasFile with a description
---@param model scion.Model
---@return scion.Node? output
---@return table<scion.KerasConfig, scion.Layer>? of
---@return string? lacking what Scion has no layer for, in words, so that only a stand-in for it is in the graph
function keras_own.graph(opened, model)
  local function build()
    return { require "scion.models.from_keras.graph"(opened.config, { sizes = model.input.shape, preprocess = unchanged, older = opened.older }) }
  end
  local ok, made = check.try(layers.without_tensors, build, array.allowance_of(lfs.attributes(opened.path, "size") or 0))
  if not ok then return end
  local of = {}
  for layer, described in pairs(made[2].described) do of[described] = layer end
  return made[1], of, made[2].lacking[1]
end

--- What builds the file's own network, in words.
---@param opened scion.KerasFile
---@return string
function keras_own.builder(opened) return ("scion.models.from_keras '%s' builds the file's own network"):format(opened.path) end

--- What makes a file of a subclassed model one that tells its layers, in words.
---@param opened scion.KerasFile with `subclassed`
---@return string
function keras_own.described(opened)
  return ("%s is a subclassed model, whose file does not tell its layers; in Keras, x = keras.Input((height, width, 3)); keras.Model(x, model.call(x)).save('net.keras') " ..
    "writes one that scion.models.from_keras builds"):format(check.show(opened.subclassed))
end

--- How the file's own network is built where the weights do not fit a model, in words; nil where that is not known.
---@param opened scion.KerasFile
---@param model scion.Model
---@return string?
function keras_own.remedy(opened, model)
  if opened.subclassed then return keras_own.described(opened) end
  if not opened.config then return end
  local output, _, lacking = keras_own.graph(opened, model)
  return output and not lacking and keras_own.builder(opened) or nil
end

return keras_own
