--- Weights from Keras's .h5 files: the attribute layer_names lists the layers in their order, weight_names the weights of
--- each; in a whole saved model both lie under the group model_weights. Layers are matched by order, as Keras does it, since
--- the names in a file (conv2d_17) depend on what else its author had built before.
local keras = {}

---@class scion.KerasWeight
---@field name string as in the file: "conv2d_1/kernel:0"
---@field shape integer[]
---@field path string of the dataset

---@class scion.KerasLayer
---@field name string
---@field weights scion.KerasWeight[]

local ROLES = {
  kernel = "kernel", depthwise_kernel = "kernel", bias = "bias",
  gamma = "gamma", beta = "beta", moving_mean = "moving_mean", moving_variance = "moving_variance",
}

--- The last part of a weight's name: "conv2d_1/kernel_1:0" is a kernel, and a name like "uniform7" only itself. The second
--- result is the role that the name stands for, if it stands for one.
local function ending(name)
  local last = name:match "[^/]*$":gsub(":%d+$", "")
  local role = ROLES[last] or ROLES[last:match "^(.-)_%d+$"]
  return role or last, role
end

local function open(path)
  local found, hdf5 = pcall(require, "scion.hdf5")
  if not found then return nil, ("%s: reading Keras weights needs the module scion.hdf5: %s"):format(path, hdf5) end
  return hdf5.open(path)
end

--- A list of names, which Keras cuts into name0, name1, ... when it is too long for one attribute. Nil, nil: there is none.
local function names_at(file, group, attribute)
  local whole, message = file:has(group, attribute)
  if message then return nil, message end
  local names, part = {}, 0
  while true do
    local key = whole and attribute or attribute .. part
    local there, problem = file:has(group, key)
    if problem then return nil, problem end
    if not there then break end
    local piece, reason = file:attribute(group, key)
    if not piece then return nil, reason end
    if type(piece) == "string" then piece = { piece } end
    table.move(piece, 1, #piece, #names + 1, names)
    if whole then return names end
    part = part + 1
  end
  if part > 0 then return names end
end

--- The group that lists the layers, and the list.
local function layer_names(file, path)
  for _, group in ipairs { "/", "/model_weights" } do
    local there, message = file:has(group)
    if message then return nil, message end
    local names
    if there then names, message = names_at(file, group, "layer_names") end
    if names or message then return names, message, group end
  end
  return nil, path .. ": not in the layout of Keras's .h5 files: it has no attribute layer_names"
end

local function read_layers(file, path)
  local names, message, root = layer_names(file, path)
  if not names then return nil, message end
  local layers = {}
  for _, name in ipairs(names) do
    local group = (root == "/" and "" or root) .. "/" .. name
    local weights, reason = names_at(file, group, "weight_names")
    if not weights then return nil, reason or ("%s: layer '%s' has no attribute weight_names"):format(path, name) end
    local layer = { name = name, weights = {} }
    for i, weight in ipairs(weights) do
      local dataset = group .. "/" .. weight
      local shape, problem = file:shape(dataset)
      if not shape then return nil, problem end
      layer.weights[i] = { name = weight, shape = shape, path = dataset }
    end
    if #layer.weights > 0 then layers[#layers + 1] = layer end
  end
  return layers
end

--- Lists the layers of a file that have weights, in the file's order.
---@param path string
---@return scion.KerasLayer[]? layers nil when the file is missing, damaged or in another layout
---@return string? message names the file
function keras.read(path)
  local file <close>, message = open(path)
  if not file then return nil, message end
  return read_layers(file, path)
end

local function shape_text(shape) return #shape > 0 and table.concat(shape, "x") or "scalar" end

--- "2 weights (kernel 3x3x3x32, bias 32)"
local function describe(weights)
  local parts = {}
  for i, weight in ipairs(weights) do
    parts[i] = ending(weight.name) .. " " .. shape_text(weight.shape or weight.tensor:shape())
  end
  return ("%d weight%s (%s)"):format(#parts, #parts == 1 and "" or "s", table.concat(parts, ", "))
end

--- Why the file's layer does not fit ours, or nothing.
local function misfit(theirs, ours)
  if #theirs.weights ~= #ours.weights then
    return ("layer '%s' has %s, but %s expects %s"):format(theirs.name, describe(theirs.weights),
      ours.name, describe(ours.weights))
  end
  for i, weight in ipairs(theirs.weights) do
    local name, role = ending(weight.name)
    local our_name, our_role = ending(ours.weights[i].name)
    local shape, our_shape = shape_text(weight.shape), shape_text(ours.weights[i].tensor:shape())
    if shape ~= our_shape or (role and our_role and role ~= our_role) then
      return ("layer '%s' has %s %s, but %s expects %s%s"):format(theirs.name, role and name or our_name, shape, ours.name,
        role and our_role ~= role and our_name .. " " or "", our_shape)
    end
  end
end

--- Why the file does not fit the model, or nothing.
local function first_misfit(theirs, ours)
  local counts = #theirs == #ours and "" or
    (" (the file has %d layers with weights, the model %d)"):format(#theirs, #ours)
  for i = 1, math.min(#theirs, #ours) do
    local reason = misfit(theirs[i], ours[i])
    if reason then return reason .. counts end
  end
  if #theirs < #ours then return ("has no weights for %s%s"):format(ours[#theirs + 1].name, counts) end
  if #theirs > #ours then return ("layer '%s' has no counterpart in the model%s"):format(theirs[#ours + 1].name, counts) end
end

--- Reads a file's weights into a model's tensors: the first layer with weights of the file into the first of the model, and
--- so on. All names, numbers and shapes are compared before a tensor changes. Only damage that shows while the numbers
--- themselves are read can leave part of the tensors overwritten.
--- Raises when a tensor is not f32 and contiguous.
---@param path string
---@param layers { name: string, weights: { name: string, tensor: scion.Tensor }[] }[] in Keras's order of layers, and the
---weights of each in Keras's order of weights; layers without weights are passed over
---@return true? loaded
---@return string? message names the file and the first layer that does not fit, with both shapes
function keras.load(path, layers)
  local file <close>, message = open(path)
  if not file then return nil, message end
  local theirs, reason = read_layers(file, path)
  if not theirs then return nil, reason end
  local ours = {}
  for _, layer in ipairs(layers) do
    if #layer.weights > 0 then ours[#ours + 1] = layer end
  end
  reason = first_misfit(theirs, ours)
  if reason then return nil, path .. ": " .. reason end
  for i, layer in ipairs(theirs) do
    for k, weight in ipairs(layer.weights) do
      local read, problem = file:read_into(weight.path, ours[i].weights[k].tensor)
      if not read then return nil, problem end
    end
  end
  return true
end

return keras
