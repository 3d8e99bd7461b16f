--- Models: a graph with an input and an output, what is frozen in it, and everything a user does with it.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local graph = require "scion.graph"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local losses = require "scion.ir.losses"
local plan = require "scion.plan"
local precision = require "scion.precision"
local results = require "scion.report.results"
local shape = require "scion.shape"

---@class scion.Model
---@field name string? of the architecture
---@field input scion.Node
---@field output scion.Node
---@field private order scion.Node[] in Keras's order
---@field labels string[]? names of the classes, from the data it was fitted on; may be set
---@field loss "categorical"|"binary"|"mse"|nil that was given to fit, where it does not follow from the last layer; may be set
---@field epoch integer how many epochs it was trained
---@field history scion.History of all fits
---@field variant "keras"|"torchvision"|"tf"|"timm"|nil whose form of an architecture it is
---@field precision "f32"|"bf16"|nil of inference and of what is frozen, where a call gives none; may be set; not saved, for it is the machine's affair
---@field private plans table[] compiled ones, the last used first
---@field private steps integer how many steps it was trained
---@field private arena scion.Tensor? the memory that plans work in
---@field private parts table<string, scion.Model>? whose outputs are features
local model, internal = {}, {}

local Model -- the class: it is made at the end, from these methods
local layer_name = { what = "the name of a layer or block", read = check.text.read }
local layer_glob = { what = "the name of a layer or block, or a pattern of names with * ? [ ]", read = check.text.read }

--- Plans that are kept for a model: training, validation, and what the last few freezes used.
local plans_kept = 4

-- ---- what users may set ---------------------------------------------------------------------------------------------

local counter = check.whole(0, 1 << 53)
local model_name = check.kind("a string of UTF-8", function(value) return check.text.read(value) and utf8.len(value) ~= nil, value end)

local class_names = check.distinct(check.list(check.text, nil, "a list of labels"), "has %s twice")

--- The labels of a model: as many as its output distinguishes classes. A softmax has an output for each; a single sigmoid tells two apart.
---@param self scion.Model
---@return scion.Kind
local function labels_kind(self)
  local activation, outputs = self.output.layer.options.activation, self.output.shape[#self.output.shape]
  local classes = activation == "softmax" and outputs or activation == "sigmoid" and (outputs == 1 and 2 or outputs) or nil
  return { what = class_names.what, read = function(value)
    local ok, labels, complaint = class_names.read(value)
    if ok and classes and #labels ~= classes then
      return false, nil, ("are %d, but the model has %d output%s (%s), which needs %d label%s"):format(#labels, outputs, outputs == 1 and "" or "s", activation, classes,
                                                                                                     classes == 1 and "" or "s")
    end
    return ok, labels, complaint
  end }
end

local function find_input(order)
  local inputs = {}
  for _, node in ipairs(order) do
    if node.layer.kind == "input" then inputs[#inputs + 1] = node end
  end
  if #inputs ~= 1 then check.raise(("a model has one input, not %d"):format(#inputs)) end
  return inputs[1]
end

local function make(given, from)
  local order = graph.order(given.output)
  local input = find_input(order)
  if given.input and given.input ~= input then check.raise "scion.model: 'output' does not depend on 'input'" end
  graph.name(order)
  return Model.new { name = given.name, input = input, output = given.output, order = order, epoch = 0, history = results.history {}, plans = {}, steps = 0,
                     precision = from and from.precision, variant = from and from.variant }
end

--- Makes a model: scion.model{ input = node, output = node }.
---@param given { input: scion.Node?, output: scion.Node, name: string? }
---@return scion.Model
local function new(given)
  return make(check.options("scion.model", given, { input = { layer.node }, output = { layer.node, required = true }, name = { model_name } }))
end

--- A chain of layers: scion.sequential{ nn.input(28, 28, 3), nn.conv2d(…), … }.
---@param layers table[]
---@return scion.Model
local function sequential(layers, ...)
  local where, first = "scion.sequential", "the first element is a node, such as nn.input(28, 28, 3)"
  if select("#", ...) > 0 then check.raise(where .. ": layers are one list, scion.sequential{ nn.input(28, 28, 3), … }") end
  if type(layers) ~= "table" or getmetatable(layers) ~= nil then
    check.raise(("%s: layers are a list that begins with nn.input(…), not %s"):format(where, check.show(layers)))
  end
  local node = layers[1]
  if not layer.node.read(node) then
    local remedy = Model.is(node) and "; to put layers onto a model, use model:graft{ … }" or ""
    check.raise(("%s: %s, %s%s"):format(where, first, node == nil and "and there is none" or "not " .. check.show(node), remedy))
  end
  local links = { function() return node end }
  for key, each in next, layers do links[key] = links[key] or each end
  return make { output = layer.apply(where, node, check.argument(where, "its argument", links, layer.chain)) }
end

-- ---- structure ------------------------------------------------------------------------------------------------------

--- A new model that ends in these layers, put onto this one. The layers are shared: what is frozen or trained in one is so in
--- the other.
---@param layers scion.Layer[] or blocks such as nn.squeeze_excite()
---@return scion.Model
function model:graft(layers)
  local list = check.argument("model:graft", "its argument", layers, layer.chain)
  if #list == 0 then check.raise "model:graft: the list of layers is empty" end
  return make({ output = layer.apply("model:graft", self.output, list), name = self.name }, self)
end

--- The sub-model that ends at a layer (at the last one of a block); layers are shared.
---@param name string
---@return scion.Model
function model:upto(name)
  local found = graph.find(self.order, check.argument("model:upto", "its argument", name, layer_name))
  return make({ output = self.order[found[#found]], name = self.name }, self)
end

local function count(parameters)
  local n = 0
  for _, p in ipairs(parameters) do n = n + shape.elements(p.tensor:shape()) end
  return n
end

local function describe(self, i)
  local node = self.order[i]
  local of, weights = node.layer, {}
  for _, p in ipairs(of.parameters) do weights[p.name] = p.tensor end
  return results.layer { index = i, name = of.name, kind = of.kind, shape = { table.unpack(node.shape) }, parameters = count(of.parameters),
                         trainable = count(of:trainable()), frozen = of.frozen, weights = weights }
end

--- Every layer in order.
---@return scion.LayerDescription[]
function model:layers()
  local list = {}
  for i = 1, #self.order do list[i] = describe(self, i) end
  return results.layers(list)
end

--- One layer, by its full name or its index from 1. Raises on one that does not exist, with the nearest names.
---@param which string|integer
---@return scion.LayerDescription
function model:layer(which)
  if type(which) == "number" then return describe(self, check.argument("model:layer", "the number", which, check.whole(1, #self.order))) end
  local found = graph.find(self.order, check.argument("model:layer", "its argument", which, layer_name))
  for _, i in ipairs(found) do
    if self.order[i].layer.name == which then return describe(self, i) end
  end
  check.raise(("'%s' is a block of %d layers; the first is %s"):format(which, #found, self.order[found[1]].layer.name))
end

-- ---- freezing -------------------------------------------------------------------------------------------------------

local function set(self, from, to, frozen)
  for i = from, to do self.order[i].layer.frozen = frozen end
end

--- The one option that is given, and its value.
local function one_option(where, given, schema)
  local names = {}
  for name in pairs(schema) do names[#names + 1] = name end
  table.sort(names)
  local bare = type(given) == "table" and rawget(given, 1) or given
  if type(bare) == "string" then
    check.raise(("%s: give the name by its option: { %s = %s } or { layers = %s }"):format(where, schema.upto and "upto" or "from", check.show(bare), check.show(bare)))
  end
  local checked = check.options(where, given, schema)
  local key, value = next(checked)
  if key == nil or next(checked, key) ~= nil then
    check.raise(("%s takes one of these options, not several or none: %s"):format(where, table.concat(names, ", ")))
  end
  return key, value
end

local function set_all(self, positions, frozen)
  for _, i in ipairs(positions) do self.order[i].layer.frozen = frozen end
end

--- Freezes layers; takes effect at the next step. Without options every layer. { first = N }: the first N layers, and everything
--- after them thawed; { upto = NAME }: those up to a layer or block, inclusive, likewise; { layers = GLOB } adds to what is frozen.
---@param given { first: integer?, upto: string?, layers: string? }?
---@return scion.Model self
function model:freeze(given)
  if given == nil then
    set(self, 1, #self.order, true)
    return self
  end
  local key, value = one_option("model:freeze", given, { first = { check.whole(0, #self.order) }, upto = { layer_name }, layers = { layer_glob } })
  if key == "layers" then
    set_all(self, graph.glob(self.order, value), true)
    return self
  end
  if key == "upto" then
    local found = graph.find(self.order, value)
    value = found[#found]
  end
  set(self, 1, value, true)
  set(self, value + 1, #self.order, false)
  return self
end

--- Thaws layers. Without options every layer; { from = NAME }: from a layer or block on, inclusive, and everything before it
--- frozen; { layers = GLOB } adds to what is thawed.
---@param given { from: string?, layers: string? }?
---@return scion.Model self
function model:thaw(given)
  if given == nil then
    set(self, 1, #self.order, false)
    return self
  end
  local key, value = one_option("model:thaw", given, { from = { layer_name }, layers = { layer_glob } })
  if key == "layers" then
    set_all(self, graph.glob(self.order, value), false)
    return self
  end
  local first = graph.find(self.order, value)[1]
  set(self, 1, first - 1, true)
  set(self, first, #self.order, false)
  return self
end

-- ---- plans ----------------------------------------------------------------------------------------------------------

--- One letter a layer: what a training plan depends on.
---@return string
function internal:freeze_state()
  local letters = {}
  for i, node in ipairs(self.order) do letters[i] = node.layer.frozen and "f" or "t" end
  return table.concat(letters)
end

--- The plan for a mode and at least that batch: a kept one, or a new one. Of the network below a node (`upto`), or of the one
--- above it (`from`), whose input is the node's value; else of all of it.
---@param request { mode: "train"|"infer", batch: integer, input_dtype: string, loss: string?, weighted: boolean?, precision: string?, upto: scion.Node?, from: scion.Node? }
---@return scion.Plan
function internal:plan_for(request)
  local in_use = precision.in_use(request.precision or self.precision)
  local preprocess = request.input_dtype == "u8" and self.input.layer.options.preprocess
  local state, upto, from = request.mode == "train" and self:freeze_state() or "", request.upto, request.from
  local key = table.concat({ request.mode, request.input_dtype, request.loss or "-", request.weighted and "w" or "-", in_use,
                             upto and "upto " .. upto.layer.name or from and "from " .. from.layer.name or "-", state }, " ")
  for i, kept in ipairs(self.plans) do
    if kept.key == key and kept.preprocess == preprocess and kept.plan.capacity >= request.batch then
      table.insert(self.plans, 1, table.remove(self.plans, i))
      return kept.plan
    end
  end
  local order = upto and graph.order(upto) or from and graph.from(self.order, from) or self.order
  local made = plan.compile { order = order, output = upto or self.output, from = from, mode = request.mode, capacity = request.batch,
                              input_dtype = request.input_dtype, precision = in_use, loss = request.loss, weighted = request.weighted }
  table.insert(self.plans, 1, { key = key, preprocess = preprocess, plan = made })
  self.plans[plans_kept + 1] = nil
  return made
end

--- Runs a plan on a batch in the model's arena.
---@param made scion.Plan
---@param batch table
---@return boolean complete
function internal:execute(made, batch)
  if not self.arena or self.arena:shape()[1] < made.arena_bytes then
    self.arena = nil -- the old one goes before the new one comes
    self.arena = core.new({ made.arena_bytes }, "u8")
  end
  return made:run(self.arena, batch)
end

---@class scion.PlanOptions
---@field batch? integer the data set's, or 32
---@field data? scion.Dataset for the seconds of an epoch, and the size of what is cached
---@field mode? "train"|"infer" a step of training, or of a prediction ("train")
---@field cache? boolean|integer|scion.CacheOptions as for model:fit (true)

--- What a step would execute, before any training; prints as a summary. A data set may stand in place of the options.
---@param given? scion.PlanOptions
---@return scion.PlanReport
function model:plan(given) return require("scion.report.plan").new(self, given) end

--- A line for every layer: its place in Keras's order, name, kind, shape, parameters, and whether it is frozen. Printing the model
--- gives a line for every block.
---@return string
function model:summary() return require("scion.report.summary").text(self) end

-- ---- work: a file of train/ each ------------------------------------------------------------------------------------

--- Trains, and says after each epoch how it went. Raises on options or data that do not fit, and when a loss or gradient is not
--- finite, before that reaches a weight; Ctrl-C ends it between two steps.
---@param data scion.Dataset
---@param given? scion.FitOptions
---@return scion.History
function model:fit(data, given) return require("scion.train.fit")(self, data, given) end

---@class scion.EvaluateOptions
---@field batch? integer the data set's
---@field loss? "categorical"|"binary"|"mse" follows from the last layer
---@field cache? boolean|integer|scion.CacheOptions as for model:fit (true)
---@field precision? "f32"|"bf16" the model's

--- Loss, accuracy, and precision, recall, F1 and support of each class; prints as a table.
---@param data scion.Dataset
---@param given? scion.EvaluateOptions
---@return scion.Evaluation
function model:evaluate(data, given) return require("scion.train.evaluate")(self, data, given) end

---@class scion.PredictOptions
---@field batch? integer (32, or the data set's)
---@field top? integer how many of the most probable classes each entry lists

--- Labels and confidences for a file, a list of files, a tensor of images (N x H x W x 3, u8, before preprocessing) or a data set:
--- an entry for each image, in order. An image that cannot be read has an entry with its error.
---@param x string|string[]|scion.Tensor|scion.Dataset
---@param given? scion.PredictOptions
---@return scion.Prediction[]
function model:predict(x, given) return require("scion.train.predict").predict(self, x, given) end

---@class scion.FeaturesOptions
---@field pool? "avg"|"max" of an image, over its pixels: a vector an image
---@field batch? integer (32, or the data set's)
---@field cache? boolean whether what is frozen is kept, as for model:fit (true)
---@field precision? "f32"|"bf16" the model's

--- The output of a layer for a data set (in file order, with its labels as a second result), a file, a list of files or a tensor of
--- images (N x H x W x 3, u8, before preprocessing). The row of an image that cannot be read is NaN, which a line on standard error tells
--- of.
---@param data scion.Dataset|string|string[]|scion.Tensor
---@param name string of the layer
---@param given? scion.FeaturesOptions
---@return scion.Tensor features a row an image
---@return scion.Tensor? labels where the data set has them: i32 classes from 1, or the f32 numbers to predict as they were given
---@return scion.Failure[] failures the images that could not be read
function model:features(data, name, given) return require("scion.train.features")(self, data, name, given) end

--- Saves weights, architecture, labels and preprocessing in one safetensors file; an interrupted save leaves the old file.
---@param path string
---@return scion.Model self
function model:save(path)
  require("scion.saved").save(self, check.argument("model:save", "its argument", path, check.path))
  return self
end

---@class scion.LoadOptions
---@field strict? boolean whether weights that do not fit are refused; else what fits is loaded, and the rest reported (true)
---@field prefix? string what stands before the names in a PyTorch file, where that cannot be told, as between "encoder_q." and "encoder_k.":
--- "ema." is that dict of the checkpoint, and "" takes the names as they are (found by comparing names)
---@field preprocess? "tf"|"caffe"|"torch"|"unit"|table as for nn.input: where the weights were trained otherwise than the file tells

--- Loads a file of weights (Keras's, PyTorch's, safetensors, or one of model:save) into the model's layers, its head included. With the
--- weights come the preprocessing of a config.json beside the file and, where the model has the file's classifier, its labels. Raises
--- with the path when the file cannot be read, is none of weights or, unless strict = false, does not fit, also where it is of a network
--- that computes otherwise; then nothing has changed. With strict = false a line on standard error says so when that is less than half of
--- the model's weights, and nothing at all raises.
---
--- Of a checkpoint's state dicts the one is loaded that fits best, and what stands before its names is taken off where they fit
--- better without it.
---@param path string
---@param given? scion.LoadOptions
---@return scion.WeightsReport report what was loaded, what was not, and what was assumed; tostring gives it as text
function model:load_weights(path, given)
  local where = "model:load_weights"
  path = check.argument(where, "its argument", path, check.path)
  return require("scion.weights").load(self, path, check.options(where, given, require "scion.weights.options"))
end

--- Writes the weights for others: .safetensors by torchvision's names and layouts (PyTorch: safetensors.torch.load_file, then
--- load_state_dict), .weights.h5 in Keras 3's layout, for a network in one piece and for one that lies in another as a layer, .h5 in that of
--- Keras 2 (load_weights). Keras's files have preprocessing and labels as attributes. Layers that no publisher has named have their own names, with dots or
--- underscores for slashes; a separable convolution is `depthwise` and `pointwise` in PyTorch, and a batch norm has scale and shift.
--- A line on standard error says when the library computes the same network otherwise. Raises with the path when it cannot be
--- written.
---@param path string
---@return scion.Model self
function model:export(path)
  require("scion.weights.export").write(self, check.argument("model:export", "its argument", path, check.path))
  return self
end

Model = class.define {
  name = "scion.Model", title = "a model", call = "model", methods = model, internal = internal,
  fields = { "arena", "order", "parts", "plans", "trained_before" }, locked = { "input", "output" },
  settable = { name = check.optional(model_name), variant = check.optional(kinds.variant), epoch = counter, steps = counter,
               history = check.table, loss = check.optional(check.name_in(losses)), precision = check.optional(precision.kind),
               labels = function(self) return check.optional(labels_kind(self)) end },
  instead = { trainable = results.freezing, frozen = results.freezing },
  called = "model:predict(images) gives labels, model:features(images, layer) a layer's output, and model:graft{ … } puts layers onto it",
  meta = { __tostring = function(self) return require("scion.report.summary").compact(self) end },
}

return { new = new, sequential = sequential, is = Model.is, kind = Model.kind, labels_kind = labels_kind }
