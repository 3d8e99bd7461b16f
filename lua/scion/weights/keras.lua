--- Weights from Keras's files, .h5 and .keras. Layers are matched by the names that Keras gives them, where the file's are the model's; else
--- by order, as Keras does it, since the names in a file (conv2d_17) depend on what else its author had built before.
local check = require "scion.check"
local array = require "scion.weights.array"
local core = require "scion.core"
local keras_layers = require "scion.weights.keras_layers"
local match = require "scion.weights.match"
local names = require "scion.weights.names.keras"
local report = require "scion.weights.report"

local keras = {}

--- The last part of a weight's name: "conv2d_1/kernel_1:0" is a kernel, and a name like "uniform7" only itself. The second
--- result is the role that the name stands for, if it stands for one.
local function ending(name)
  local last = name:match "[^/]*$":gsub(":%d+$", "")
  local role = names.roles[last] or names.roles[last:match "^(.-)_%d+$"]
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
  path = check.argument("scion.weights.keras.read", "its argument", path, check.path)
  local file <close>, message = open(path)
  if not file then return nil, message end
  local ok, layers = check.try(keras_layers.read, file, path)
  if ok then return layers end
  return nil, layers
end

-- ---- comparing ------------------------------------------------------------------------------------------------------

local most_described = 8 -- weights of a layer: no layer of Keras's has more, and a file may list any number

--- "2 weights (kernel 3x3x3x32, bias 32)"
local function describe(weights)
  local parts = {}
  for i = 1, math.min(#weights, most_described) do
    parts[i] = ending(weights[i].name) .. " " .. array.shape_text(weights[i].shape or weights[i].tensor:shape())
  end
  return ("%d weight%s (%s%s)"):format(#weights, #weights == 1 and "" or "s", table.concat(parts, ", "), #weights > most_described and ", …" or "")
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

--- For each of the file's layers the place of its partner among ours: by Keras's names, if all of them are the model's (with
--- strict = false: most of the file's), else by order. The second result: whether all names are the model's.
local function pair_up(theirs, ours, strict)
  local publisher_name, our_names = require("scion.models.builder").publisher_name, {}
  for i, layer in ipairs(ours) do our_names[i] = publisher_name(layer, "keras") end
  local places, known = match.places(theirs, our_names)
  local all = known == #theirs and known == #ours
  if not all and (strict or 2 * known <= #theirs) then
    for i = 1, #theirs do places[i] = ours[i] and i end
  end
  return places, all
end

--- What fits, as a list of pairs, and what does not. The third result: whether all names are the model's.
local function compare(path, theirs, ours, strict)
  local places, all = pair_up(theirs, ours, strict)
  local total, partner, fitting = 0, {}, {}
  for _, layer in ipairs(ours) do total = total + #layer.parameters end
  local found = report.new(path, total, "layers")
  for i, layer in ipairs(theirs) do
    local bias = not places[i] and layer.weights[2]
    if places[i] then partner[places[i]] = layer else table.insert(found.unexpected, layer.name) end
    if bias and #bias.shape == 1 then found.classes = bias.shape[1] end -- the last is the classifier's
  end
  for i, mine in ipairs(ours) do
    local layer = partner[i]
    local reason = layer and misfit(layer, mine)
    if not layer then
      table.insert(found.missing, mine.name)
    elseif reason then
      table.insert(found.misfits, { name = mine.name, file = describe(layer.weights), model = describe(mine.parameters), reason = reason })
    else
      table.insert(fitting, { layer, mine })
      found.loaded = found.loaded + #layer.weights
    end
  end
  if #theirs ~= #ours then found.counts = (" (the file has %d layers with weights, the model %d)"):format(#theirs, #ours) end
  return found, fitting, all
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

--- The arrays of a file by their layers' names.
local function arrays_of(theirs)
  local arrays = {}
  for _, layer in ipairs(theirs) do
    for _, weight in ipairs(layer.weights) do arrays[#arrays + 1] = { name = layer.name, shape = weight.shape } end
  end
  return arrays
end

local function load(file, path, layers, strict)
  local theirs, theano, ambiguous = keras_layers.read(file, path, layers, function(a, b) return not misfit(a, b) end)
  local found, fitting, by_name = compare(path, theirs, layers, strict)
  if ambiguous and not by_name then
    check.raise(path .. ": its layers fit in more than one order, which it does not tell; give the model's layers the names of the file's")
  end
  local refusal = found:refusal(strict)
  if refusal then return nil, path .. ": " .. refusal, arrays_of(theirs) end
  for _, pair in ipairs(fitting) do read_pair(file, pair[1], pair[2], theano) end
  found:tell()
  return found
end

--- Reads a file's weights into a model's tensors: by Keras's names, where the file has all of the model's, else the first layer with
--- weights of the file into the first of the model, and so on. All names, numbers and shapes are compared before a tensor changes.
--- Only damage that shows while the numbers themselves are read can leave part of the tensors overwritten. With strict = false what
--- fits is read: by Keras's names where most of the file's are the model's, else by order.
--- Raises when a tensor is not f32 and contiguous.
---@param path string
---@param layers scion.Layer[] in Keras's order, each with its parameters in Keras's order; those without are passed over
---@param strict boolean
---@return scion.WeightsReport? report
---@return string? message names the file and the first layer that does not fit, with both shapes
---@return { name: string, shape: integer[] }[]? arrays of the file, by their layers' names, where they do not fit
function keras.load(path, layers, strict)
  local file <close>, message = open(path)
  if not file then return nil, message end
  local ours = {}
  for _, layer in ipairs(layers) do
    if #layer.parameters > 0 then ours[#ours + 1] = layer end
  end
  local results = table.pack(check.try(load, file, path, ours, strict))
  if not results[1] then return nil, results[2] end
  return table.unpack(results, 2, results.n)
end

return keras
