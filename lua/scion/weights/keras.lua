--- Loads weights from Keras's files, .h5 and .keras. Layers are matched by name where most names in the file are the model's. Otherwise
--- they are matched by order, as Keras does, since automatic names (conv2d_17) depend on what else the author had built before in that
--- process.
local check = require "scion.check"
local all_or_none = require "scion.weights.all_or_none"
local array = require "scion.weights.array"
local classifier = require "scion.weights.classifier"
local core = require "scion.core"
local keras_config = require "scion.weights.keras_config"
local keras_layers = require "scion.weights.keras_layers"
local keras_own = require "scion.weights.keras_own"
local last_part = require "scion.weights.last_part"
local lfs = require "lfs"
local match = require "scion.weights.match"
local names = require "scion.weights.names.keras"
local report = require "scion.weights.report"

local keras = {}

local need = check.need

--- What a weight is called, from the last part of its name: "conv2d_1/kernel_1:0" is a "kernel". The second result is its role, such as
--- "kernel", or nil where the name tells none, such as "uniform7".
local function ending(name)
  local last = last_part(name, "/"):gsub(":%d+$", "")
  local role = names.roles[names.counted(last)]
  return role or last, role
end

--- The text of an entry in an archive; nil and the reason where there is none or it is longer than `longest` bytes. Raises where it cannot be
--- read.
local function text_in(archive, name, longest)
  local entry = archive:entries()[name]
  if not entry then return nil, "the archive has none" end
  if entry.bytes == 0 then return nil, "it is empty" end
  if entry.bytes > longest then return nil, ("its %d bytes are too many"):format(entry.bytes) end
  return need(archive:read(name, 0, entry.bytes)):bytes():sub(1, entry.bytes)
end

--- The text of an attribute of an .h5 file; nil where there is none, and the reason where it is damaged.
local function text_at(file, name, longest)
  if not need(file:has("/", name)) then return end
  local text = need(file:attribute("/", name))
  if type(text) ~= "string" then return nil, "it is a list" end
  if #text > longest then return nil, ("its %d bytes are too many"):format(#text) end
  return text
end

---@class scion.KerasFile an open file, to be closed
---@field path string
---@field file userdata of core.hdf5_open: the weights
---@field config scion.KerasConfig? the model's description
---@field subclassed string? the class of a model whose description does not tell its layers
---@field damaged string? why the description cannot be read, in words; nil: it can, or a file of weights alone has none
---@field older boolean whether Keras 1 or 2 wrote it

local closable = { __close = function(opened) opened.file:close() end }

--- Opens a Keras file. Its numbers can be read until it is closed.
---@param path string
---@return scion.KerasFile? opened nil when the file is missing or is no HDF5 file
---@return string? message names the file
function keras.open(path)
  local longest = keras_config.longest(lfs.attributes(path, "size") or 0)
  local function opened(file, name, description, problem, version)
    local self = setmetatable({ path = path, file = file, older = type(version) == "string" and version:find "^[12]%." ~= nil }, closable)
    if description then self.config, self.subclassed, problem = keras_config.read(description) end
    self.damaged = problem and ("its description (%s) cannot be read: %s"):format(name, problem)
    return self
  end
  local head, unreadable = core.read_head(path, 4)
  if not head then return nil, unreadable end
  if head ~= "PK\3\4" then
    local file, message = core.hdf5_open(path)
    if not file then return nil, message end
    local read, text, problem = check.try(text_at, file, "model_config", longest)
    local version = file:has("/", "keras_version") and file:attribute("/", "keras_version")
    return opened(file, "model_config", read and text or nil, read and problem or not read and text:sub(#path + 3) or nil, version)
  end
  local archive <close>, message = core.zip_open(path)
  if not archive then return nil, message end
  local copy <close>, trouble = io.tmpfile() -- libhdf5 cannot read from archives; tmpfile leaves nothing behind
  if not copy then return nil, ("%s: cannot be unpacked: %s"):format(path, trouble) end
  local copied, reason = archive:copy("model.weights.h5", copy)
  if not copied then return nil, reason end
  local read, metadata, description, lacking = check.try(function()
    return core.json_decode(text_in(archive, "metadata.json", longest) or "") or {}, text_in(archive, "config.json", longest)
  end)
  if not read then return nil, metadata end
  local file, problem = core.hdf5_open(path, copy)
  if not file then return nil, problem end
  return opened(file, "config.json", description, lacking, type(metadata) == "table" and metadata.keras_version)
end

--- Lists the layers of a file that have weights, in the file's order.
---@param path string
---@return scion.KerasLayer[]? layers nil when the file is missing, damaged or has no layout of Keras's
---@return string? message names the file
function keras.read(path)
  local opened <close>, message = keras.open(check.argument("scion.weights.keras.read", "its argument", path, check.path))
  if not opened then return nil, message end
  local ok, contents = check.try(keras_layers.read, opened.file, path, opened.config)
  if ok then return contents.layers end
  return nil, contents
end

-- ---- comparing ------------------------------------------------------------------------------------------------------

local most_described = 8 -- weights of a layer in a message: Keras's layers have fewer, but a damaged file may list any number

--- Weights in words: "2 weights (kernel 3x3x3x32, bias 32)".
local function describe(weights)
  local parts = {}
  for i = 1, math.min(#weights, most_described) do
    parts[i] = ending(weights[i].name) .. " " .. array.shape_text(weights[i].shape or weights[i].tensor:shape())
  end
  return ("%d weight%s (%s%s)"):format(#weights, #weights == 1 and "" or "s", table.concat(parts, ", "), #weights > most_described and ", …" or "")
end

--- Whether the shape in the file is our kernel's, [kh, kw, in, out], in Theano's order, [out, in, kh, kw], and not in ours.
local function in_theano_order(shape, ours)
  return #shape == 4 and #ours == 4 and array.shape_text(shape) == array.shape_text { ours[4], ours[3], ours[1], ours[2] }
    and array.shape_text(shape) ~= array.shape_text(ours)
end

--- Why a layer of the file cannot be read (quantized weights, or LoRA's that do not fit); nil if it can.
local function foreign_weight(theirs)
  if theirs.lora then return require("scion.weights.keras_lora").misfit(theirs) end
  for _, weight in ipairs(theirs.weights) do
    if weight.whole and #weight.shape > 0 then
      return ("layer '%s' holds integers, as quantized weights are; save the model in Keras before it is quantized"):format(theirs.name)
    end
  end
end

--- Why the file's layer does not fit ours; nil if it does.
local function misfit(theirs, ours)
  local foreign = foreign_weight(theirs)
  if foreign then return foreign end
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

-- ---- pairing --------------------------------------------------------------------------------------------------------

--- What the file's description says of each of our layers, where they are called by their paths there and some are in an inner model, as
--- in a model that was built from such a file. nil for any other model.
local function described_by_paths(config, ours)
  local of, found, inner = {}, {}, false
  for _, leaf in ipairs(keras_config.leaves(config)) do of[leaf.path] = of[leaf.path] == nil and leaf end
  for _, layer in ipairs(ours) do
    local leaf = of[layer.name]
    if not leaf then return nil end
    found[layer], inner = leaf.layer, inner or leaf.top ~= leaf.layer
  end
  return inner and found or nil
end

--- Pairs our layers with the file's as its description tells. nil where that leaves one of ours alone.
local function by_description(contents, ours, described)
  local partners = {}
  for _, mine in ipairs(ours) do
    local layer = contents.described[described[mine]]
    if not layer or partners[layer] then return end
    partners[layer], partners[mine] = mine, layer
  end
  return partners
end

--- The name of a layer of the file among ours: as it stands, with "_" in place of "/", as ours are written in Keras's files, or without the inner
--- model that it is in.
local function name_among(ours, name)
  local written = name:gsub("/", "_")
  return ours[name] and name or ours[written] and written or last_part(name, "/")
end

--- Pairs layers of the file with ours by name. Automatic names such as conv2d_7 prove nothing, since any model has them: they count only
--- where all names are the model's. Of the other names more than half must be the model's, or none counts.
---@return table<scion.KerasLayer|scion.Layer, scion.Layer|scion.KerasLayer> partners from each layer to its partner, in both directions
---@return boolean all whether all names agree
local function by_names(theirs, ours)
  local publisher_name, our_names, plain, partners = require("scion.models.builder").publisher_name, {}, {}, {}
  local given, found = 0, 0
  local is_ours = {}
  for i, layer in ipairs(ours) do
    our_names[i] = publisher_name(layer, "keras")
    is_ours[our_names[i]] = true
  end
  for i, layer in ipairs(theirs) do plain[i] = { name = name_among(is_ours, layer.name) } end
  local indices, known = match.indices(plain, our_names)
  local all = known == #theirs and known == #ours
  for i, layer in ipairs(theirs) do
    local mine = ours[indices[i]]
    local counts = all or not names.automatic(plain[i].name)
    given = given + (counts and 1 or 0)
    if mine and counts then partners[layer], partners[mine], found = mine, layer, found + 1 end
  end
  if 2 * found <= given then partners = {} end
  return partners, all
end

--- Whether a layer of the file may be what a classifier computes with: dense, or a 1x1 convolution with a bias.
local function is_linear(layer)
  local kernel, bias = layer.weights[1], layer.weights[2]
  if #layer.weights > 2 or (bias and #bias.shape ~= 1) then return false end
  return #kernel.shape == 2 or (#kernel.shape == 4 and bias ~= nil and kernel.shape[1] * kernel.shape[2] == 1)
end

--- Whether a layer of the file may belong to a classifier: linear, or a norm, as many have before their dense layers.
local function is_top(layer)
  if is_linear(layer) then return true end
  for _, weight in ipairs(layer.weights) do
    if #weight.shape ~= 1 or weight.shape[1] ~= layer.weights[1].shape[1] then return false end
  end
  return #layer.weights <= 4
end

--- Pairs the file's layers that have no partner yet with ours, by order. After pairing by name this is done only if the file has at least
--- as many left as the model, and what is left over at its end may be a classifier. Returns the file's layers that stay without a partner.
local function pair_up(theirs, ours, partners)
  local rest, left = { theirs = {}, ours = {} }, {}
  for _, layer in ipairs(theirs) do
    if not partners[layer] then table.insert(rest.theirs, layer) end
  end
  for _, layer in ipairs(ours) do
    if not partners[layer] then table.insert(rest.ours, layer) end
  end
  local in_order = next(partners) == nil or #rest.theirs >= #rest.ours
  if next(partners) ~= nil then
    for i = #rest.ours + 1, #rest.theirs do in_order = in_order and is_top(rest.theirs[i]) end
  end
  for i, layer in ipairs(rest.theirs) do
    local mine = in_order and rest.ours[i]
    if mine then partners[layer], partners[mine] = mine, layer else left[#left + 1] = layer end
  end
  return left
end

--- Whether the file's layers without a partner are a classifier that the model was built without.
local function is_left_top(left, ours, found)
  if #found.missing > 0 or #found.misfits > 0 or #ours == 0 or ours[#ours].kind == "dense" then return false end
  local linear = #left == 0
  for _, layer in ipairs(left) do
    if not is_top(layer) then return false end
    linear = linear or is_linear(layer)
  end
  return linear
end

--- The shapes of a layer's weights in the file and in the model, for the report; nil where they are not as many.
local function sizes_of(theirs, ours, last)
  if #theirs.weights ~= #ours.parameters or foreign_weight(theirs) then return end
  local shapes = {}
  for i, weight in ipairs(theirs.weights) do shapes[i] = { weight.shape, ours.parameters[i].tensor:shape() } end
  return { shapes = shapes, last = last }
end

--- Compares the layers. Returns the report, and the pairs that fit: { { theirs, ours }, … }.
local function compare(path, theirs, ours, partners)
  local total, fitting = 0, {}
  for _, layer in ipairs(ours) do total = total + #layer.parameters end
  local found = report.new(path, total, "layers")
  local left = pair_up(theirs, ours, partners)
  for _, mine in ipairs(ours) do
    local layer = partners[mine]
    local reason = layer and misfit(layer, mine)
    if not layer then
      table.insert(found.missing, mine.name)
    elseif reason then
      table.insert(found.misfits, { name = mine.name, file = describe(layer.weights), model = describe(mine.parameters), reason = reason })
      found.sizes[#found.sizes + 1] = sizes_of(layer, mine, mine == ours[#ours])
    else
      table.insert(fitting, { layer, mine })
      found.loaded = found.loaded + #layer.weights
    end
  end
  local list = is_left_top(left, ours, found) and found.unused or found.unexpected
  found.headless = #found.missing == 1 and found.missing[1] == ours[#ours].name and ours[#ours].kind == "dense"
  for _, layer in ipairs(left) do
    found.inner = found.inner or not is_top(layer)
    local bias = layer.weights[2]
    list[#list + 1] = layer.name
    if bias and #bias.shape == 1 and classifier.is_kernel(layer.weights[1].shape) then found.classes = bias.shape[1] end -- the last such bias is the classifier's
  end
  if #theirs ~= #ours then found.counts = (" (the file has %d layers with weights, the model %d)"):format(#theirs, #ours) end
  return found, fitting
end

-- ---- loading --------------------------------------------------------------------------------------------------------

--- Reads a kernel whose axes are in Theano's order, or that is mirrored: Theano convolves with the kernel flipped, which negative strides
--- from its last row and column undo.
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

--- Reads the weights of one layer. `theano`: the file was written by Keras on Theano.
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
  if theirs.lora then require("scion.weights.keras_lora").add(file, theirs.lora, ours.parameters[1].tensor) end
end

--- Notes in the report what was assumed of LoRA's matrices, of which the description alone tells alpha.
local function note_lora(found, fitting)
  for _, pair in ipairs(fitting) do
    local lora = pair[1].lora
    if lora and not lora.alpha then
      return found:note(("LoRA's matrices, as those of layer '%s', are added to the kernels with alpha = rank, which was assumed"):format(pair[1].name))
    end
  end
end

--- Two pairs of layers, one paired by name and one by order, that stand in another order in the file and would fit crossed as well. nil where
--- there are none.
---@param ranks table<scion.KerasLayer, integer> the file's order
---@param fitting table[] in our order
---@param named table<scion.KerasLayer, boolean> the layers that were paired by name
---@return table? by_name
---@return table? by_order
---@return string? where the latter stands in the file, seen from the former: "before"
local function crossed(ranks, fitting, named)
  for i, first in ipairs(fitting) do
    for j = i + 1, #fitting do
      local second = fitting[j]
      local differ = named[first[1]] ~= named[second[1]] and ranks[first[1]] > ranks[second[1]]
      if differ and not misfit(first[1], second[2]) and not misfit(second[1], first[2]) then
        if named[first[1]] then return first, second, "before" end
        return second, first, "behind"
      end
    end
  end
end

--- Notes in the report the first two layers of equal shape whose pairing by name and by order does not keep the file's order.
local function note_crossed(found, theirs, fitting, named)
  local ranks, count = {}, 0
  for i, layer in ipairs(theirs) do ranks[layer] = i end
  for _, pair in ipairs(fitting) do count = count + (named[pair[1]] and 1 or 0) end
  if count == 0 or count == #fitting then return end -- one rule alone
  local by_name, by_order, side = crossed(ranks, fitting, named)
  if not by_name then return end
  local sentence = "the file has layer '%s' %s '%s', but here %s comes %s %s, into which '%s' was loaded: names decide first, and then the order; give the " ..
    "model's layers the file's names where that is wrong"
  found:note(sentence:format(by_order[1].name, side, by_name[1].name, by_name[2].name, side, by_order[2].name, by_order[1].name))
end

--- What the file's description says of the layers that are read, each with our layer: { { scion.KerasConfig, ours }, … }.
local function described_pairs(contents, fitting)
  local of, pairs_of = {}, {}
  for described, theirs in pairs(contents.described) do
    if theirs then of[theirs] = described end
  end
  for _, pair in ipairs(fitting) do
    if of[pair[1]] then pairs_of[#pairs_of + 1] = { of[pair[1]], pair[2] } end
  end
  return pairs_of
end

--- All arrays of a file, each with the name of its layer.
local function arrays_of(theirs)
  local arrays = {}
  for _, layer in ipairs(theirs) do
    for _, weight in ipairs(layer.weights) do arrays[#arrays + 1] = { name = layer.name, shape = weight.shape } end
  end
  return arrays
end

local ambiguous_order = ": its layers fit in more than one order, which it does not tell; give the model's layers the names of the file's"

--- What is said where a description is damaged, which may tell that the network computes something else.
local damaged = "%s, and so it cannot be told whether this network computes what the file's does; copy or download the file again%s"

--- keras.load with an open file and our layers that have weights. Also raises messages.
local function load(opened, layers, strict, model, described)
  local file, path, config = opened.file, opened.path, opened.config
  local contents = keras_layers.read(file, path, config)
  described = described or config and described_by_paths(config, layers)
  local partners, all = described and by_description(contents, layers, described), true
  if not partners then partners, all = by_names(contents.layers, layers) end
  local function fits(theirs, ours)
    if (partners[theirs] or ours) ~= ours or (partners[ours] or theirs) ~= theirs then return false end
    return #theirs.weights == #ours.parameters and not misfit(theirs, ours)
  end
  local theirs, ambiguous = contents.layers, false
  if not all then theirs, ambiguous = contents.arrange(layers, fits, is_top) end
  if ambiguous then check.raise(path .. ambiguous_order) end
  local named = {}
  for _, layer in ipairs(theirs) do named[layer] = partners[layer] ~= nil end
  local found, fitting = compare(path, theirs, layers, partners)
  for _, name in ipairs(contents.states) do found:add_state(name) end
  if model and (not found:complete() or config and found:lacks_head()) then
    found.own = require("scion.weights.keras_front").built_without(model, keras.rescalings(opened)) or keras_own.remedy(opened, model)
  end
  local refusal = found:refusal(strict)
  if refusal then return nil, path .. ": " .. refusal, arrays_of(theirs) end
  if opened.damaged and model and strict then check.raise(("%s: %s"):format(path, damaged:format(opened.damaged, ", or load its weights with strict = false"))) end
  if config and model then
    require("scion.weights.keras_front").compare(found, opened, model, strict, described_pairs(contents, fitting))
  elseif model then
    require("scion.weights.keras_front").compare_count(found, function() return keras_layers.rescalings(file) end, model, strict)
  end
  if opened.damaged then found:note(damaged:format(opened.damaged, "")) end
  note_lora(found, fitting)
  note_crossed(found, theirs, fitting, named)
  local read, tensors = {}, {}
  for _, pair in ipairs(fitting) do
    for i, p in ipairs(pair[2].parameters) do
      read[#read + 1], tensors[#tensors + 1] = { name = pair[1].weights[i].name, tensor = p.tensor, variance = p.name == "moving_variance" }, p.tensor
    end
  end
  all_or_none(tensors, function()
    for _, pair in ipairs(fitting) do read_pair(file, pair[1], pair[2], contents.theano) end
    return true
  end)
  found:note_numbers(read)
  found:tell()
  return found
end

--- Reads a file's weights into a model's tensors. Layers are matched by name where most names in the file are the model's, and the rest in
--- order. Otherwise the file's first layer with weights goes into the model's first, and so on. A classifier that the model was built
--- without is ignored. All names, counts and shapes are compared before a tensor changes; where the numbers cannot be read, all tensors are as
--- they were. With strict = false what fits is read.
---@param opened scion.KerasFile
---@param layers scion.Layer[] in Keras's order, each with its parameters in Keras's order; layers without parameters are skipped
---@param strict boolean
---@param model scion.Model? whose layers they are: how it rescales images and its last activation are compared with the file's description
---@param described table<scion.Layer, scion.KerasConfig>? what the file's description says of each layer, if they were built from it
---@return scion.WeightsReport? report
---@return string? message names the file and the first layer that does not fit, with both shapes
---@return { name: string, shape: integer[] }[]? arrays of the file, with the names of their layers, where they do not fit the model
function keras.load(opened, layers, strict, model, described)
  local ours = {}
  for _, layer in ipairs(layers) do
    if #layer.parameters > 0 then ours[#ours + 1] = layer end
  end
  local function ended(ok, found, ...)
    if not ok then return nil, found end
    return found, ...
  end
  return ended(check.try(load, opened, ours, strict, model, described))
end

--- How many Rescaling layers the network of a file has; nil where the file does not tell.
---@param opened scion.KerasFile
---@return integer?
function keras.rescalings(opened)
  if opened.config then return keras_config.rescalings(opened.config) end
  local ok, count = check.try(keras_layers.rescalings, opened.file)
  return ok and count or nil
end

--- The shape of the first weight of the layer of that name; nil where the file has no such layer.
---@param opened scion.KerasFile
---@param name string
---@return integer[]?
function keras.kernel_shape(opened, name)
  local ok, contents = check.try(keras_layers.read, opened.file, opened.path, opened.config)
  for _, layer in ipairs(ok and contents.layers or {}) do
    if last_part(layer.name, "/") == name then return layer.weights[1].shape end
  end
end

return keras
