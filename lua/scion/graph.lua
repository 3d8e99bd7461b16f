--- Graphs: nodes in Keras's order, names for all layers, and layers found by name.
local check = require "scion.check"

local graph = {}

--- `output` and all nodes that it depends on, in Keras's order: inputs before the nodes that use them. The order is by depth, the
--- length of the longest path to the output, largest first. Nodes of equal depth stand in the order in which a depth-first visit
--- from the output meets them. The visit keeps its own stack, since deep networks would overflow that of recursive calls.
---@param output scion.Node
---@return scion.Node[]
function graph.order(output)
  local met, finished, count = { [output] = 1 }, {}, 1
  -- the stack of the visit: nodes, their inputs, how many of those were visited
  local path, inputs, visited, last = { output }, { output.inputs }, { 0 }, 1
  while last > 0 do
    local n = visited[last] + 1
    local input = inputs[last][n]
    visited[last] = n
    if not input then
      finished[#finished + 1] = path[last]
      last = last - 1
    elseif not met[input] then
      count, last = count + 1, last + 1
      met[input] = count
      path[last], inputs[last], visited[last] = input, input.inputs, 0
    end
  end
  local depth = {}
  for i = #finished, 1, -1 do
    local node = finished[i]
    depth[node] = depth[node] or 0
    for _, input in ipairs(node.inputs) do depth[input] = math.max(depth[input] or 0, depth[node] + 1) end
  end
  table.sort(finished, function(a, b)
    if depth[a] ~= depth[b] then return depth[a] > depth[b] end
    return met[a] < met[b]
  end)
  return finished
end

--- The layers with parameters, in order.
---@param order scion.Node[]
---@return scion.Layer[]
function graph.layers(order)
  local layers = {}
  for _, node in ipairs(order) do
    if #node.layer.parameters > 0 then layers[#layers + 1] = node.layer end
  end
  return layers
end

--- Calls for each parameter of the layers, in order, moving averages included: for name, p, layer in graph.parameters(order).
---@param order scion.Node[]
---@return fun(): string?, scion.Parameter?, scion.Layer? each the name in files ("mixed9/conv/kernel"), the parameter, and its layer
function graph.parameters(order)
  local at, k = 1, 0
  return function()
    k = k + 1
    while order[at] do
      local layer = order[at].layer
      local p = layer.parameters[k]
      if p then return layer.name .. "/" .. p.name, p, layer end
      at, k = at + 1, 1
    end
  end
end

--- Calls f. Whatever it freezes or thaws, the layers are then as before.
---@param order scion.Node[]
---@param f function
---@return any ... its results
function graph.keep_freezing(order, f)
  local before = {}
  for i, node in ipairs(order) do before[i] = node.layer.frozen end
  local function ended(ok, ...)
    for i, node in ipairs(order) do node.layer.frozen = before[i] end
    if not ok then error((...), 0) end
    return ...
  end
  return ended(pcall(f))
end

--- The parameters of the layers of `output` and of all nodes that it depends on, moving averages included.
---@param output scion.Node
---@return scion.Tensor[]
function graph.weights(output)
  local tensors = {}
  for _, node in ipairs(graph.order(output)) do
    for _, p in ipairs(node.layer.parameters) do tensors[#tensors + 1] = p.tensor end
  end
  return tensors
end

local revision = 0

--- A number that increases whenever a layer is frozen or thawed, of whatever model: layers can be shared.
---@return integer
function graph.revision() return revision end

--- To be called when that happens.
function graph.revise() revision = revision + 1 end

--- A number that changes whenever one of the tensors does: the sum of their versions, which only grow.
---@param tensors table<any, scion.Tensor>
---@return integer
function graph.version(tensors)
  local sum = 0
  for _, tensor in pairs(tensors) do sum = sum + tensor:version() end
  return sum
end

--- The part of `order` that is left when the value of a node is given: the node, and all nodes that it does not depend on.
---@param order scion.Node[]
---@param node scion.Node
---@return scion.Node[]
function graph.from(order, node)
  local below, rest = {}, { node }
  for _, other in ipairs(graph.order(node)) do below[other] = true end
  for _, other in ipairs(order) do
    if not below[other] then rest[#rest + 1] = other end
  end
  return rest
end

--- Whether a node is directly connected to a block: it reads the output of one of the block's layers, as a layer that joins its
--- branches does, or one of them reads its output.
local function borders(order, node, block)
  local function within(other) return other.layer.name ~= nil and other.layer.name:sub(1, #block + 1) == block .. "/" end
  for _, input in ipairs(node.inputs) do
    if within(input) then return true end
  end
  for _, other in ipairs(order) do
    for _, input in ipairs(within(other) and other.inputs or {}) do
      if input == node then return true end
    end
  end
  return false
end

--- The set of all blocks' names. A layer a/b/c is in the blocks a/b and a.
local function blocks(order)
  local names = {}
  for _, node in ipairs(order) do
    local block = node.layer.name and node.layer.name:match "^(.*)/"
    while block and not names[block] do
      names[block] = true
      block = block:match "^(.*)/"
    end
  end
  return names
end

--- Names the layers without a name: kind_1, kind_2 and so on. Raises if two layers have the same name, or if a layer has the name of a
--- block that it is not connected to: that name would mean the layer as well as the block. A layer next to the block may have its name.
---@param order scion.Node[]
function graph.name(order)
  local taken, count, block_names = {}, {}, blocks(order)
  for _, node in ipairs(order) do
    local name = node.layer.name
    if name then
      if taken[name] then check.raise(("two layers are named '%s'"):format(name)) end
      if block_names[name] and not borders(order, node, name) then
        check.raise(("a layer cannot be named '%s', for a block of layers has that name: give it another one"):format(name))
      end
      taken[name] = true
    end
  end
  for _, node in ipairs(order) do
    local layer = node.layer
    while not layer.name do
      count[layer.kind] = (count[layer.kind] or 0) + 1
      local name = layer.kind .. "_" .. count[layer.kind]
      if not taken[name] and not block_names[name] then layer.name, taken[name] = name, true end
    end
  end
end

--- Turns a shell glob into a Lua pattern for the whole name. It knows * ? [a-z] [!a-z]; * and ? also match slashes.
local function glob_pattern(glob)
  local pattern, i = { "^" }, 1
  while i <= #glob do
    local c = glob:sub(i, i)
    local set, close = glob:match("^%[(!?[^%]]+)%]()", i)
    if set then
      pattern[#pattern + 1] = "[" .. set:gsub("^!", "^"):gsub("%%", "%%%%") .. "]"
      i = close - 1
    elseif c == "*" then
      pattern[#pattern + 1] = ".*"
    elseif c == "?" then
      pattern[#pattern + 1] = "."
    else
      pattern[#pattern + 1] = c:gsub("%p", "%%%0")
    end
    i = i + 1
  end
  pattern[#pattern + 1] = "$"
  return table.concat(pattern)
end

--- Raises the complaint about a name that matches no layer, with the nearest names.
local function unmatched(order, name, complaint)
  local names, seen = {}, {}
  for _, node in ipairs(order) do
    local candidate = node.layer.name
    while candidate do -- the layer, and every block it is in
      if not seen[candidate] then names[#names + 1], seen[candidate] = candidate, true end
      candidate = candidate:match "^(.*)/"
    end
  end
  local nearest = check.nearest(name, names, 3)
  check.raise(("%s '%s'; the nearest %s %s"):format(complaint, name, #nearest == 1 and "is" or "are", table.concat(nearest, ", ")))
end

--- The positions in `order` of the layers that a name means: the layer of that name, and all layers in the block of that name. Raises
--- if there is none.
---@param order scion.Node[]
---@param name string
---@return integer[] positions ascending, at least one
function graph.find(order, name)
  local found = {}
  for i, node in ipairs(order) do
    local full = node.layer.name
    if full == name or full:sub(1, #name + 1) == name .. "/" then found[#found + 1] = i end
  end
  if #found == 0 then unmatched(order, name, "no layer is named") end
  return found
end

--- The positions of the layers whose full names match a glob. A name without * ? [ is looked up by graph.find, and so may mean a block.
--- Raises if there is none.
---@param order scion.Node[]
---@param glob string
---@return integer[] positions ascending, at least one
function graph.glob(order, glob)
  if not glob:find("[*?%[]") then return graph.find(order, glob) end
  local found, pattern = {}, glob_pattern(glob)
  for i, node in ipairs(order) do
    if node.layer.name:find(pattern) then found[#found + 1] = i end
  end
  if #found == 0 then unmatched(order, glob, "no layer matches the pattern") end
  return found
end

return graph
