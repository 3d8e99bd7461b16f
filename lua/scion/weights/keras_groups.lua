--- Reads Keras 3's files, a tree of HDF5 groups. Each layer of a model has a group that is named by its class and counted: layers/conv2d_1.
--- In a subclassed model the group of a layer has the name of the attribute that holds it. A layer's weights are the datasets in its group
--- vars. The file does not tell how layers of different classes, or attributes, follow each other. Where a description tells it, that order
--- is taken; otherwise an order is searched for in which the layers fit the model's.
local check = require "scion.check"
local keras_config = require "scion.weights.keras_config"
local keras_names = require "scion.weights.names.keras"
local last_part = require "scion.weights.last_part"

local keras_groups = {}

local need, counted = check.need, keras_names.counted

local most_depth = 16    -- levels of groups
local most_tries = 60000 -- layers that a search for the order tries

-- ---- reading the tree -----------------------------------------------------------------------------------------------

--- Groups that are lists of layers, and groups that hold no layers.
local lists = { layers = true, _layer_checkpoint_dependencies = true }
local passed_over = { vars = true, optimizer = true }

--- The weights of a layer's group, and whether all are integers.
local function weights_of(file, group, name)
  local weights, whole, held = {}, true, {}
  for _, member in ipairs(need(file:members(group .. "/vars"))) do held[member] = true end
  while held[tostring(#weights)] do
    local path = group .. "/vars/" .. #weights
    local shape, message, is_whole = file:shape(path)
    weights[#weights + 1] = { name = name .. "/" .. #weights, shape = need(shape, message), path = path, whole = is_whole or nil }
    whole = whole and is_whole
  end
  return weights, whole
end

--- Walks the tree below `group`. Layers are gathered in found.layers, and the names of groups that hold only integers, such as counters, in
--- found.states. `queues` gets the order as far as the file tells it. Each queue, under its `key`, holds elements whose order among each
--- other is known by their `number`. An element is a layer, or an inner model with queues of its own. `class` is nil for an attribute.
local function add(found, queues, group, key, class, number, depth)
  local file = found.file
  if depth > most_depth then check.raise(("%s: its groups lie more than %d deep"):format(found.path, most_depth)) end
  local has, own, name = {}, {}, last_part(group, "/")
  local members, message = file:members(group == "" and "/" or group)
  if not members and class then check.raise(message) end
  if not members then need(file:has "/") end -- what is no group may lie beside the layers; but the file has to be readable still
  for _, member in ipairs(members or {}) do has[#has + 1], has[member] = member, true end
  if has.vars and need(file:has(group .. "/vars", "name")) then
    local told = need(file:attribute(group .. "/vars", "name"))
    if type(told) == "string" and not (class == nil and keras_names.automatic(told)) then name = told end
  end
  local weights, whole = {}, false
  if has.vars then weights, whole = weights_of(file, group, name) end
  local layer
  if #weights > 0 and whole then
    found.states[#found.states + 1] = group:gsub("^/", "")
  elseif #weights > 0 then
    layer = { name = name, weights = weights, class = class, group = group }
    found.layers[#found.layers + 1] = layer
  end
  local joins = not has.vars and not class -- a list that is an attribute of a subclassed model: its elements count as the model's own
  local target = joins and queues or own
  for _, member in ipairs(has) do
    local path = group .. "/" .. member
    if lists[member] then
      for _, inner in ipairs(need(file:members(path))) do
        local of, at = counted(inner)
        if path .. "/" .. inner ~= found.repeated then add(found, own, path .. "/" .. inner, path .. "/" .. of, of, at, depth + 1) end
      end
    elseif not passed_over[member] then
      local of, at = counted(member)
      add(found, target, path, joins and group .. "/" .. of or path, nil, joins and at or 0, depth + 1)
    end
  end
  local function queue(element)
    local list = queues[key] or { next = 1 }
    queues[key], list[#list + 1] = list, element
    element.number = number
  end
  if next(own) then queue { queues = own } end
  if layer then queue(layer) end
end

--- Sorts each queue by number, and turns a model's queues into a list that is sorted by key.
local function finish(queues)
  local list = {}
  for key, queue in pairs(queues) do
    queue.key, list[#list + 1] = key, queue
    table.sort(queue, function(a, b)
      if a.number ~= b.number then return a.number < b.number end
      return a.queues ~= nil and b.queues == nil
    end)
    for _, element in ipairs(queue) do
      if element.queues then element.queues = finish(element.queues) end
    end
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  return list
end

-- ---- order ----------------------------------------------------------------------------------------------------------

--- The file's layers by what its description says of them, and in the order of it; no order where it describes other groups.
local function described(found, config, root)
  local by_group, of, order, groups = {}, {}, {}, keras_config.groups(config, root)
  for _, layer in ipairs(found.layers) do by_group[layer.group] = layer end
  for i, leaf in ipairs(keras_config.leaves(config)) do
    of[leaf.layer] = by_group[groups[i]]
    order[#order + 1] = of[leaf.layer]
  end
  return of, #order == #found.layers and order or nil
end

--- Whether a layer of the file has the class of ours, or no known class.
local function may_be(layer, ours)
  return not keras_names.class_of[layer.class] or layer.class == (keras_names.classes[ours.kind] or ours.kind)
end

--- Searches, by backtracking, for an order of the file's layers in which all of them fit ours and the layers of an inner model are
--- contiguous. Layers that are left over at the end must be a classifier. Returns nil when there is no such order. The second result tells
--- whether there is another one, or the search was given up.
local function search(queues, ours, fits, is_top)
  local found, first, another, tries = {}, nil, false, 0
  local function done()
    if not first then first = table.move(found, 1, #ours, 1, {}) end
    for i = 1, #ours do another = another or first[i] ~= found[i] end
    return another
  end
  --- Whether all layers of a model are placed or, at the end, only what may be a classifier is left.
  local function exhausted(list, at_end)
    for _, queue in ipairs(list) do
      for k = queue.next, #queue do
        if not at_end or queue[k].queues or not is_top(queue[k]) then return false end
      end
    end
    return true
  end
  local assign
  --- Tries each element of a model that may come next for our layer i. Returns true when the search is over.
  local function try_all(i, model)
    for _, queue in ipairs(model.queues) do
      local element = queue[queue.next]
      tries = tries + 1
      if element and tries <= most_tries then
        queue.next = queue.next + 1
        local over = false
        if element.queues then
          over = assign(i, { queues = element.queues, parent = model })
        elseif ours[i] and may_be(element, ours[i]) and fits(element, ours[i]) then
          found[i] = element
          over = assign(i + 1, model)
        end
        queue.next = queue.next - 1
        if over then return true end
      end
    end
    return false
  end
  function assign(i, model)
    if tries > most_tries then
      another = true -- there may be one: the search is given up
      return true
    end
    if try_all(i, model) then return true end
    if not exhausted(model.queues, i > #ours) then return false end
    if model.parent then return assign(i, model.parent) end
    return i > #ours and done()
  end
  assign(1, { queues = queues })
  return first, another
end

--- For the message when no order fits: the file's layers in the order of ours by class, whether their shapes fit or not, and then the rest.
local function any_order(layers, ours)
  local order, taken = {}, {}
  for _, mine in ipairs(ours) do
    for _, layer in ipairs(layers) do
      if not taken[layer] and may_be(layer, mine) and (keras_names.class_of[layer.class] or #layer.weights == #mine.parameters) then
        order[#order + 1], taken[layer] = layer, true
        break
      end
    end
  end
  for _, layer in ipairs(layers) do
    if not taken[layer] then order[#order + 1] = layer end
  end
  return order
end

--- Sorts layers of deeper groups first, then by class and number.
local function by_place(a, b)
  local left, left_number = counted(a.group)
  local right, right_number = counted(b.group)
  local _, left_depth = left:gsub("/", "")
  local _, right_depth = right:gsub("/", "")
  if left_depth ~= right_depth then return left_depth > right_depth end
  if left ~= right then return left < right end
  return left_number < right_number
end

--- Reads all layers of a file in Keras 3's layout. Raises when it is damaged.
---@param file userdata of core.hdf5_open
---@param path string
---@param config scion.KerasConfig? the model's description
---@return scion.KerasContents? contents nil where the file has no layers in this layout
function keras_groups.read(file, path, config)
  local found, queues, root = { file = file, path = path, layers = {}, states = {} }, {}, nil
  for _, member in ipairs(need(file:members "/")) do
    if lists[member] then root = "/" .. member end
  end
  -- model:export links the same layers under a second path, which is skipped: see export.lua
  if need(file:has("/", "repeated")) then found.repeated = "/" .. tostring(need(file:attribute("/", "repeated"))) end
  add(found, queues, "", "", nil, 0, 1)
  if #found.layers == 0 then return end
  table.sort(found.layers, by_place)
  queues = finish(queues)
  local of, order = {}, nil
  if config and root then of, order = described(found, config, root) end
  return {
    layers = order or found.layers, states = found.states, theano = false, described = of,
    arrange = function(ours, fits, is_top)
      if order then return order, false end
      local fitting, another = search(queues, ours, fits, is_top)
      if not fitting then return any_order(found.layers, ours), another end
      local taken = {}
      for _, layer in ipairs(fitting) do taken[layer] = true end
      for _, layer in ipairs(found.layers) do
        if not taken[layer] then fitting[#fitting + 1] = layer end
      end
      return fitting, another
    end,
  }
end

--- How many Rescaling layers the list of layers has that holds a Normalization or, without one, the most convolutions; nil where there is none, or
--- it does not list layers without weights.
---@param file userdata
---@return integer?
function keras_groups.rescalings(file)
  local count, likely, most
  local function visit(group, depth)
    local members, has = need(file:members(group)), {}
    for _, member in ipairs(members) do
      local class = counted(member)
      has[class] = (has[class] or 0) + 1
    end
    local number, convolutions = has.rescaling or 0, has.conv2d or 0
    if has.normalization then count = count or number end
    if (has.input_layer or has.activation) and convolutions > (most or 0) then likely, most = number, convolutions end
    for _, member in ipairs(members) do
      local inner = group .. "/" .. member
      local is_list = lists[member] or need(file:has(inner .. "/layers"))
      if not count and is_list and depth < most_depth then visit(inner, depth + 1) end
    end
  end
  visit("/", 1)
  return count or likely
end

return keras_groups
