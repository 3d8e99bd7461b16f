-- Writes files as Keras does, for specs.
local core = require "scion.core"
local export = require "scion.weights.export"

local keras = {}

--- Writes an .h5 file of a whole model with that description, or without one for nil; of a given model also the weights.
function keras.write(path, config, version, model)
  local datasets = { { path = "unused", tensor = core.new { 1 } } }
  local texts = { { path = "/", name = "keras_version", value = version or "3.15.0" } }
  if config then texts[2] = { path = "/", name = "model_config", value = core.json_encode(config) } end
  local names = {}
  for i, layer in ipairs(model and export.keras_layers(model) or {}) do
    local weights = {}
    for k, weight in ipairs(layer.weights) do
      weights[k] = weight.name
      datasets[#datasets + 1] = { path = layer.name .. "/" .. weight.name, tensor = weight.tensor }
    end
    names[i] = layer.name
    texts[#texts + 1] = { path = "/" .. layer.name, name = "weight_names", value = weights }
  end
  if model then texts[#texts + 1] = { path = "/", name = "layer_names", value = names } end
  assert(core.hdf5_write(path, datasets, texts))
  return path
end

--- The description in an .h5 file.
function keras.description(path)
  local file <close> = assert(core.hdf5_open(path))
  return core.json_decode(assert(file:attribute("/", "model_config")))
end

return keras
