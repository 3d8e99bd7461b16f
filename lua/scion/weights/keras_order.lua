--- The order of the layers of a model within a Keras model, of which an .h5 file lists the weights alone: those that train first, then the
--- others.
local keras_names = require "scion.weights.names.keras"
local last_part = require "scion.weights.last_part"

local keras_order = {}

local counted = keras_names.counted

local most_compared = 2000000 -- layers that a search for the order compares

--- The layers in the order of the model's description; nil where it does not tell the place of each.
local function in_described_order(layers, ranks)
  local rank = {}
  for _, layer in ipairs(layers) do
    rank[layer] = ranks[last_part(layer.name, "/")]
    if not rank[layer] then return end
  end
  local order = table.move(layers, 1, #layers, 1, {})
  table.sort(order, function(a, b) return rank[a] < rank[b] end)
  return order
end

--- Whether the numbers of each class rise.
local function rises(layers)
  local last = {}
  for _, layer in ipairs(layers) do
    local class, number = counted(layer.name)
    if last[class] and number < last[class] then return false end
    last[class] = number
  end
  return true
end

--- Keras numbers the layers of a class as they are made: conv2d, conv2d_1, … Where the numbers in the list do not rise, frozen layers were
--- listed behind the others. Returns the layers in an order in which the numbers of each class rise and the layers fit ours from number
--- `first` on, or as they are where there is no such order. The second result is true where more than one layer could come next.
local function by_numbers(layers, ours, first, fits)
  if rises(layers) then return layers end
  local queues = {}
  for _, layer in ipairs(layers) do
    local class, number = counted(layer.name)
    local queue = queues[class] or { next = 1 }
    queues[class] = queue
    queue[#queue + 1] = { layer = layer, number = number }
  end
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

local function same_order(a, b)
  for i, layer in ipairs(a) do
    if layer ~= b[i] then return false end
  end
  return true
end

--- Splits runs into the lists of two passes; nil where a layer would occur twice in one of them.
---@return scion.KerasLayer[]? first, scion.KerasLayer[]? second
local function split(runs, first_pass)
  local lists, seen = { {}, {} }, { {}, {} }
  for i, layer in ipairs(runs) do
    local pass = i <= first_pass and 1 or 2
    if seen[pass][layer] then return end
    seen[pass][layer] = true
    table.insert(lists[pass], layer)
  end
  return lists[1], lists[2]
end

local function index_of(list)
  local index = {}
  for i, layer in ipairs(list) do index[layer] = i end
  return index
end

--- Whether a layer's number is above those of its class among the first ones of two lists.
local function goes_on(layer, first, i, second, k)
  local class, number = counted(layer.name)
  for _, part in ipairs { { first, i }, { second, k } } do
    for n = 1, part[2] do
      local other, below = counted(part[1][n].name)
      if other == class and below >= number then return false end
    end
  end
  return true
end

--- Merges the lists of two passes into an order that fits ours from number `start` on. Each list keeps its order, and a layer of both is taken
--- from both at once.
---@param by_number boolean whether the numbers of each class have to rise
---@param work { left: integer } how many layers may still be compared
---@return scion.KerasLayer[]? order nil where none fits
---@return boolean several whether more than one does, or the search was given up
local function merge(first, second, ours, start, fits, by_number, work)
  local in_first, in_second, common, memo = index_of(first), index_of(second), { [0] = 0 }, {}
  for i, layer in ipairs(first) do common[i] = common[i - 1] + (in_second[layer] and 1 or 0) end

  --- How many orders, counted up to 2, complete what has i layers of the first list and k of the second; and the next step of one of them.
  local function count(i, k)
    if i == #first and k == #second then return 1 end
    local key = i * (#second + 1) + k
    if memo[key] then return memo[key].count end
    local found, a, b = { count = 0 }, first[i + 1], second[k + 1]
    local mine = ours[start + i + k - common[i]]
    local function try(layer, to_i, to_k)
      work.left = work.left - 4 -- for a place among the layers
      if work.left < 0 or not mine or not fits(layer, mine) then return end
      work.left = work.left - (by_number and i + k or 0)
      if by_number and not goes_on(layer, first, i, second, k) then return end
      local n = count(to_i, to_k)
      if n > 0 then found = { count = math.min(2, found.count + n), layer = layer, i = to_i, k = to_k } end
    end
    if a and a == b then try(a, i + 1, k + 1) end
    if a and not in_second[a] then try(a, i + 1, k) end
    if b and not in_first[b] then try(b, i, k + 1) end
    memo[key] = found
    return found.count
  end

  local several = count(0, 0)
  if work.left < 0 then return nil, true end
  if several == 0 then return nil, false end
  local order, i, k = {}, 0, 0
  while i < #first or k < #second do
    local step = memo[i * (#second + 1) + k]
    order[#order + 1], i, k = step.layer, step.i, step.k
  end
  return order, several > 1
end

--- Keras lists a model's weights in two passes over its layers: first the trainable ones, then the others (moving averages and frozen
--- weights). The order in the model that this may stand for and that fits ours from number `start` on: of several the one in which the
--- numbers of each class rise. nil where none fits. The second result is true where one cannot be told from others.
local function merged(runs, ours, start, fits)
  local work = { left = most_compared }
  for _, by_number in ipairs { true, false } do
    local found, more
    for first_pass = 0, #runs do
      local first, second = split(runs, first_pass)
      if first then
        local order, several = merge(first, second, ours, start, fits, by_number, work)
        more = several or (order and found and not same_order(order, found)) or false
        found = found or order
      end
      if more then break end
    end
    if found or more then return found, more end
  end
end

--- The order of an inner model's layers: the described one, else one that fits ours from number `first` on, else that of the file.
---@param layers scion.KerasLayer[] in the order in which the file mentions them first
---@param runs scion.KerasLayer[] the layer of each run of its weights in the file's list
---@param ranks table<string, integer|false> positions by name in the model's description
---@param ours scion.Layer[]
---@param first integer
---@param fits fun(theirs: scion.KerasLayer, ours: scion.Layer): boolean
---@return scion.KerasLayer[] order
---@return boolean? several whether other orders fit as well
function keras_order.inner(layers, runs, ranks, ours, first, fits)
  local described = in_described_order(layers, ranks)
  if described then return described end
  if #runs == #layers then return by_numbers(layers, ours, first, fits) end
  if #runs > 4 * #ours then return layers end
  local order, more = merged(runs, ours, first, fits)
  return order or layers, more
end

return keras_order
