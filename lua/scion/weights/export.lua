--- A model's weights for PyTorch and for Keras.
local core = require "scion.core"

local most_attribute = 64512 -- bytes: what an object's header in HDF5 has room for; Keras cuts longer lists as below

local function layers_of(model)
  local layers = {}
  for _, node in ipairs(model.order) do
    if #node.layer.parameters > 0 then layers[#layers + 1] = node.layer end
  end
  return layers
end

local function to_safetensors(model, path)
  local tensors, message = require("scion.weights.torchvision").tensors(layers_of(model))
  if not tensors then error(("%s: %s"):format(path, message), 0) end
  local written, problem = core.safetensors_write(path, tensors, { format = "pt" })
  if not written then error(problem, 0) end
end

--- A list of names as an attribute, or as several: name0, name1, …
local function add_names(texts, path, name, list)
  local width = 1
  for _, text in ipairs(list) do width = math.max(width, #text) end
  local most = math.max(1, most_attribute // width)
  if #list <= most then
    texts[#texts + 1] = { path = path, name = name, value = list }
    return
  end
  for part = 0, (#list - 1) // most do
    texts[#texts + 1] = { path = path, name = name .. part, value = table.move(list, part * most + 1, math.min(#list, (part + 1) * most), 1, {}) }
  end
end

local function to_keras(model, path)
  local publisher_name = require("scion.models.builder").publisher_name
  local datasets, texts, names = {}, { { path = "/", name = "backend", value = "tensorflow" }, { path = "/", name = "keras_version", value = "2.15.0" } }, {}
  for i, layer in ipairs(layers_of(model)) do
    local name, weights = publisher_name(layer, "keras"), {}
    for k, p in ipairs(layer.parameters) do
      local kernel = layer.kind == "depthwise_conv2d" and p.name == "kernel" and "depthwise_kernel" or p.name
      weights[k] = name .. "/" .. kernel .. ":0"
      datasets[#datasets + 1] = { path = name .. "/" .. weights[k], tensor = p.tensor }
    end
    names[i] = name
    add_names(texts, "/" .. name, "weight_names", weights)
  end
  add_names(texts, "/", "layer_names", names)
  local temporary = ("%s.scion-%s.tmp"):format(path, tostring(names):match "0x(%x+)" or "x")
  local written, message = require("scion.hdf5").write(temporary, datasets, texts)
  if written then written, message = os.rename(temporary, path) end
  if not written then
    os.remove(temporary)
    error((message:gsub(temporary:gsub("%p", "%%%0"), (path:gsub("%%", "%%%%")))), 0)
  end
end

--- Writes by the path's ending; see model:export.
---@param model scion.Model
---@param path string
return function(model, path)
  if path:find "%.safetensors$" then
    to_safetensors(model, path)
  elseif path:find "%.h5$" then
    to_keras(model, path)
  else
    error(("%s: export writes .safetensors (PyTorch) and .h5 (Keras)"):format(path), 0)
  end
end
