--- Writes a model's weights for PyTorch (.safetensors) and for Keras (.weights.h5 and .h5).
local check = require "scion.check"
local core = require "scion.core"
local facts = require "scion.weights.facts"
local graph = require "scion.graph"

local export = {}

-- Bytes of an attribute: the header of an object in HDF5 has no more room. add_names splits longer lists as Keras does.
local most_attribute = 64512

local libraries = { keras = "Keras", torchvision = "torchvision" }

--- Whether a library has the model's architecture in a variant that computes something else with the same weights.
local function differs(model, publisher)
  if not model.variant or model.variant == publisher then return false end
  local architecture = model.name and require("scion.models.builder").find(model.name)
  for _, variant in ipairs(architecture and not architecture.alike and architecture.variants or {}) do
    if variant.name == publisher then return true end
  end
  return false
end

local function notice_variant(model, publisher, path)
  if not differs(model, publisher) then return end
  local line = "%s: %s pads and normalizes otherwise than this %s, and will predict something else with its weights (variant = '%s' makes one that agrees)"
  require("scion.report.notice").once(line:format(path, libraries[publisher], model.name, publisher))
end

--- Variants that timm has and torchvision does not have.
local timms = { tf = true, timm = true }

--- The layers of a model's base: all but those of a classifier, which begins with the last global pooling or flatten.
local function base_layers(model)
  local node, base = model.output, {}
  while #node.shape == 1 and #node.inputs == 1 do node = node.inputs[1] end
  for _, below in ipairs(graph.order(node)) do base[below.layer] = true end
  return base
end

--- A name in the base of a model that no network of timm's has, of a variant that timm lacks; nil where all names become timm's.
local function not_timms(model, timms_variants)
  local base, layers = base_layers(model), {}
  for _, layer in ipairs(graph.layers(model.order)) do layers[#layers + 1] = base[layer] and layer or nil end
  local expected, kept = require("scion.weights.timm").rename(require("scion.weights.torchvision").expected(layers))
  if kept then return kept[1] end
  return not timms_variants.torchvision and #expected > 0 and expected[1].name or nil
end

--- Compares a network of scion.models with timm's, for a file with timm's names: raises where timm lacks it or names it otherwise, and tells
--- where timm computes otherwise.
local function compare_with_timm(model, path)
  local architecture = model.name and model.variant and require("scion.models.builder").find(model.name)
  if not architecture then return end
  local has = require("scion.weights.origin").timms(architecture)
  if has[model.variant] then return end
  if #has == 0 then check.raise(("%s: timm has no %s, and so no names for it; names = 'torchvision' writes the file"):format(path, model.name)) end
  local name = not_timms(model, has)
  if name then
    check.raise(("%s: timm's %s has no %s, which the variant '%s' has: variant = '%s' builds timm's network, and names = 'torchvision' writes this one"):format(
      path, model.name, name, model.variant, table.concat(has, "' or '")))
  end
  if architecture.alike then return end
  require("scion.report.notice").once(("%s: timm's %s pads or normalizes otherwise than this one, and will predict something else with its weights"):format(path, model.name))
end

local function to_safetensors(model, path, names)
  if names == "timm" then compare_with_timm(model, path) else notice_variant(model, "torchvision", path) end
  local tensors, metadata = require("scion.weights.torchvision").tensors(graph.layers(model.order), names == "timm"), facts.of(model)
  metadata.format, metadata.variant, metadata.labels = "pt", model.variant, model.labels and core.json_encode(model.labels)
  local written, message = core.safetensors_write(path, tensors, metadata)
  if not written then check.raise(message) end
end

--- Adds a list of names as an attribute or, if it is too long for one, as several: name0, name1, …
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

--- The layers that have weights, as Keras's files list and name them.
---@param model scion.Model
---@return { name: string, weights: { name: string, tensor: scion.Tensor }[] }[]
function export.keras_layers(model)
  local publisher_name, list = require("scion.models.builder").publisher_name, {}
  for i, layer in ipairs(graph.layers(model.order)) do
    local name, weights = publisher_name(layer, "keras"), {}
    for k, p in ipairs(layer.parameters) do
      local theirs = p.name == "slope" and "alpha" or layer.kind == "depthwise_conv2d" and p.name == "kernel" and "depthwise_kernel" or p.name
      weights[k] = { name = name .. "/" .. theirs .. ":0", tensor = p.tensor }
    end
    list[i] = { name = name, weights = weights }
  end
  return list
end

--- Adds attributes with what a network needs beside its weights, which Keras ignores.
local function add_facts(texts, model)
  local noted = facts.of(model)
  for _, name in ipairs { "preprocessing", "rescalings" } do texts[#texts + 1] = { path = "/", name = name, value = noted[name] } end
  if model.name then texts[#texts + 1] = { path = "/", name = "architecture", value = model.name } end
  if model.variant then texts[#texts + 1] = { path = "/", name = "variant", value = model.variant } end
  if model.labels then add_names(texts, "/", "labels", model.labels) end
end

local function write(path, datasets, texts, links)
  local written, message = core.hdf5_write(path, datasets, texts, links)
  if not written then check.raise(message) end
end

local function to_keras(model, path)
  local datasets, texts, names = {}, { { path = "/", name = "backend", value = "tensorflow" }, { path = "/", name = "keras_version", value = "2.15.0" } }, {}
  for i, layer in ipairs(export.keras_layers(model)) do
    local weight_names = {}
    for k, weight in ipairs(layer.weights) do
      weight_names[k] = weight.name
      datasets[#datasets + 1] = { path = layer.name .. "/" .. weight.name, tensor = weight.tensor }
    end
    names[i] = layer.name
    add_names(texts, "/" .. layer.name, "weight_names", weight_names)
  end
  add_names(texts, "/", "layer_names", names)
  add_facts(texts, model)
  write(path, datasets, texts)
end

-- ---- Keras 3's layout -----------------------------------------------------------------------------------------------

--- The group of each layer in Keras 3's layout, named by its class and number: "conv2d_1". The second result tells which layers belong to
--- the base. It is empty where base and classifier share a class, the third result, since the numbers would then differ between the two
--- layouts below.
local function groups_of(model)
  local classes = require("scion.weights.names.keras").classes
  local groups, count, inner, base, shared = {}, {}, {}, base_layers(model), nil
  for i, layer in ipairs(graph.layers(model.order)) do
    local class = classes[layer.kind] or layer.kind
    local n = count[class] or 0
    groups[i], count[class] = n == 0 and class or class .. "_" .. n, n + 1
    local counts = #layer.parameters > 0
    if base[layer] then inner[i], inner[class] = true, inner[class] or counts elseif counts and inner[class] then shared = class end
  end
  return groups, shared and {} or inner, shared
end

--- Writes Keras 3's layout so that two kinds of models can load it: one with all layers in one list (layers/conv2d), and one that holds the
--- base as a layer of its own (layers/functional/layers/conv2d). The latter are links to the same data.
local function to_keras3(model, path)
  local datasets, texts, links, groups, inner, shared = {}, {}, {}, groups_of(model)
  if shared then
    require("scion.report.notice").once(("%s: base and head both have layers %s, which a Keras model that holds the base as a layer numbers otherwise: " ..
      "the file is for the model in one piece, which may share its layers with that one: t = base.output; for l in head.layers: t = l(t); " ..
      "keras.Model(base.input, t)"):format(path, shared))
  end
  for i, layer in ipairs(export.keras_layers(model)) do
    local group = "layers/" .. groups[i]
    for k, weight in ipairs(layer.weights) do datasets[#datasets + 1] = { path = ("%s/vars/%d"):format(group, k - 1), tensor = weight.tensor } end
    texts[#texts + 1] = { path = group .. "/vars", name = "name", value = layer.name }
    if inner[i] then links[#links + 1] = { path = "layers/functional/" .. group, to = group } end
  end
  if #links > 0 then texts[#texts + 1] = { path = "/", name = "repeated", value = "layers/functional" } end
  add_facts(texts, model)
  write(path, datasets, texts, links)
end

--- Writes the format that the path's ending names: see model:export. Raises at another ending, and where the file cannot be written.
---@param model scion.Model
---@param path string
---@param given { names: "torchvision"|"timm"|nil }
function export.write(model, path, given)
  local names = given.names
  if path:find "%.safetensors$" then
    to_safetensors(model, path, names or timms[model.variant] and "timm" or "torchvision")
  elseif names then
    check.raise(("model:export: %s: names = '%s' is for PyTorch's files, whose names end in .safetensors"):format(path, names))
  elseif path:find "%.weights%.h5$" then
    notice_variant(model, "keras", path)
    to_keras3(model, path)
  elseif path:find "%.h5$" then
    notice_variant(model, "keras", path)
    to_keras(model, path)
  else
    check.raise(("model:export: %s: files end in .safetensors (for PyTorch), .weights.h5 (for Keras 3) or .h5 (for Keras 2); %s"):format(
      path, "model:save writes all of a model for Scion"))
  end
end

return export
