--- The layers of Keras 3's files: a tree of groups, in which a model's list of layers has a group for each, named by its class and counted
--- (layers/conv2d_1), and what is an attribute of a subclassed model the attribute's name. The numbers of a layer's weights lie in its
--- group vars. The order of different classes, and of attributes, is not told.
local check = require "scion.check"
local keras_config = require "scion.weights.keras_config"
local keras_names = require "scion.weights.names.keras"

local keras_groups = {}

local most_depth = 16   -- of groups
local most_tries = 60000 -- of a search

--- What a call of the file gave; raises its message.
local function need(value, message)
  if message then check.raise(message) end
  return value
end

-- ---- reading the tree -----------------------------------------------------------------------------------------------

local lists = { layers = true, _layer_checkpoint_dependencies = true }
local passed_over = { vars = true, optimizer = true }

--- "conv2d_12" is the class conv2d's number 12, "conv2d" its number 0.
local function counted(name)
  local class, number = name:match "^(.-)_(%d+)$"
  return class or name, math.tointeger(tonumber(number or 0)) or 0
end

--- The weights of a group, and whether all are integers.
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

--- What a file holds: `layers` and `states`, the names of what has integers alone, are gathered in `found`. An element is a layer, or a model
--- with `queues` of elements: of each only the first that is left may come next.
local function add(found, queues, group, key, class, number, depth)
  local file = found.file
  if depth > most_depth then check.raise(("%s: its groups lie more than %d deep"):format(found.path, most_depth)) end
  local has, own, name = {}, {}, group:match "[^/]*$"
  local members, message = file:members(group == "" and "/" or group)
  if not members and class then check.raise(message) end
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
  local joins = not has.vars and not class -- a list of a subclassed model's: its elements are the model's own
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

--- Puts each queue in order, and all queues of a model.
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

--- In the order that the file's model describes; nil where that is of other groups.
local function described(found, config, root)
  local by_group, order = {}, {}
  for _, layer in ipairs(found.layers) do by_group[layer.group] = layer end
  for _, group in ipairs(keras_config.groups(config, root)) do order[#order + 1] = by_group[group] end
  return #order == #found.layers and order or nil
end

local function may_be(layer, ours)
  return not keras_names.class_of[layer.class] or layer.class == (keras_names.classes[ours.kind] or ours.kind)
end

--- The file's layers in the order of ours, such that all of them fit and each model's stand together; what is left may be a classifier
--- behind them. nil when there is no such order. The second result: whether there is another one.
local function search(queues, ours, fits, is_top)
  local found, first, another, tries = {}, nil, false, 0
  local function done()
    if not first then first = table.move(found, 1, #ours, 1, {}) end
    for i = 1, #ours do another = another or first[i] ~= found[i] end
    return another
  end
  --- Whether nothing is left of a model, or only what may be a classifier.
  local function exhausted(list, at_end)
    for _, queue in ipairs(list) do
      for k = queue.next, #queue do
        if not at_end or queue[k].queues or not is_top(queue[k]) then return false end
      end
    end
    return true
  end
  local place
  --- Tries each element that may come next; true when the search is over.
  local function try_all(i, model)
    for _, queue in ipairs(model.queues) do
      local element = queue[queue.next]
      tries = tries + 1
      if element and tries <= most_tries then
        queue.next = queue.next + 1
        local over = false
        if element.queues then
          over = place(i, { queues = element.queues, parent = model })
        elseif ours[i] and may_be(element, ours[i]) and fits(element, ours[i]) then
          found[i] = element
          over = place(i + 1, model)
        end
        queue.next = queue.next - 1
        if over then return true end
      end
    end
    return false
  end
  function place(i, model)
    if tries > most_tries then
      another = true -- for all that is known
      return true
    end
    if try_all(i, model) then return true end
    if not exhausted(model.queues, i > #ours) then return false end
    if model.parent then return place(i, model.parent) end
    return i > #ours and done()
  end
  place(1, { queues = queues })
  return first, another
end

--- The layers by ours as far as the classes go, whether they fit or not, and then the rest.
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

--- Models within models first, then by class and number.
local function by_place(a, b)
  local left, left_number = counted(a.group)
  local right, right_number = counted(b.group)
  local _, left_depth = left:gsub("/", "")
  local _, right_depth = right:gsub("/", "")
  if left_depth ~= right_depth then return left_depth > right_depth end
  if left ~= right then return left < right end
  return left_number < right_number
end

--- Reads the tree below a file's groups of layers, or of a subclassed model's attributes.
---@param file userdata of core.hdf5_open
---@param path string
---@param config scion.KerasConfig? the model's description
---@return scion.KerasContents? contents nil where there are none
function keras_groups.read(file, path, config)
  local found, queues, root = { file = file, path = path, layers = {}, states = {} }, {}, nil
  for _, member in ipairs(need(file:members "/")) do
    if lists[member] then root = "/" .. member end
  end
  if need(file:has("/", "repeated")) then found.repeated = "/" .. tostring(need(file:attribute("/", "repeated"))) end -- as model:export writes it
  add(found, queues, "", "", nil, 0, 1)
  if #found.layers == 0 then return end
  table.sort(found.layers, by_place)
  queues = finish(queues)
  local order = config and root and described(found, config, root)
  return {
    layers = order or found.layers, states = found.states, theano = false,
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

--- How many layers Rescaling the list has in which Normalization is; nil where there is none.
---@param file userdata
---@return integer?
function keras_groups.rescalings(file)
  local count
  local function visit(group, depth)
    local members, has, number = need(file:members(group)), {}, 0
    for _, member in ipairs(members) do
      has[member] = true
      if counted(member) == "rescaling" then number = number + 1 end
    end
    if has.normalization then count = count or number end
    for _, member in ipairs(members) do
      local inner = group .. "/" .. member
      local is_list = lists[member] or need(file:has(inner .. "/layers"))
      if not count and is_list and depth < most_depth then visit(inner, depth + 1) end
    end
  end
  visit("/", 1)
  return count
end

return keras_groups
