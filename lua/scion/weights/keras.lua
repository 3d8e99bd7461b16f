--- Weights from Keras's files. In the .h5 layout the attribute layer_names lists the layers in their order and weight_names the weights
--- of each; in a whole saved model both lie under the group model_weights. Keras 3's .weights.h5, which .keras archives hold too, has a
--- group for each layer, named by its class and counted. Layers are matched by order, as Keras does it, since the names in a file (conv2d_17) depend on what else
--- its author had built before.
local array = require "scion.weights.array"
local core = require "scion.core"
local options = require "scion.options"
local report = require "scion.weights.report"

local keras = {}

---@class scion.KerasWeight
---@field name string as in the file: "conv2d_1/kernel:0"
---@field shape integer[]
---@field path string of the dataset

---@class scion.KerasLayer
---@field name string
---@field weights scion.KerasWeight[]

local roles = {
  kernel = "kernel", depthwise_kernel = "kernel", bias = "bias",
  gamma = "gamma", beta = "beta", moving_mean = "moving_mean", moving_variance = "moving_variance",
}

--- The last part of a weight's name: "conv2d_1/kernel_1:0" is a kernel, and a name like "uniform7" only itself. The second
--- result is the role that the name stands for, if it stands for one.
local function ending(name)
  local last = name:match "[^/]*$":gsub(":%d+$", "")
  local role = roles[last] or roles[last:match "^(.-)_%d+$"]
  return role or last, role
end

local function open(path)
  local found, hdf5 = pcall(require, "scion.hdf5")
  if not found then return nil, ("%s: reading Keras weights needs the module scion.hdf5: %s"):format(path, hdf5) end
  local head <close> = io.open(path, "rb")
  if not head or head:read(4) ~= "PK\3\4" then return hdf5.open(path) end
  local archive <close>, message = core.zip_open(path)
  if not archive then return nil, message end
  local copy <close>, trouble = io.tmpfile() -- libhdf5 reads no archives; a file without a name is gone with this process at the latest
  if not copy then return nil, ("%s: cannot be unpacked: %s"):format(path, trouble) end
  local copied, reason = archive:copy("model.weights.h5", copy)
  if not copied then return nil, reason end
  return hdf5.open(path, copy)
end

-- ---- the layers of a file -------------------------------------------------------------------------------------------

--- What a call of the file gave; raises its message.
local function need(value, message)
  if message then error(message, 0) end
  return value
end

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

--- The layers with weights that layer_names lists under a group.
local function listed_layers(file, path, root, names)
  local layers = {}
  for _, name in ipairs(names) do
    local group = (root == "/" and "" or root) .. "/" .. name
    local weights = names_at(file, group, "weight_names")
    if not weights then error(("%s: layer '%s' has no attribute weight_names"):format(path, name), 0) end
    local layer = { name = name, weights = {} }
    for i, weight in ipairs(weights) do layer.weights[i] = weight_at(file, weight, group .. "/" .. weight) end
    if #layer.weights > 0 then layers[#layers + 1] = layer end
  end
  return layers
end

local classes = { conv2d = "conv2d", depthwise_conv2d = "depthwise_conv2d", separable_conv2d = "separable_conv2d", dense = "dense",
                  batch_norm = "batch_normalization", normalization = "normalization" }

local class_names = {}
for _, class in pairs(classes) do class_names[#class_names + 1] = class end
table.sort(class_names)

--- The layers of Keras 3 in the order of ours: the n-th of a class is the group conv2d_n, the first one conv2d.
local function counted_layers(file, root, ours)
  local layers, counts = {}, {}
  local function read(class)
    local n = counts[class] or 0
    local name = n == 0 and class or class .. "_" .. n
    local group, layer = root .. "/" .. name .. "/vars", { name = name, weights = {} }
    while need(file:has(group .. "/" .. #layer.weights)) do
      table.insert(layer.weights, weight_at(file, name .. "/" .. #layer.weights, group .. "/" .. #layer.weights))
    end
    counts[class] = n + 1
    return #layer.weights > 0 and layer
  end
  for _, layer in ipairs(ours) do
    local found = read(classes[layer.kind] or layer.kind)
    if not found then break end
    layers[#layers + 1] = found
  end
  for _, class in ipairs(#layers == #ours and class_names or {}) do layers[#layers + 1] = read(class) or nil end
  return layers
end

--- All layers with weights, and whether the kernels are the file's author's: for Theano, which slid them mirrored.
local function read_layers(file, path, ours)
  for _, group in ipairs { "/", "/model_weights" } do
    local names = need(file:has(group)) and names_at(file, group, "layer_names")
    if names then
      local backend = need(file:has(group, "backend")) and need(file:attribute(group, "backend"))
      return listed_layers(file, path, group, names), backend == "theano"
    end
  end
  for _, group in ipairs { "/layers", "/_layer_checkpoint_dependencies" } do
    if ours and need(file:has(group)) then return counted_layers(file, group, ours), false end
  end
  error(path .. ": not in the layout of Keras's files: it has neither an attribute layer_names nor a group of layers", 0)
end

--- Lists the layers of a file that have weights, in the file's order.
---@param path string
---@return scion.KerasLayer[]? layers nil when the file is missing, damaged or in another layout than .h5's
---@return string? message names the file
function keras.read(path)
  local file <close>, message = open(path)
  if not file then return nil, message end
  local ok, layers = pcall(read_layers, file, path)
  if ok then return layers end
  return nil, layers
end

-- ---- comparing ------------------------------------------------------------------------------------------------------

--- "2 weights (kernel 3x3x3x32, bias 32)"
local function describe(weights)
  local parts = {}
  for i, weight in ipairs(weights) do
    parts[i] = ending(weight.name) .. " " .. array.shape_text(weight.shape or weight.tensor:shape())
  end
  return ("%d weight%s (%s)"):format(#parts, #parts == 1 and "" or "s", table.concat(parts, ", "))
end

--- Whether a kernel [kh, kw, in, out] lies in Theano's order, [out, in, kh, kw], and not in ours.
local function in_theano_order(shape, ours)
  return #shape == 4 and #ours == 4 and array.shape_text(shape) == array.shape_text { ours[4], ours[3], ours[1], ours[2] }
    and array.shape_text(shape) ~= array.shape_text(ours)
end

--- Why the file's layer does not fit ours, or nothing.
local function misfit(theirs, ours)
  if #theirs.weights ~= #ours.parameters then
    return ("layer '%s' has %s, but %s expects %s"):format(theirs.name, describe(theirs.weights),
      ours.name, describe(ours.parameters))
  end
  for i, weight in ipairs(theirs.weights) do
    local name, role = ending(weight.name)
    local our_name, our_role = ending(ours.parameters[i].name)
    local our_sizes = ours.parameters[i].tensor:shape()
    local shape, our_shape = array.shape_text(weight.shape), array.shape_text(our_sizes)
    if (shape ~= our_shape and not in_theano_order(weight.shape, our_sizes)) or (role and our_role and role ~= our_role) then
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

--- Pairs of layers: by Keras's names, if the file's are known to the model, and else by order.
local function pair_up(theirs, ours)
  local publisher_name = require("scion.models.builder").publisher_name
  local by_name, known, paired = {}, 0, {}
  for i, layer in ipairs(ours) do by_name[publisher_name(layer, "keras")] = i end
  for _, layer in ipairs(theirs) do known = known + (by_name[layer.name] and 1 or 0) end
  for i, layer in ipairs(theirs) do paired[i] = ours[known * 2 > #theirs and by_name[layer.name] or known * 2 <= #theirs and i or 0] end
  return paired
end

--- What fits, as a list of pairs, and what does not.
local function compare_loosely(path, theirs, ours)
  local found, pairs_that_fit, met = report.new(path), {}, {}
  local paired = pair_up(theirs, ours)
  for i, layer in ipairs(theirs) do
    local mine = paired[i]
    if not mine then
      table.insert(found.unexpected, layer.name)
    else
      met[mine] = true
      if misfit(layer, mine) then
        table.insert(found.misfits, { name = mine.name, file = describe(layer.weights), model = describe(mine.parameters) })
      else
        table.insert(pairs_that_fit, { layer, mine })
        found.loaded = found.loaded + #layer.weights
      end
    end
  end
  for _, layer in ipairs(ours) do
    if not met[layer] then table.insert(found.missing, layer.name) end
  end
  return found, pairs_that_fit
end

-- ---- loading --------------------------------------------------------------------------------------------------------

--- Theano's order and sense: a kernel's strides in the file for each of our dimensions, from its last row and column on.
local function read_theano(file, weight, tensor, mirrored)
  local raw <close> = core.new(weight.shape)
  need(file:read_into(weight.path, raw))
  local shape, strides, first = tensor:shape(), array.row_strides(weight.shape), 0
  if in_theano_order(weight.shape, shape) then strides = { strides[3], strides[4], strides[2], strides[1] } end
  for axis = 1, mirrored and 2 or 0 do
    first = first + (shape[axis] - 1) * strides[axis]
    strides[axis] = -strides[axis]
  end
  core.unpack(raw, "F32", first, strides, tensor)
end

local function read_pair(file, theirs, ours, theano)
  for k, weight in ipairs(theirs.weights) do
    local tensor = ours.parameters[k].tensor
    local convolves = #weight.shape == 4 and ours.kind ~= "dense"
    if convolves and (theano or in_theano_order(weight.shape, tensor:shape())) then
      read_theano(file, weight, tensor, theano)
    else
      need(file:read_into(weight.path, tensor))
    end
  end
end

local function load(file, path, layers, strict)
  local theirs, theano = read_layers(file, path, layers)
  local found, pairs_that_fit = compare_loosely(path, theirs, layers)
  if strict then
    local reason = first_misfit(theirs, layers)
    if reason then error({ reason = reason, layers = theirs }, 0) end
    pairs_that_fit = {}
    for i, layer in ipairs(theirs) do pairs_that_fit[i] = { layer, layers[i] } end
    found = report.new(path)
    for _, layer in ipairs(theirs) do found.loaded = found.loaded + #layer.weights end
  end
  for _, pair in ipairs(pairs_that_fit) do read_pair(file, pair[1], pair[2], theano) end
  return found
end

--- Reads a file's weights into a model's tensors: the first layer with weights of the file into the first of the model, and
--- so on. All names, numbers and shapes are compared before a tensor changes. Only damage that shows while the numbers
--- themselves are read can leave part of the tensors overwritten. With strict = false what fits is read: by Keras's names where
--- the file's are the model's, else by order.
--- Raises when a tensor is not f32 and contiguous.
---@param path string
---@param layers scion.Layer[] in Keras's order, each with its parameters in Keras's order; those without are passed over
---@param given? { strict: boolean? }
---@return scion.WeightsReport? report
---@return string? message names the file and the first layer that does not fit, with both shapes
---@return string[]? names of the file's layers, where they do not fit
function keras.load(path, layers, given)
  local strict = options.check("keras.load", given, { strict = true }).strict
  local file <close>, message = open(path)
  if not file then return nil, message end
  local ours = {}
  for _, layer in ipairs(layers) do
    if #layer.parameters > 0 then ours[#ours + 1] = layer end
  end
  local ok, result = pcall(load, file, path, ours, strict)
  if ok then return result end
  if type(result) ~= "table" then return nil, result end
  local names = {}
  for i, layer in ipairs(result.layers) do names[i] = layer.name end
  return nil, path .. ": " .. result.reason, names
end

return keras
