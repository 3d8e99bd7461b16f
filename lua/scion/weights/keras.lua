--- Weights from Keras's files, .h5 and .keras. Layers are matched by the names that Keras gives them, where the file's are the model's; else
--- by order, as Keras does it, since the names in a file (conv2d_17) depend on what else its author had built before.
local check = require "scion.check"
local array = require "scion.weights.array"
local core = require "scion.core"
local keras_layers = require "scion.weights.keras_layers"
local options = require "scion.options"
local report = require "scion.weights.report"

local keras = {}

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
  if core.read_head(path, 4) ~= "PK\3\4" then return core.hdf5_open(path) end
  local archive <close>, message = core.zip_open(path)
  if not archive then return nil, message end
  local copy <close>, trouble = io.tmpfile() -- libhdf5 reads no archives; a file without a name is gone with this process at the latest
  if not copy then return nil, ("%s: cannot be unpacked: %s"):format(path, trouble) end
  local copied, reason = archive:copy("model.weights.h5", copy)
  if not copied then return nil, reason end
  return core.hdf5_open(path, copy)
end

--- What a call of the file gave; raises its message.
local function need(value, message)
  if message then check.raise(message) end
  return value
end

--- Lists the layers of a file that have weights, in the file's order.
---@param path string
---@return scion.KerasLayer[]? layers nil when the file is missing, damaged or in another layout than .h5's
---@return string? message names the file
function keras.read(path)
  local file <close>, message = open(path)
  if not file then return nil, message end
  local ok, layers = check.try(keras_layers.read, file, path)
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

--- Where each of our layers stands, by the name that Keras gives it.
local function places_by_name(ours)
  local publisher_name = require("scion.models.builder").publisher_name
  local places = {}
  for i, layer in ipairs(ours) do places[publisher_name(layer, "keras")] = i end
  return places
end

--- The file's layers in our order, if their names are all of the model's and no others; else as they are, and false.
local function in_our_order(theirs, ours)
  local by_name, ordered = places_by_name(ours), {}
  for _, layer in ipairs(theirs) do
    local place = by_name[layer.name]
    if not place or ordered[place] then return theirs, false end
    ordered[place] = layer
  end
  if #theirs ~= #ours then return theirs, false end
  return ordered, true
end

--- Pairs of layers: by Keras's names, if the file's are known to the model, and else by order.
local function pair_up(theirs, ours)
  local by_name, known, paired = places_by_name(ours), 0, {}
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
  local theirs, theano, ambiguous = keras_layers.read(file, path, layers, function(a, b) return not misfit(a, b) end)
  local ordered, by_name = in_our_order(theirs, layers)
  theirs = ordered
  if ambiguous and not by_name then
    check.raise(path .. ": its layers fit in more than one order, which it does not tell; give the model's layers the names of the file's")
  end
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

--- Reads a file's weights into a model's tensors: by Keras's names, where the file has all of the model's, else the first layer with
--- weights of the file into the first of the model, and so on. All names, numbers and shapes are compared before a tensor changes. Only damage that shows while the numbers
--- themselves are read can leave part of the tensors overwritten. With strict = false what fits is read: by Keras's names where
--- the file's are the model's, else by order.
--- Raises when a tensor is not f32 and contiguous.
---@param path string
---@param layers scion.Layer[] in Keras's order, each with its parameters in Keras's order; those without are passed over
---@param given? { strict: boolean? }
---@return scion.WeightsReport? report
---@return string? message names the file and the first layer that does not fit, with both shapes
---@return { name: string, shape: integer[] }[]? arrays of the file, by their layers' names, where they do not fit
function keras.load(path, layers, given)
  local strict = options.check("keras.load", given, { strict = true }).strict
  local file <close>, message = open(path)
  if not file then return nil, message end
  local ours = {}
  for _, layer in ipairs(layers) do
    if #layer.parameters > 0 then ours[#ours + 1] = layer end
  end
  local ok, result = check.try(load, file, path, ours, strict)
  if ok then return result end
  if type(result) ~= "table" then return nil, result end
  local arrays = {}
  for _, found in ipairs(result.layers) do
    for _, weight in ipairs(found.weights) do arrays[#arrays + 1] = { name = found.name, shape = weight.shape } end
  end
  return nil, path .. ": " .. result.reason, arrays
end

return keras
