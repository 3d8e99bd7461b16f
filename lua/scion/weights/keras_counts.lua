--- Compares a model with the description in a Keras file by counts: each activation and pooling, with how often, and by name what ours lacks. For
--- files whose graph cannot be built here, see keras_arithmetic.lua.
local keras_config = require "scion.weights.keras_config"
local keras_names = require "scion.weights.names.keras"
local layers = require "scion.layer"
local text = require "scion.report.text"

local size = require("scion.kinds").pair

--- A size for both axes as text, "2x2"; nil for anything else.
local function pair_text(value)
  if not size.read(value) then return end
  return ("%dx%d"):format(table.unpack(layers.pair(value)))
end

-- ---- layers without weights -----------------------------------------------------------------------------------------

--- Layers that are an activation.
local activations = {
  ReLU = function(config)
    local most, slope, threshold = config.max_value, config.negative_slope, config.threshold
    if type(threshold) == "number" and threshold ~= 0 then return "relu with a threshold" end
    local leaky = type(slope) == "number" and slope ~= 0
    if type(most) ~= "number" then return leaky and "leaky_relu" or "relu" end
    return most == 6 and not leaky and "relu6" or ("%s up to %.6g"):format(leaky and "leaky_relu" or "relu", most)
  end,
  LeakyReLU = function() return "leaky_relu" end,
  LeakyRelu = function() return "leaky_relu" end,
  Gelu = function(config) return config.approximate == false and "gelu" or "gelu_tanh" end,
  ELU = function() return "elu" end,
  Softmax = function() return "softmax" end,
  Maximum = function() return "relu" end, -- is computed with one here, see models/from_keras/layers.lua
  Minimum = function() return "relu" end,
}

--- Whether an activation of the file is one that no layer of ours computes.
local function is_foreign(name) return name:find "^relu with a threshold$" or name:find "^%a*_?relu up to " end

for class, name in pairs(keras_config.functional) do
  activations[class] = function() return name end
end

--- The activation that a layer of the file applies; nil for none.
local function their_activation(described, older)
  local class, value = described.class, described.config.activation
  if activations[class] then return activations[class](described.config) end
  if type(value) == "table" then
    local inner = value.config
    if activations[value.class_name] and type(inner) == "table" then return activations[value.class_name](inner) end
    value = type(inner) == "string" and inner or value.class_name
  end
  if type(value) ~= "string" or value == "linear" then return end
  if value == "hard_sigmoid" and older then return "Keras 2's hard_sigmoid" end
  return keras_config.activations[value] or value
end

--- Whether a node is scaled_add(slope * x, relu(x)), which stands for a leaky ReLU.
local function is_leaky(node)
  if node.layer.kind ~= "scaled_add" then return false end
  local line, bent = node.inputs[1], node.inputs[2]
  return line.layer.kind == "rescaling" and bent.layer.kind == "activation" and line.inputs[1] == bent.inputs[1]
end

--- The activation that a node applies, as their_activation names it; nil for none.
local function our_activation(node, bent)
  local name, input = node.layer.options.activation, node.inputs[1]
  if bent[node] then return "leaky_relu" end
  if name == "relu6" and input.layer.kind == "rescaling" and input.layer.options.scale == 1.2 then return "Keras 2's hard_sigmoid" end
  return name and name ~= "linear" and name or nil
end

local poolings = { MaxPooling2D = "max_pool", AveragePooling2D = "avg_pool", GlobalMaxPooling2D = "global_max_pool", GlobalAveragePooling2D = "global_avg_pool" }
local global = { max_pool = "global_max_pool", avg_pool = "global_avg_pool" }

--- A pooling as text, "max_pool 3x3 by 2x2". Average pooling of the last image was once written with its size, 7 or 8.
local function pooling_text(kind, kernel, stride)
  if not kernel then return kind end
  if layers.pair(kernel)[1] >= 7 then return global[kind] end
  return ("%s %s by %s"):format(kind, pair_text(kernel), pair_text(stride))
end

local function their_pooling(described)
  local kind, config = poolings[described.class], described.config
  if not kind or not global[kind] then return kind end
  local kernel = pair_text(config.pool_size) and config.pool_size or 2
  return pooling_text(kind, kernel, pair_text(config.strides) and config.strides or kernel)
end

local function our_pooling(node)
  local kind, window = node.layer.kind, node.layer.window
  if global[kind] then return pooling_text(kind, window.kernel, window.stride) end
  return kind:find "^global_" and kind or nil
end

--- What layers of the file are computed with here. A model without any of that kind lacks them.
local counterparts = { Subtract = "scaled_add", Average = "rescaling", UpSampling2D = "upsample", Concatenate = "concatenate", Lambda = "scaled_add" }

--- Whether the model has nothing that computes what a layer of the file does. A Lambda of two inputs is how InceptionResNetV2 once scaled
--- what it adds.
local function is_lacking(described, has, sizes)
  local class, config = described.class, described.config
  if class == "Resizing" or class == "RandomCrop" then return config.height ~= sizes[1] or config.width ~= sizes[2] end
  local call = keras_config.calls(described)[1]
  local counterpart = counterparts[class]
  if counterpart and call and #call.inputs > 1 or class == "UpSampling2D" then return not has[counterpart] end
  return not (keras_names.class_of[keras_config.snake_case(class)] or activations[class] or class == "InputLayer" or class:find "Dropout" or class:find "^Random" or
    require("scion.models.from_keras.layers").knows(class))
end

-- ---- counting -------------------------------------------------------------------------------------------------------

local function add(counts, key, n)
  if key and key ~= "linear" then counts[key] = (counts[key] or 0) + n end
end

--- How often a layer is called. The largest or smallest of several inputs is taken two by two.
local function times_called(described)
  local calls = keras_config.calls(described)
  if (described.class == "Maximum" or described.class == "Minimum") and calls[1] then return math.max(1, #calls[1].inputs - 1) end
  return math.max(1, #calls)
end

--- What the file's model applies: each activation and each pooling, with how often, and a list of the layers that ours lacks. `last`: the position of
--- the last layer whose weights are read. Poolings behind it belong to a head, and so may the others unless all of the file is read (`whole`).
local function count_theirs(leaves, last, whole, older, lacking)
  local counts = { activations = {}, poolings = {}, lacking = {} }
  for i, leaf in ipairs(leaves) do
    local described = leaf.layer
    local times = times_called(described) * (leaf.top ~= described and times_called(leaf.top) or 1)
    if i <= last or whole then
      add(counts.activations, their_activation(described, older), times)
      if lacking[described] then table.insert(counts.lacking, leaf) end
    end
    if i <= last then add(counts.poolings, their_pooling(described), times) end
  end
  return counts
end

--- The same of our model.
local function count_ours(order, last, whole)
  local counts, bent = { activations = {}, poolings = {} }, {}
  for _, node in ipairs(order) do
    if is_leaky(node) then bent[node.inputs[2]] = true end
  end
  for i, node in ipairs(order) do
    if i <= last or whole then add(counts.activations, our_activation(node, bent), 1) end
    if i <= last then add(counts.poolings, our_pooling(node), 1) end
  end
  return counts
end

--- Where a file writes hard_swish and hard_sigmoid as relu6(x + 3) / 6, the three cannot be told apart.
local function join_hard(counts, leaves)
  for _, leaf in ipairs(leaves) do
    local call = leaf.layer.class == "Add" and keras_config.calls(leaf.layer)[1]
    if call and call.constant == 3 then
      for _, list in ipairs(counts) do
        add(list, "relu6", (list.hard_swish or 0) + (list.hard_sigmoid or 0))
        list.hard_swish, list.hard_sigmoid = nil, nil
      end
      return
    end
  end
end

--- Adds a text for each kind that the two have in different numbers; if only parts of them are compared, for each that one of them lacks.
local function compare_counts(texts, theirs, ours, whole)
  local names = {}
  for name in pairs(theirs) do names[#names + 1] = name end
  for name in pairs(ours) do names[#names + 1] = not theirs[name] and name or nil end
  table.sort(names)
  for _, name in ipairs(names) do
    local a, b = theirs[name] or 0, ours[name] or 0
    if a ~= b and (whole or a == 0 or b == 0) then texts[#texts + 1] = ("the number of %s is %d, here %d"):format(name, a, b) end
  end
end

local most_named, most_letters = 4, 60 -- layers in a sentence, and letters of one: a forged file may have names of any length

--- A text for layers that ours lacks: "its layers 'permute' (Permute) and 'lambda' (Lambda) have no counterpart here". nil for none.
local function lacking_text(leaves)
  local parts, more = {}, #leaves - most_named
  for i = 1, math.min(#leaves, most_named) do
    parts[i] = ("'%s' (%s)"):format(text.cut(leaves[i].path, most_letters), text.cut(leaves[i].layer.class, most_letters))
  end
  if more > 0 then parts[#parts + 1] = ("%d more"):format(more) end
  local last = table.remove(parts)
  if #parts == 0 then return last and ("its layer %s has no counterpart here"):format(last) end
  return ("its layers %s and %s have no counterpart here"):format(table.concat(parts, ", "), last)
end

-- ---- all of it ------------------------------------------------------------------------------------------------------

--- Texts for what the two networks have in different numbers, and for what ours lacks.
---@param opened scion.KerasFile with a description
---@param model scion.Model
---@param weighted { [1]: scion.KerasConfig, [2]: scion.Layer }[] the layers whose weights are read into each other
---@param ends string[]? the activations that the two models end in, which are compared already; nil: they are not
---@param whole boolean whether all layers with weights have a partner
---@return string[]
---@return boolean foreign whether the file has an activation that no layer of ours computes
return function(opened, model, weighted, ends, whole)
  local leaves, ranks, positions, has, lacking = keras_config.leaves(opened.config), {}, {}, {}, {}
  for i, node in ipairs(model.order) do positions[node.layer], has[node.layer.kind] = i, true end
  for i, leaf in ipairs(leaves) do ranks[leaf.layer], lacking[leaf.layer] = i, is_lacking(leaf.layer, has, model.input.shape) end
  local last, our_last = 0, 0
  for _, pair in ipairs(weighted) do
    last, our_last = math.max(last, ranks[pair[1]]), math.max(our_last, positions[pair[2]])
    lacking[pair[1]] = false -- its class is compared with its partner's
  end
  local theirs, ours = count_theirs(leaves, last, whole, opened.older, lacking), count_ours(model.order, our_last, whole)
  for i, list in ipairs(ends and { theirs.activations, ours.activations } or {}) do
    if list[ends[i]] then add(list, ends[i], -1) end
  end
  join_hard({ theirs.activations, ours.activations }, leaves)
  local texts, foreign = {}, false
  for _, list in ipairs { "activations", "poolings" } do compare_counts(texts, theirs[list], ours[list], whole) end
  texts[#texts + 1] = lacking_text(theirs.lacking)
  for name in pairs(theirs.activations) do foreign = foreign or is_foreign(name) ~= nil end
  return texts, foreign
end
