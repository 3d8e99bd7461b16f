--- The layers with weights that a Keras file holds, in order. In the .h5 layout the attribute layer_names lists the layers, and
--- weight_names the weights of each. In a file of a whole model both are under the group model_weights. A model may hold another model as a
--- layer: weight_names of that layer then lists the weights of all layers of the inner model. keras_groups.lua reads the layout of Keras 3.
local check = require "scion.check"
local keras_config = require "scion.weights.keras_config"
local keras_groups = require "scion.weights.keras_groups"
local keras_lora = require "scion.weights.keras_lora"
local last_part = require "scion.weights.last_part"
local lfs = require "lfs"
local keras_order = require "scion.weights.keras_order"

local keras_layers = {}

local need = check.need

---@class scion.KerasWeight
---@field name string as in the file: "conv2d_1/kernel:0"
---@field shape integer[]
---@field path string of the dataset
---@field whole boolean? whether its numbers are integers

---@class scion.KerasLayer
---@field name string
---@field weights scion.KerasWeight[]
---@field class string? in Keras 3's layout: "conv2d"; nil for an attribute of a subclassed model
---@field lora scion.KerasLora? LoRA's matrices, which are not among the weights
---@field group string? path of its group in Keras 3's layout

---@class scion.KerasContents
---@field layers scion.KerasLayer[] in the order of the file
---@field states string[] names of what holds only integers, such as counters: not layers with weights
---@field theano boolean whether the file was written by Keras on Theano, which convolves with mirrored kernels
---@field described table<scion.KerasConfig, scion.KerasLayer> the layers by what the file's description says of them, as far as it does
---@field arrange fun(ours: scion.Layer[], fits: function, is_top: function): scion.KerasLayer[], boolean? puts the layers in order, as the
--- file tells or so that they fit ours; the second result tells whether there is another such order

-- ---- by lists of names ----------------------------------------------------------------------------------------------

--- An attribute that is a list of names. Keras splits it into name0, name1, … when it is too long for one attribute. nil when there is
--- none.
---@param file userdata of core.hdf5_open
---@param group string
---@param attribute string
---@return string[]?
function keras_layers.names_at(file, group, attribute)
  local whole = need(file:has(group, attribute))
  local names, part = {}, 0
  while true do
    local key = whole and attribute or attribute .. part
    if not need(file:has(group, key)) then break end
    local piece = need(file:attribute(group, key))
    if type(piece) == "string" then piece = { piece } end
    table.move(piece, 1, #piece, #names + 1, names)
    if whole then return names end
    part = part + 1
  end
  if part > 0 then return names end
end

local function weight_at(file, name, dataset)
  local shape, message, whole = file:shape(dataset)
  return { name = name, shape = need(shape, message), path = dataset, whole = whole or nil }
end

--- The layers of an inner model, from its list of weights: a weight's layer is what stands before the last slash. The second result lists
--- the layer of each run, that is, of consecutive weights of one layer. nil where the weights are those of a single layer.
local function inner_layers(weights)
  local layers, runs, by_name = {}, {}, {}
  for _, weight in ipairs(weights) do
    local name = weight.name:match "^(.+)/[^/]*$"
    if not name then return end
    local layer = by_name[name] or { name = name, weights = {} }
    if not by_name[name] then
      by_name[name] = layer
      layers[#layers + 1] = layer
    end
    table.insert(layer.weights, weight)
    if runs[#runs] ~= layer then runs[#runs + 1] = layer end
  end
  if #layers > 1 then return layers, runs end
end

--- Raises where a list names something twice: otherwise a small malicious file could make us read one layer any number of times.
local function check_distinct(path, names, what)
  local seen = {}
  for _, name in ipairs(names) do
    if seen[name] then check.raise(("%s: %s lists '%s' twice"):format(path, what, name)) end
    seen[name] = true
  end
end

--- One name of layer_names: a layer, or the layers of an inner model, which then also has `runs` (see inner_layers).
local function listed_entry(file, path, group, name, alphas, size)
  local weights = keras_layers.names_at(file, group, "weight_names")
  if not weights then check.raise(("%s: damaged: layer '%s' has no attribute weight_names; download or copy it again"):format(path, check.escape(name))) end
  check_distinct(path, weights, ("weight_names of layer '%s'"):format(name))
  for i, weight in ipairs(weights) do weights[i] = weight_at(file, weight, group .. "/" .. weight) end
  local inner, runs = inner_layers(weights)
  local layers = inner or { { name = name, weights = weights } }
  for _, layer in ipairs(layers) do keras_lora.separate(layer, alphas, size) end
  return { layers = layers, runs = runs }
end

--- Whether all weights of a layer are integers.
local function is_state(layer)
  for _, weight in ipairs(layer.weights) do
    if not weight.whole then return false end
  end
  return #layer.weights > 0
end

--- The list without layers that hold only integers; their names are added to `states`.
local function without_states(layers, states)
  local kept, seen = {}, {}
  for _, layer in ipairs(layers) do
    if not is_state(layer) then kept[#kept + 1] = layer elseif not seen[layer] then states[#states + 1], seen[layer] = layer.name, true end
  end
  return kept
end

--- The layers by what the description says of them. Layers of an inner model are found by the ends of their names, which must differ.
local function described(config, entries)
  local of = {}
  for _, leaf in ipairs(config and keras_config.leaves(config) or {}) do
    local entry = entries[leaf.top.name] or { layers = {} }
    local inner = leaf.top ~= leaf.layer
    for _, layer in ipairs(entry.layers) do
      if not inner or last_part(layer.name, "/") == leaf.layer.name then of[leaf.layer] = of[leaf.layer] == nil and layer end
    end
  end
  return of
end

--- Reads the contents of a file in the .h5 layout.
local function listed(file, path, root, names, config)
  local entries, flat, states, ranks, alphas = {}, {}, {}, keras_config.ranks(config), keras_config.alphas(config)
  local size = lfs.attributes(path, "size") or 0
  check_distinct(path, names, "layer_names")
  for i, name in ipairs(names) do
    local entry = listed_entry(file, path, (root == "/" and "" or root) .. "/" .. name, name, alphas, size)
    entry.layers, entry.runs = without_states(entry.layers, states), entry.runs and without_states(entry.runs, {})
    for _, layer in ipairs(entry.layers) do
      if #layer.weights > 0 then flat[#flat + 1] = layer end
    end
    entries[i], entries[name] = entry, entry
  end
  local backend = need(file:has(root, "backend")) and need(file:attribute(root, "backend"))
  return { layers = flat, states = states, theano = backend == "theano", described = described(config, entries), arrange = function(ours, fits)
    local order, ambiguous = {}, false
    for _, entry in ipairs(entries) do
      local layers, more = entry.layers, nil
      if entry.runs then layers, more = keras_order.inner(layers, entry.runs, ranks, ours, #order + 1, fits) end
      ambiguous = ambiguous or more or false
      for _, layer in ipairs(layers) do
        if #layer.weights > 0 then order[#order + 1] = layer end
      end
    end
    return order, ambiguous
  end }
end

-- ---- both -----------------------------------------------------------------------------------------------------------

local roots = { "/", "/model_weights" }

--- Reads all layers with weights of an open file. Raises when it is damaged or in neither layout.
---@param file userdata of core.hdf5_open
---@param path string
---@param config scion.KerasConfig? the model's description, if it has one
---@return scion.KerasContents
function keras_layers.read(file, path, config)
  for _, root in ipairs(roots) do
    local names = need(file:has(root)) and keras_layers.names_at(file, root, "layer_names")
    if names then return listed(file, path, root, names, config) end
  end
  local contents = keras_groups.read(file, path, config)
  if contents then return contents end
  if config then return { layers = {}, states = {}, theano = false, described = {}, arrange = function() return {}, false end } end -- no weights
  check.raise(path .. ": not in the layout of Keras's files: it has neither an attribute layer_names nor a group of layers")
end

--- Whether that version of Keras builds EfficientNet with the second Rescaling layer for its published weights: 2.10 and later.
local function has_second(version)
  local major, minor = version:match "^(%d+)%.(%d+)"
  return major and (tonumber(major) > 2 or tonumber(major) == 2 and tonumber(minor) >= 10)
end

--- How many Rescaling layers the network of a file without a description has; nil where the file does not tell. Files of model:export note
--- the number. In others it is counted; a list of names without any may be that of a network within another model. Raises when the file is damaged.
---@param file userdata
---@return integer?
function keras_layers.rescalings(file)
  local exported = need(file:has("/", "rescalings")) and need(file:attribute("/", "rescalings"))
  if exported then return math.tointeger(tonumber(exported)) end
  for _, root in ipairs(roots) do
    local names = need(file:has(root)) and keras_layers.names_at(file, root, "layer_names")
    if names then
      local version, count, normalizes = need(file:has(root, "keras_version")) and need(file:attribute(root, "keras_version")), 0, false
      for _, name in ipairs(names) do
        count = count + (name:find "^rescaling" and 1 or 0)
        normalizes = normalizes or name:find "^normalization" ~= nil
      end
      local told = normalizes and type(version) == "string" and has_second(version) or not normalizes and count > 0
      return told and count or nil
    end
  end
  return keras_groups.rescalings(file)
end

return keras_layers
