--- From the description of a Keras model to a graph: Functional and Sequential models, and those that hold others as layers. A layer of an
--- inner model is named inner/layer.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local keras_config = require "scion.weights.keras_config"
local layers = require "scion.models.from_keras.layers"
local nn = require "scion.nn"
local preprocessing = require "scion.preprocessing"

local most_depth = 16 -- models within models

---@class scion.KerasGraph
---@field older boolean whether the file is of Keras 1 or 2
---@field compares boolean whether the graph is compared with another and never computed, so that stand_in.lua may stand for what Scion lacks
---@field lacking string[] sentences about what is stood in for
---@field fixed boolean whether the file tells the size of its images
---@field input scion.Node
---@field weighted scion.Layer[] the layers with weights, in the order of the description
---@field described table<scion.Layer, scion.KerasConfig> what the file says of them
---@field holds table<scion.KerasConfig, boolean> which of the file's layers have weights
---@field left_out string[] layers and options that do nothing in a prediction: "random_flip (RandomFlip)", "kernel_regularizer of Conv2D"
---@field unknown string[] options that are not known here, each once: "foo of Conv2D"
---@field used table<string, boolean> names that are taken
---@field reversed scion.Node? the layer behind the input that stands for a reversal of the channels
local methods = {}

--- A layer in words: "layer 'conv' (Conv2D)".
local function title(described) return ("layer %s (%s)"):format(check.show(described.name), check.escape(described.class)) end

--- Adds a layer that has weights; raises where it is the second with the same.
---@param layer scion.Layer
---@param described scion.KerasConfig
function methods:add_weights(layer, described)
  table.insert(self.weighted, layer)
  self.described[layer] = described
  if self.holds[described] then check.raise "it is used twice with the same weights, and a layer stands once in a graph here" end
  self.holds[described] = true
end

--- Notes a layer that is left out.
---@param described scion.KerasConfig
function methods:leave_out(described) table.insert(self.left_out, ("%s (%s)"):format(described.name, described.class)) end

--- Notes an option that is passed over, once for a class.
---@param described scion.KerasConfig
---@param name string
---@param trains boolean whether it acts in training alone; otherwise it is not known
function methods:note_option(described, name, trains)
  local option, list = ("%s of %s"):format(name, described.class), trains and self.left_out or self.unknown
  if list[option] then return end
  list[#list + 1], list[option] = option, true
end

--- Reverses the channels of the input: the input's preprocessing does it.
---@param at scion.KerasLayerBuilder
---@param x scion.Node
---@return scion.Node
function methods:reverse(at, x)
  if x ~= self.input or self.reversed or x.shape[3] ~= 3 then check.raise "channels can be reversed of the model's input of three channels only, and once" end
  self.reversed = at:apply(nn.rescaling, { scale = 1.0 }, x)
  return self.reversed
end

local defined = class.define { name = "scion.KerasGraph", title = "a graph of Keras's", methods = methods, fields = { "reversed", "input" },
                               locked = { "older", "compares", "lacking", "fixed", "weighted", "described", "holds", "left_out", "unknown", "used" } }

--- Why a class is not known, and what to do.
local function unknown_class(described)
  local own = described.class == "Lambda" and "holds Python code, which nothing here runs; in Keras, put layers such as Rescaling in its place" or
    "is not known here; in Keras, put known layers in its place"
  return ("%s %s, or save the part of the model before it: keras.Model(model.input, model.get_layer(NAME).output).save('part.keras')"):format(title(described), own)
end

--- Whether a class is Keras's own, as far as the file tells where it is defined.
local function is_kerass(described)
  local module = described.module
  return type(module) ~= "string" or module:find "^keras" or module:find "^tf_keras" or module:find "^tensorflow" or module == "builtins"
end

local build_model -- below

--- A name for a layer: the one in the file, within that of its model, and with a number where it is taken.
local function free_name(graph, described, within)
  local name = within .. described.name
  local free, count = name, 1
  while graph.used[free] do
    count = count + 1
    free = ("%s_%d"):format(name, count)
  end
  graph.used[free] = true
  return free
end

--- One call of a layer or inner model, as the node of its output.
local function apply(graph, described, inputs, state)
  local frozen = state.frozen or described.config.trainable == false
  if described.layers then
    if #inputs ~= 1 or not layers.is_node(inputs[1]) then check.raise(title(described) .. " is a model with several inputs or none; models here have one") end
    return build_model(graph, described, inputs[1], { within = state.within .. described.name .. "/", depth = state.depth + 1, frozen = frozen })
  end
  local known = layers.knows(described.class) or graph.compares and layers.keeps_shape(described.class)
  if not known or not is_kerass(described) then check.raise(unknown_class(described)) end
  local ok, result = check.try(layers.build, graph, described, free_name(graph, described, state.within), inputs, frozen)
  if not ok then check.raise(("%s: %s"):format(title(described), result)) end
  return result
end

--- The layers that a list such as output_layers names: { "out", 0, 0 }, or several of these, or a table of them by name.
local function references(value)
  if type(value) ~= "table" then return {} end
  if type(value[1]) == "string" then return { { layer = value[1], call = value[2], output = value[3] } } end
  local list = {}
  for _, each in pairs(value) do
    for _, reference in ipairs(type(each) == "table" and references(each) or {}) do list[#list + 1] = reference end
  end
  return list
end

--- Raises unless a model has exactly one input or output; gives its layer's name.
local function only_one(model, key, what)
  local list = references(model.config[key])
  if #list == 1 then return list[1] end
  local remedy = what == "output" and "; in Keras, keras.Model(model.input, model.outputs[0]).save('one.keras') saves the part with the first" or ""
  check.raise(("model %s has %d %ss, and models here have one%s"):format(check.show(model.name), #list, what, remedy))
end

--- Where the value of a reference is kept: its layer's record and the number of the call.
local function place_of(records, reference, described)
  local known = type(reference.layer) == "string" and records[reference.layer]
  if not known then check.raise(("%s takes the output of %s, which the file does not describe"):format(title(described), check.show(reference.layer))) end
  if reference.output ~= 0 then check.raise(("%s takes output %s of a layer, and layers here have one"):format(title(described), check.show(reference.output))) end
  -- Keras counts the calls of an inner model from 1 or from 0, and there is only one
  local call = known.described.layers and 1 or (math.tointeger(reference.call) or -1) + 1
  if call < 1 or call > #known.calls then
    check.raise(("%s takes the output of call %s of %s, which the file does not describe"):format(title(described), check.show(reference.call), check.show(reference.layer)))
  end
  return known, call
end

--- Describes each layer of a model once: { described =, calls =, values = outputs of the calls that were built }.
local function read_layers(model, x)
  local records, input = {}, only_one(model, "input_layers", "input").layer
  for _, described in ipairs(model.layers) do
    local record = { described = described, calls = keras_config.calls(described), values = {}, running = {} }
    if not described.name then check.raise(("a layer (%s) has no name"):format(check.escape(described.class))) end
    if records[described.name] then check.raise(("two layers are named %s"):format(check.show(described.name))) end
    if described.class == "InputLayer" then
      if described.name ~= input then check.raise(("model %s has a second input, %s"):format(check.show(model.name), check.show(described.name))) end
      record.calls, record.values = { { inputs = {} } }, { x }
    end
    if #record.calls == 0 then check.raise(title(described) .. " has no inputs in the file") end
    if #record.calls > 1 and described.layers then check.raise(title(described) .. " is used twice, and a model stands once in a graph here") end
    records[described.name] = record
  end
  return records
end

--- Builds a call of a layer, and before it, on a stack, what it depends on: a layer that is used twice is listed before its second input.
local function build_call(graph, records, state, record, call)
  local stack = { { record, call } }
  while #stack > 0 do
    local top, number = table.unpack(stack[#stack])
    local inputs, wanted = {}, nil
    for k, reference in ipairs(top.values[number] and {} or top.calls[number].inputs) do
      local other, its = place_of(records, reference, top.described)
      inputs[k] = other.values[its]
      if not inputs[k] then wanted = { other, its } break end
    end
    if wanted then
      top.running[number] = true
      if wanted[1].running[wanted[2]] then check.raise(title(wanted[1].described) .. " depends on its own output") end
      stack[#stack + 1] = wanted
    else
      top.values[number] = top.values[number] or apply(graph, top.described, inputs, state)
      stack[#stack] = nil
    end
  end
end

local function functional(graph, model, x, state)
  local records = read_layers(model, x)
  for _, described in ipairs(model.layers) do
    local record = records[described.name]
    for call = 1, #record.calls do build_call(graph, records, state, record, call) end
  end
  local output, call = place_of(records, only_one(model, "output_layers", "output"), model)
  return output.values[call]
end

local function sequential(graph, model, x, state)
  for i, described in ipairs(model.layers) do
    if described.class ~= "InputLayer" then
      if not described.name then check.raise(("a layer (%s) has no name"):format(check.escape(described.class))) end
      x = apply(graph, described, { x }, state)
    elseif i > 1 then
      check.raise(title(described) .. " stands within a chain of layers")
    end
  end
  return x
end

local kinds = { Functional = functional, Model = functional, Sequential = sequential }

--- How a model is built; raises where its class is not one of Keras's own.
local function builder_of(model)
  local build = is_kerass(model) and kinds[model.class]
  local sentence = "model %s is of the class %s, whose Python code tells what it computes; write it with keras.Model(inputs, outputs), or build it here and take " ..
    "the weights by model:load_weights"
  return build or check.raise(sentence:format(check.show(model.name), check.show(model.class)))
end

--- A model within another, or the outermost, as the node of its output. state: `within`, what stands before its layers' names; `depth`;
--- `frozen`, whether a model around it is.
function build_model(graph, model, x, state)
  if state.depth > most_depth then check.raise(("its models lie more than %d deep in each other"):format(most_depth)) end
  return builder_of(model)(graph, model, x, state)
end

-- ---- the input ------------------------------------------------------------------------------------------------------

--- The shape of a model's input as the file has it, with the batch; nil where it tells none.
local function input_shape(model, depth)
  local first = model.layers[1]
  local named = builder_of(model) == functional and only_one(model, "input_layers", "input").layer
  for _, described in ipairs(named and model.layers or {}) do
    if described.name == named then first = described end
  end
  if not first or depth > most_depth then return end
  local own = first.config.batch_shape or first.config.batch_input_shape
  if type(own) == "table" then return own end
  if first.layers and not named then return input_shape(first, depth + 1) end
  return model.config.build_input_shape
end

--- The sizes of the input: those of the file, and the option `input` where it leaves height and width open.
local function sizes_of(root, given)
  local told = input_shape(root, 1)
  if type(told) ~= "table" or #told < 2 then check.raise "the file does not tell the shape of the model's input; in Keras, begin with keras.Input and save it again" end
  if #told ~= 4 then check.raise(("its input has %d dimension%s, and images have height, width and channels"):format(#told - 1, #told == 2 and "" or "s")) end
  local sizes = { told[2], told[3], told[4] }
  if math.type(sizes[3]) == "integer" and sizes[3] ~= 1 and sizes[3] ~= 3 then
    for _, leaf in ipairs(keras_config.leaves(root)) do
      if leaf.layer.config.data_format == "channels_first" then
        check.raise "data_format is channels_first, and images here have their channels last; build it so in Keras and copy the weights"
      end
    end
    check.raise(("its input has %d channels, and images have 1 or 3"):format(sizes[3]))
  end
  for i = 1, 2 do
    if sizes[i] == core.null then
      if not given then check.raise "its input is of any height and width: say which by input = 224, or input = { height, width }" end
      sizes[i] = given[i]
    elseif given and sizes[i] ~= given[i] then
      check.raise(("its input is of %sx%s pixels, not %dx%d; leave the option input out"):format(tostring(told[2]), tostring(told[3]), given[1], given[2]))
    end
  end
  return sizes
end

--- The preprocessing of the input, with its channels reversed once more.
local function reversed(by)
  local function turned(list) return { list[3], list[2], list[1] } end
  return { scale = turned(by.scale), shift = turned(by.shift), reverse = not by.reverse }
end

--- Builds the graph that a file describes. Raises, without the path, where that is not possible.
---@param root scion.KerasConfig
---@param o { input: integer[]?, sizes: integer[]?, preprocess: scion.Preprocessing, older: boolean } sizes: of an input other than the file's, for a
--- graph that is compared
---@return scion.Node output
---@return scion.KerasGraph graph
return function(root, o)
  local graph = defined.new { older = o.older, compares = o.sizes ~= nil, lacking = {}, fixed = not o.input, weighted = {}, described = {}, holds = {},
                              left_out = {}, unknown = {}, used = { input = true } }
  graph.input = nn.input { shape = o.sizes or sizes_of(root, o.input), preprocess = o.preprocess, name = "input" }
  local output = build_model(graph, root, graph.input, { within = "", depth = 1, frozen = root.config.trainable == false })
  if not layers.is_node(output) then check.raise "its output is a single channel of an image, which is not possible here" end
  if graph.reversed then
    local order = require("scion.graph").order(output)
    for _, node in ipairs(order) do
      if node ~= graph.reversed and node.inputs[1] == graph.input then check.raise "its input is used with reversed channels and without" end
    end
    graph.input.layer.options.preprocess = reversed(preprocessing.resolve(o.preprocess))
  end
  return output, graph
end
