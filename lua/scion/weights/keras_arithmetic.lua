--- Compares what a model computes with the description in a Keras file, where the same weights would fit another network: the options of layers
--- that have weights, and what each of them is computed from. For that the file's graph is built, without weights, and both are written as
--- terms. A graph that cannot be built here is compared by counts.
local graph = require "scion.graph"
local keras_config = require "scion.weights.keras_config"
local keras_names = require "scion.weights.names.keras"
local keras_counts = require "scion.weights.keras_counts"
local keras_own = require "scion.weights.keras_own"
local kinds = require "scion.kinds"
local layers = require "scion.layer"
local terms = require "scion.weights.terms"

-- ---- options --------------------------------------------------------------------------------------------------------

--- A size for both axes as text, "2x2"; nil for anything else.
local function pair_text(value)
  if not kinds.pair.read(value) then return end
  return ("%dx%d"):format(table.unpack(layers.pair(value)))
end

--- Calls differs(option, theirs, ours), with texts, for each option of a layer that is another one than ours.
local function compare_options(described, ours, differs)
  local config, window = described.config, ours.window
  local function compare(option, theirs, mine)
    if theirs and mine and theirs ~= mine then differs(option, theirs, mine) end
  end
  if keras_names.class_of[keras_config.snake_case(described.class)] ~= ours.kind then return differs("class", described.class, "nn." .. ours.kind) end
  local epsilon, mine = config.epsilon, ours.options.epsilon
  if type(epsilon) == "number" and mine and math.abs(epsilon - mine) > 1e-3 * mine then compare("epsilon", ("%.6g"):format(epsilon), ("%.6g"):format(mine)) end
  if math.type(config.groups) == "integer" then compare("groups", tostring(config.groups), ours.options.groups and tostring(ours.options.groups)) end
  if not window then return end
  compare("strides", pair_text(config.strides), pair_text(window.stride))
  compare("dilation_rate", pair_text(config.dilation_rate), pair_text(window.dilation))
end

--- Texts for options that differ; the same difference is told once, with how often it is found.
---@class scion.KerasDifferences
---@field texts table[] each with what, name and more
---@field of table<string, table>

local function add_difference(found, name, what)
  local text = found.of[what]
  if text then text.more = text.more + 1 return end
  found.of[what] = { what = what, name = name, more = 0 }
  found.texts[#found.texts + 1] = found.of[what]
end

--- " (and 2 more layers)"; "" for none.
local function more_text(count) return count == 0 and "" or (" (and %d more layer%s)"):format(count, count == 1 and "" or "s") end

local function texts_of(found)
  local texts = {}
  for i, text in ipairs(found.texts) do texts[i] = ("its layer '%s' has %s%s"):format(text.name, text.what, more_text(text.more)) end
  return texts
end

-- ---- graphs ---------------------------------------------------------------------------------------------------------

local function has_zero_pad(order)
  for _, node in ipairs(order) do
    if node.layer.kind == "zero_pad" then return true end
  end
  return false
end

--- Whether zeros around images can be compared: how many there are may depend on the size of the images, as in Keras's own networks.
local function frames_compare(opened, model, order)
  if not has_zero_pad(order) and not has_zero_pad(model.order) then return true end
  local shape, size = model.input.shape, keras_config.input_size(opened.config)
  return size ~= nil and size[1] == shape[1] and size[2] == shape[2]
end

--- What stands before a dropout at the end.
local function last_computed(node)
  while node.layer.kind == "dropout" do node = node.inputs[1] end
  return node
end

--- The term of a model's output without its last activation, if these are compared already; otherwise without poolings, which may be a head's.
local function end_of(output, values, bare, ends)
  if ends then return bare[last_computed(output)] end
  local x = values[output]
  while x and (x.pool or x.frame) do x = x.of[1] end
  return x
end

--- Adds the options and the terms in which the two graphs differ.
---@param found scion.KerasDifferences
---@param opened scion.KerasFile
---@param model scion.Model
---@param weighted table[]
---@param ends string[]?
---@param whole boolean
---@return string? text the first layer that is computed from something else
---@return boolean compared false where the file's graph cannot be built
---@return string? lacking what of it Scion has no layer for, in words
local function compare_graphs(found, opened, model, weighted, ends, whole)
  local output, of, lacking = keras_own.graph(opened, model)
  if not output then return nil, false end
  local order, numbers = graph.order(output), { {}, {} }
  for i, pair in ipairs(weighted) do
    if of[pair[1]] then numbers[1][of[pair[1]]], numbers[2][pair[2]] = i, i end
  end
  local all = terms(frames_compare(opened, model, order))
  local theirs, their_bare = all:of(order, numbers[1])
  local ours, our_bare = all:of(model.order, numbers[2])
  local first, more
  local function compare(a, b, begin)
    if not a or not b or a == b then return end
    more = more and more + 1 or 0
    if first then return end
    local x, y = all.smallest(a, b)
    local function their_name(pair) return weighted[pair][1].name or weighted[pair][2].name end
    local function our_name(pair) return weighted[pair][2].name end
    first = ("%s %s, here %s"):format(begin, all.text(x, their_name), all.text(y, our_name))
  end
  local function is_of(node, side) return node and (side == 1 and theirs or ours)[node.inputs[1]] end
  for _, pair in ipairs(weighted) do
    local layer = of[pair[1]]
    local a, b = layer and layer.node, pair[2].node
    local x, y = is_of(a, 1), is_of(b, 2)
    if x and y then
      local their_padding, our_padding
      x, their_padding = all:window(a, x)
      y, our_padding = all:window(b, y)
      if x == y and their_padding ~= our_padding and pair_text(a.layer.window.stride) == pair_text(b.layer.window.stride) then
        add_difference(found, pair[1].name or pair[2].name, ("padding %s, here %s"):format(their_padding, our_padding))
      end
      compare(x, y, ("its layer '%s' is computed from"):format(pair[1].name or pair[2].name))
    end
  end
  if whole then compare(end_of(output, theirs, their_bare, ends), end_of(model.output, ours, our_bare, ends), "it ends in") end
  return first and first .. more_text(more), true, lacking
end

-- ---- all of it ------------------------------------------------------------------------------------------------------

local most_told = 4 -- differences in the sentence

--- A sentence that the file's model computes something else with the same weights than ours, with a remedy; nil if no difference is seen.
---@param opened scion.KerasFile with a description
---@param model scion.Model
---@param weighted { [1]: scion.KerasConfig, [2]: scion.Layer }[] the layers whose weights are read into each other
---@param ends string[]? the activations that the two models end in, which are compared already; nil: they are not
---@param whole boolean whether all layers with weights have a partner
---@return string?
---@return boolean? certain whether the two graphs were compared, and not only numbers of layers, or the file has an activation that none of ours is
return function(opened, model, weighted, ends, whole)
  local found = { texts = {}, of = {} }
  for _, pair in ipairs(weighted) do
    local name = pair[1].name or pair[2].name
    compare_options(pair[1], pair[2], function(option, theirs, mine) add_difference(found, name, ("%s %s, here %s"):format(option, theirs, mine)) end)
  end
  local other, compared, lacking = compare_graphs(found, opened, model, weighted, ends, whole)
  local texts, counts, foreign = texts_of(found), {}, false
  texts[#texts + 1] = other
  if not compared then counts, foreign = keras_counts(opened, model, weighted, ends, whole) end
  table.move(counts, 1, #counts, #texts + 1, texts)
  if #texts == 0 then return end
  local told, rest = table.concat(texts, ", ", 1, math.min(#texts, most_told)), #texts - most_told
  if rest > 0 then told = ("%s and %d more difference%s"):format(told, rest, rest == 1 and "" or "s") end
  local remedy = lacking or compared and keras_own.builder(opened) or "scion.models.from_keras cannot build the file's own network"
  return ("the file's model computes something else with these weights: %s; %s"):format(told, remedy), compared or foreign
end
