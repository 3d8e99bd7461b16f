--- The layers with weights that a Keras file holds, in order. In the .h5 layout the attribute layer_names lists them and weight_names the
--- weights of each; in a whole saved model both lie under the group model_weights. Keras 3's .weights.h5, which .keras archives hold
--- too, has a group for each layer, named by its class and counted; the order of different classes is not told. A model may hold
--- another one as a layer, whose weights then lie below its name.
local check = require "scion.check"
local core = require "scion.core"
local keras_names = require "scion.weights.names.keras"

local keras_layers = {}

---@class scion.KerasWeight
---@field name string as in the file: "conv2d_1/kernel:0"
---@field shape integer[]
---@field path string of the dataset

---@class scion.KerasLayer
---@field name string
---@field weights scion.KerasWeight[]

--- What a call of the file gave; raises its message.
local function need(value, message)
  if message then check.raise(message) end
  return value
end

-- ---- by lists of names ----------------------------------------------------------------------------------------------

--- A list of names, which Keras cuts into name0, name1, ... when it is too long for one attribute; nil when there is none.
local function names_at(file, group, attribute)
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
  return { name = name, shape = need(file:shape(dataset)), path = dataset }
end

--- The layers of a listed model, by what stands before the last slash, and the runs of weights in which they are listed; nothing where
--- it is just a layer.
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

--- A model's weights are listed in two passes over its layers: what trains, then what does not, moving averages and whatever was frozen.
--- Its layers in order, if the first pass has that many runs: layers of both passes tell where the others of the first belong.
local function merge_passes(runs, first_pass)
  local order, index, seen, done = {}, {}, {}, 0
  local function add(layer)
    if not seen[layer] then order[#order + 1], seen[layer] = layer, true end
  end
  for i = 1, first_pass do index[runs[i]] = i end
  for i = first_pass + 1, #runs do
    for k = done + 1, index[runs[i]] or 0 do add(runs[k]) end
    done = math.max(done, index[runs[i]] or 0)
    add(runs[i])
  end
  for k = done + 1, first_pass do add(runs[k]) end
  return order
end

--- Where each layer stands in a whole saved model, by its name, as the model's description tells: false for a name that is there
--- twice.
local function described_places(file)
  local text = need(file:has("/", "model_config")) and file:attribute("/", "model_config")
  local places, count = {}, 0
  local function visit(described)
    local config = type(described) == "table" and described.config
    for _, layer in ipairs(type(config) == "table" and type(config.layers) == "table" and config.layers or {}) do
      local name = type(layer) == "table" and type(layer.config) == "table" and layer.config.name
      if type(name) == "string" then
        count = count + 1
        places[name] = places[name] == nil and count
      end
      visit(layer)
    end
  end
  visit(type(text) == "string" and core.json_decode(text))
  return places
end

local function in_described_order(layers, places)
  local place = {}
  for _, layer in ipairs(layers) do
    place[layer] = places[layer.name:match "[^/]*$"]
    if not place[layer] then return end
  end
  local order = table.move(layers, 1, #layers, 1, {})
  table.sort(order, function(a, b) return place[a] < place[b] end)
  return order
end

--- Keras counts the layers of a class as they are made: conv2d, conv2d_1, … Where these numbers fall, layers that were frozen whole
--- are listed behind the others. The layers such that they rise and fit ours from number `first` on; as they are where there is no
--- such order. The second result: whether there is more than one.
local function by_numbers(layers, ours, first, fits)
  local queues, fall = {}, false
  for _, layer in ipairs(layers) do
    local class, number = layer.name:match "^(.-)_(%d+)$"
    class, number = class or layer.name, math.tointeger(tonumber(number or 0)) or 0
    local queue = queues[class] or { next = 1 }
    queues[class] = queue
    fall = fall or (queue[1] ~= nil and number < queue[#queue].number)
    queue[#queue + 1] = { layer = layer, number = number }
  end
  if not fall or not fits then return layers end
  for _, queue in pairs(queues) do table.sort(queue, function(a, b) return a.number < b.number end) end
  local order = {}
  for i = 1, #layers do
    local mine, fitting = ours[first + i - 1], nil
    for _, queue in pairs(queues) do
      local head = queue[queue.next]
      if head and mine and fits(head.layer, mine) then
        if fitting then return layers, true end
        fitting = queue
      end
    end
    if not fitting then return layers end
    order[i], fitting.next = fitting[fitting.next].layer, fitting.next + 1
  end
  return order
end

--- The order of a listed model's layers: the described one, else the one that fits ours from number `first` on, else that of their
--- first weights. The second result: whether there are others that fit as well.
local function order_inner(layers, runs, places, ours, first, fits)
  local described = in_described_order(layers, places)
  if described then return described end
  if #runs == #layers then return by_numbers(layers, ours, first, fits) end
  if #runs > 4 * #ours then return layers end
  for first_pass = 0, #runs do
    local order, all = merge_passes(runs, first_pass), true
    for i, layer in ipairs(order) do all = all and ours[first + i - 1] and fits(layer, ours[first + i - 1]) end
    if all then return order end
  end
  return layers
end

--- Raises where a list names something twice: a short file could have one layer read any number of times.
local function check_distinct(path, names, what)
  local seen = {}
  for _, name in ipairs(names) do
    if seen[name] then check.raise(("%s: %s lists '%s' twice"):format(path, what, name)) end
    seen[name] = true
  end
end

local function listed_layers(file, path, root, names, ours, fits)
  local layers, places, ambiguous = {}, described_places(file), false
  check_distinct(path, names, "layer_names")
  for _, name in ipairs(names) do
    local group = (root == "/" and "" or root) .. "/" .. name
    local weights = names_at(file, group, "weight_names")
    if not weights then check.raise(("%s: layer '%s' has no attribute weight_names"):format(path, name)) end
    check_distinct(path, weights, ("weight_names of layer '%s'"):format(name))
    for i, weight in ipairs(weights) do weights[i] = weight_at(file, weight, group .. "/" .. weight) end
    local inner, runs = inner_layers(weights)
    local more
    if inner then inner, more = order_inner(inner, runs, places, ours or {}, #layers + 1, fits) end
    ambiguous = ambiguous or more or false
    if #weights > 0 then table.move(inner or { { name = name, weights = weights } }, 1, inner and #inner or 1, #layers + 1, layers) end
  end
  return layers, ambiguous
end

-- ---- by groups of classes -------------------------------------------------------------------------------------------

local most_steps = 20000 -- of a search

--- A model of the file: `taken` counts what of each class has found its place.
local function new_model(file, group, parent)
  return { file = file, group = group, folder = group:match "[^/]*$", parent = parent, layers = {}, models = {}, taken = {} }
end

local function path_of(model, class)
  local n = model.taken[class] or 0
  return model.group .. "/" .. (n == 0 and class or class .. "_" .. n)
end

--- The next layer of a class, or false.
local function next_layer(model, class)
  local group, file = path_of(model, class), model.file
  if model.layers[group] == nil then
    local vars, layer = group .. "/vars", { name = group:match "[^/]*$", weights = {} }
    while need(file:has(vars .. "/" .. #layer.weights)) do
      local k = #layer.weights
      layer.weights[k + 1] = weight_at(file, layer.name .. "/" .. k, vars .. "/" .. k)
    end
    if #layer.weights > 0 and need(file:has(vars, "name")) then layer.name = need(file:attribute(vars, "name")) end
    model.layers[group] = #layer.weights > 0 and layer
  end
  return model.layers[group]
end

--- The next model of a class that lies in another, or false.
local function next_model(model, class)
  local group = path_of(model, class) .. "/" .. model.folder
  if model.models[group] == nil then
    model.models[group] = need(model.file:has(group)) and new_model(model.file, group, model)
  end
  return model.models[group]
end

local function take(model, class, by) model.taken[class] = (model.taken[class] or 0) + by end

local function exhausted(model)
  for _, class in ipairs(keras_names.class_names) do
    if next_layer(model, class) then return false end
  end
  for _, class in ipairs(keras_names.model_classes) do
    if next_model(model, class) then return false end
  end
  return true
end

--- The file's layers in the order of ours, such that all of them fit and each model's stand together; nil when there is no such order. The
--- second result: whether there is another one.
local function search(root, ours, fits)
  local found, first, another, steps = {}, nil, false, 0
  local function finish()
    if not first then first = table.move(found, 1, #ours, 1, {}) end
    for i = 1, #ours do another = another or first[i] ~= found[i] end
    return another
  end
  local function place(i, model)
    steps = steps + 1
    if steps > most_steps then return false end
    for _, class in ipairs(keras_names.model_classes) do
      local inner = next_model(model, class)
      if inner then
        take(model, class, 1)
        if place(i, inner) then return true end
        take(model, class, -1)
      end
    end
    local class = ours[i] and (keras_names.classes[ours[i].kind] or ours[i].kind)
    local layer = class and next_layer(model, class)
    if layer and fits(layer, ours[i]) then
      take(model, class, 1)
      found[i] = layer
      if place(i + 1, model) then return true end
      take(model, class, -1)
    end
    if not exhausted(model) then return false end
    if model.parent then return place(i, model.parent) end
    return i > #ours and finish()
  end
  place(1, root)
  return first, another
end

--- All models of a file, those within another first.
local function all_models(model, list)
  for _, class in ipairs(keras_names.model_classes) do
    while next_model(model, class) do
      local inner = next_model(model, class)
      take(model, class, 1)
      all_models(inner, list)
    end
  end
  list[#list + 1] = model
  return list
end

--- The layers by ours as far as the classes go, whether they fit or not, and then the rest.
local function any_order(file, group, ours)
  local layers, models = {}, all_models(new_model(file, group), {})
  local function add(class)
    for _, model in ipairs(models) do
      local layer = next_layer(model, class)
      if layer then
        take(model, class, 1)
        layers[#layers + 1] = layer
        return true
      end
    end
  end
  for _, layer in ipairs(ours) do
    if not add(keras_names.classes[layer.kind] or layer.kind) then break end
  end
  for _, class in ipairs(keras_names.class_names) do
    while add(class) do end
  end
  return layers
end

-- ---- both -----------------------------------------------------------------------------------------------------------

--- All layers with weights of an open file, and whether the kernels are its author's: for Theano, which slid them mirrored. Raises when
--- it is damaged or in another layout.
---@param file userdata of core.hdf5_open
---@param path string
---@param ours? scion.Layer[] with weights, which tell the order where the file does not
---@param fits? fun(theirs: scion.KerasLayer, ours: scion.Layer): boolean
---@return scion.KerasLayer[]
---@return boolean theano
---@return boolean? ambiguous whether they would fit in another order too
function keras_layers.read(file, path, ours, fits)
  for _, group in ipairs { "/", "/model_weights" } do
    local names = need(file:has(group)) and names_at(file, group, "layer_names")
    if names then
      local backend = need(file:has(group, "backend")) and need(file:attribute(group, "backend"))
      local layers, ambiguous = listed_layers(file, path, group, names, ours, fits)
      return layers, backend == "theano", ambiguous
    end
  end
  for _, group in ipairs { "/layers", "/_layer_checkpoint_dependencies" } do
    if ours and need(file:has(group)) then
      local layers, ambiguous = search(new_model(file, group), ours, fits)
      return layers or any_order(file, group, ours), false, ambiguous
    end
  end
  check.raise(path .. ": not in the layout of Keras's files: it has neither an attribute layer_names nor a group of layers")
end

return keras_layers
