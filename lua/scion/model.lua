--- Models: a graph with an input and an output, and everything that users do with it.
local check = require "scion.check"
local class = require "scion.class"
local execution = require "scion.execution"
local graph = require "scion.graph"
local interrupts = require "scion.interrupts"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local losses = require "scion.ir.losses"
local notice = require "scion.report.notice"
local precision = require "scion.precision"
local reading = require "scion.data.reading"
local results = require "scion.report.results"
local shape = require "scion.shape"
local printable = require "scion.printable"

---@class scion.Model
---@field name string? of the architecture
---@field input scion.Node
---@field output scion.Node
---@field private order scion.Node[] all nodes, in Keras's order: see graph.order
---@field labels string[]? names of the classes, taken from the data set by fit; may be set
---@field loss string|scion.Loss|nil the loss that was last given to fit; without one it follows from the last layer; may be set
---@field metrics (string|scion.OwnMetric)[]? the metrics that were last given to fit; may be set
---@field epoch integer how many epochs it has been trained
---@field history scion.History the epochs of all fits
---@field reading scion.Reading? how the image files were read that it was last trained on: files to predict are read alike; may be set
---@field private trunk string? the last layer of the trunk onto which the model was grafted
---@field variant "keras"|"torchvision"|"tf"|"timm"|nil the library whose variant of an architecture it is
---@field precision "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions|nil of inference and training, if a call gives none; may be set; not saved, as it depends on
--- the CPU
---@field private plans table[] compiled plans, the last used one first
---@field private steps integer how many steps it has been trained
---@field private trained_before boolean? whether it was trained, saved and loaded, and has not been fitted since
---@field private freezing { revision: integer?, letters: string? } what was frozen at that revision of the graph
---@field private arena scion.Tensor? the memory that plans work in
---@field private parts table<string, scion.Model>? sub-models of model:features, by the name of their last layer
local model, internal = {}, {}
for name, method in pairs(execution) do internal[name] = method end

local Model -- the class, made at the end of the file from these methods
local layer_name = { what = "the name of a layer or block", read = check.text.read }
local layer_glob = { what = "the name of a layer or block, or a pattern of names with * ? [ ]", read = check.text.read }

-- ---- what users may set ---------------------------------------------------------------------------------------------

local counter = check.whole(0, 1 << 53)
local model_name = check.kind("a string of UTF-8", function(value) return check.text.read(value) and utf8.len(value) ~= nil, value end)

local class_names = check.distinct(check.list(check.text, nil, "a list of labels"), "have %s twice")

--- The kind of a model's labels: one for each class that its output distinguishes. Softmax has one output per class, and sigmoid one for
--- each label that an image can have. A single sigmoid output distinguishes two classes, or tells of one label. After other activations any
--- number of labels is accepted.
---@param self scion.Model
---@return scion.Kind
local function labels_kind(self)
  local activation, outputs = self.output.layer.options.activation, self.output.shape[#self.output.shape]
  local classes = activation == "softmax" and outputs or activation == "sigmoid" and (outputs == 1 and 2 or outputs) or nil
  return { what = class_names.what, read = function(value)
    local ok, labels, complaint = class_names.read(value)
    local single = activation == "sigmoid" and outputs == 1
    if ok and classes and #labels ~= classes and not (single and #labels == 1) then
      return false, nil, ("are %d, but the model has %d output%s (%s), which needs %d label%s%s"):format(
        #labels, outputs, outputs == 1 and "" or "s", activation, classes, classes == 1 and "" or "s", single and ", or 1 that an image has or not" or "")
    end
    return ok, ok and printable.table(labels) or nil, complaint
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
  return Model.new { name = given.name, input = input, output = given.output, order = order, epoch = 0, history = results.history {}, plans = {}, freezing = {},
                     steps = 0, precision = from and from.precision, variant = from and from.variant,
                     reading = from and from.reading }
end

--- Makes a model from a graph: see scion.model in init.lua.
---@param given { input: scion.Node?, output: scion.Node, name: string? }
---@return scion.Model
local function new(given)
  return make(check.options("scion.model", given, { input = { layer.node }, output = { layer.node, required = true }, name = { model_name } }))
end

--- Makes a model from a chain of layers: see scion.sequential in init.lua.
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

--- Tells once where layers with weights were put onto a classifier's probabilities, as onto a network with its top.
local function tell_of_probabilities(base, made)
  local last, own = base.output, {}
  while last.layer.kind == "dropout" do last = last.inputs[1] end
  if last.layer.options.activation ~= "softmax" or #last.shape ~= 1 then return end
  for _, node in ipairs(base.order) do own[node] = true end
  for _, node in ipairs(made.order) do
    if not own[node] and #node.layer.parameters > 0 then
      return notice.once(("scion: graft: '%s' is put onto the softmax of '%s', and so learns from probabilities, which hold little of the images: build the network " ..
        "without its top (top = false), graft onto model:upto(NAME) of a layer before, or end the base in a dense layer without an activation"):format(
        node.layer.name, last.layer.name))
    end
  end
end

--- Makes a new model: this one with further layers after its output. Both models share the layers of this one, so that freezing or
--- training them in one changes the other, too. Layers with weights behind a softmax are told once. Raises on an empty list, on what is no
--- layer, and if shapes do not fit.
---@param layers scion.Layer[] or blocks such as nn.squeeze_excite(), or functions from node to node
---@return scion.Model
---@example model = base:graft{ scion.nn.global_avg_pool(), scion.nn.dense(#train.labels, "softmax") }
function model:graft(layers)
  local list = check.argument("model:graft", "its argument", layers, layer.chain)
  if #list == 0 then check.raise "model:graft: the list of layers is empty" end
  local made = make({ output = layer.apply("model:graft", self.output, list), name = self.name }, self)
  made.trunk = self.trunk or self.output.layer.name
  tell_of_probabilities(self, made)
  return made
end

--- The sub-model that ends at a layer, or at the last layer of a block. It shares its layers with this model. Raises if there is no such
--- name, with the nearest ones.
---@param name string
---@return scion.Model
---@example trunk = model:upto "block1"
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

--- Descriptions of all layers, in Keras's order. Printing the list gives a line for each.
---@return scion.LayerDescription[]
---@example print(model:layers())
function model:layers()
  local list = {}
  for i = 1, #self.order do list[i] = describe(self, i) end
  return results.layers(list)
end

--- The description of one layer, by its full name or its index from 1. Raises if there is none, with the nearest names, and on the name
--- of a block.
---@param which string|integer
---@return scion.LayerDescription
---@example print(model:layer "block1/conv")
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

--- Reads options of which exactly one must be given; returns its name and value.
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

--- Freezes layers, from the next step on. Without options, all layers. With { first = N }, the first N layers; with { upto = NAME }, all
--- layers up to that layer or block, inclusive. Both thaw the layers after these. With { layers = GLOB }, the layers whose names match;
--- the others stay as they are. Raises if nothing matches, and for a table without exactly one of these options.
---@param given { first: integer?, upto: string?, layers: string? }?
---@return scion.Model self
---@example model:freeze{ upto = "block1" }   -- a block and all before it; what follows trains
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

--- Thaws layers, from the next step on. Without options, all layers. With { from = NAME }, all layers from that one, or from the first one
--- of that block, on; the layers before it are frozen. With { layers = GLOB }, the layers whose names match; the others stay as they are.
--- Raises if nothing matches, and for a table without exactly one of these options.
---@param given { from: string?, layers: string? }?
---@return scion.Model self
---@example model:thaw{ layers = "block2/*" }
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

--- Which layers are frozen, as a string with one letter per layer. A training plan depends on it. It is the same string until a layer of
--- some model is frozen or thawed, so that comparing it takes no time.
---@return string
function internal:freeze_state()
  local known = self.freezing
  if known.revision ~= graph.revision() then
    local letters = {}
    for i, node in ipairs(self.order) do letters[i] = node.layer.frozen and "f" or "t" end
    known.revision, known.letters = graph.revision(), table.concat(letters)
  end
  return known.letters
end

---@class scion.PlanOptions
---@field batch? integer (the data set's, or 32)
---@field data? scion.Dataset for estimates of the seconds of an epoch and the size of the cache
---@field mode? "train"|"infer" whether a step is one of training or of prediction ("train")
---@field cache? boolean|integer|scion.CacheOptions as for model:fit (true)
---@field precision? "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions (the model's)

--- What a step would execute: multiply-adds, memory and predicted speed, without training anything. The report prints as a summary. A
--- data set may be given in place of the options.
---@param given? scion.PlanOptions
---@return scion.PlanReport
---@example print(model:plan(train))
function model:plan(given) return require("scion.report.plan").new(self, given) end

--- A text with one line per layer: its index in Keras's order, name, kind, output shape, parameters, and whether it is frozen. Printing
--- the model gives one line per block.
---@return string
---@example print(model:summary())
function model:summary() return require("scion.report.summary").text(self) end

--- Draws the network as a file of SVG: its blocks from the input down, with shapes and parameters, and striped where they are frozen. Blocks
--- that repeat each other stand in one box.
---@param path string that ends in .svg, whose folder is made if there is none
---@return string path
---Raises, with the path, if the file cannot be written, and on another ending.
---@example model:plot "network.svg"
function model:plot(path) return require("scion.report.architecture")(self, path) end

-- ---- training and inference: one file of train/ for each ------------------------------------------------------------

--- Trains the model, and prints progress. Raises on options or data that do not fit. Raises, too, if a loss or gradient is not finite;
--- that step then changes no weight. Ctrl-C ends the fit between two steps.
---@param data scion.Dataset
---@param given? scion.FitOptions
---@return scion.History
---@example
---  history = model:fit(train, { epochs = 2, validate = val, optimizer = scion.optim.adam{ lr = 1e-3 } })
---  print(history)
function model:fit(data, given) return require("scion.train.fit")(self, data, given) end

--- Looks for a learning rate: trains for some steps at rates that grow from step to step, and then puts weights, optimizer and history back
--- as they were. The result has the loss at each rate, and a rate to begin with; it prints as a table. It ends early once the loss is four
--- times the lowest. Raises on options or data that do not fit, and after Ctrl-C.
---@param data scion.Dataset
---@param given? scion.LrFindOptions
---@return scion.RateCurve
---@example print(model:lr_find(train, { optimizer = scion.optim.sgd(), steps = 20 }))
function model:lr_find(data, given) return require("scion.train.lr_find")(self, data, given) end

--- A metric of one's own.
---@class scion.OwnMetric
---@field name string of the field with its value: letters, digits and underscores
---@field compute fun(probabilities: scion.Tensor, targets: scion.Tensor): number is given all examples of a pass. probabilities: f32
--- [examples, classes or labels], [examples, 1] of a single sigmoid; or the numbers that the network gives. targets: i32 [examples], the
--- classes from 1 (where an image has shares of classes, the one with the largest); f32 [examples, labels]; or the numbers

---@class scion.EvaluateOptions
---@field batch? integer (the data set's)
---@field loss? string|scion.Loss|fun(outputs: scion.Tensor, targets: scion.Tensor): scion.Tensor see scion.FitOptions (that of fit, or what follows from the last layer)
---@field metrics? (string|scion.OwnMetric)[] what is told beside loss and accuracy (those of fit, or none): see model:evaluate
---@field cache? boolean|integer|scion.CacheOptions as for model:fit (true)
---@field precision? "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions (the model's)
---@field distributed? scion.Comm|scion.DistributedOptions require "scion.mpi": each process that mpirun has started evaluates a part of the data set,
--- and all have the result, which is that of one process to the bit (this process alone)

--- Evaluates the model on a data set: loss, accuracy, and precision, recall, F1 and support of each class. Where an image can have several
--- labels these are of each label, and exact_match is the share of images of which all labels are right. The result prints as a table.
---
--- The option `metrics`, of evaluate and of fit, is a list of names. All weigh all examples alike.
---
---  - accuracy, which is always told: of classes the share of right ones; of several labels an image, of right decisions about them
---  - balanced_accuracy: the mean recall of the classes that have examples
---  - exact_match: the share of images with all labels right
---  - top_2, top_3 and so on: the share of images whose class is among so many most probable ones
---  - precision, recall, f1: of the second of two classes, or of the only label
---  - precision_macro, _weighted, _micro, and recall_… and f1_…: means over classes or labels: plain, weighted with the examples of each, or of
---    all decisions together. A score is 0 where nothing was predicted or nothing is to be found
---  - kappa: Cohen's
---  - roc_auc, average_precision: how well probabilities rank images; of two classes of the second, else the mean over classes or labels. They keep
---    4 bytes for each image and class until the end of a pass, and as many again then
---  - calibration_error: the expected one, in 15 bins of equal width
---  - mae, mse: where the network gives numbers
---
--- Where an image has shares of classes, its class is the one with the largest; a label is there if its target is over 0.5. What is not
--- defined, such as the ROC curve of images of one class, is NaN, and a line on standard error says why. A metric of one's own is a table, {
--- name = "mine", compute = function(probabilities, targets) return … end }, which gets those of all images: see scion.OwnMetric.
---
--- Raises on options or data that do not fit, if no image can be read, and after Ctrl-C.
---@param data scion.Dataset
---@param given? scion.EvaluateOptions
---@return scion.Evaluation
---@example print(model:evaluate(val))
function model:evaluate(data, given) return (require("scion.train.evaluate")(self, data, given)) end

---@class scion.PredictOptions
---@field batch? integer (32, or the data set's)
---@field top? integer how many of the most probable classes each entry lists (none)
---@field tta? integer over how many views of each image the outputs are averaged: the image as it is, and others as the data set augments
--- them; where it does not, flipped, and shifted and zoomed a little (1)
---@field precision? "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions (the model's)

--- Labels and confidences for a file, a folder (all images in it and below it, in the order of their paths), a list of files, a tensor of one
--- image or several (u8 H x W x 3 or N x H x W x 3, or x 1 of grey ones, before preprocessing) or a data set. The result has one entry for
--- each image, in order. Where an image can have several labels, as of a network that ends in nn.dense(3, "sigmoid"), an entry has `labels`,
--- too: those with a probability over 0.5. The entry of an image that cannot be read has the error in place of a
--- label. Raises on options or images that do not fit, if there are fewer than `top` classes, and after Ctrl-C.
---@param x string|string[]|scion.Tensor|scion.Dataset
---@param given? scion.PredictOptions
---@return scion.Prediction[]
---@example print(model:predict({ "dog.png", "cat.png" }, { top = 2 }))
function model:predict(x, given) return require("scion.train.predict").predict(self, x, given) end

--- How well simple classifiers tell a data set's classes by the features of each block: where the network can be cut, and how far it can be
--- frozen. One pass computes the pooled features of all blocks; then a linear classifier in closed form, with the one of five penalties that is
--- best for the other parts, and the five nearest neighbours are cross-validated on each; LogME scores them, too. `recommended` is the first block
--- that is not told worse than the best one by more than one standard error of the difference, on the same images. How the images are divided
--- follows the data set's seed: where they are few, another seed may name another block. Pooling after a block is in the block's row, which then has
--- the pool's name: SqueezeNet's fire3 and pool3 are one row, pool3. The classifier of a network that has one is no block. Of copies of a picture one
--- counts. Nothing is trained, and the model stays as it is. It prints as a table. Raises on options or data that do not fit, if there are not two
--- classes with two images each, and after Ctrl-C.
---@param data scion.Dataset
---@param given? scion.ProbeOptions
---@return scion.Probe
---@example
---  p = base:probe(train)
---  print(p, p.recommended)
function model:probe(data, given) return require("scion.insight.probe").of(self, data, given) end

--- Which parts of a picture an answer of the network rests on: a map of heat, by the gradients of a layer (Grad-CAM) or by covering parts
--- (occlusion), and the picture with the heat laid over it. The explanation prints as a small map; its method `save` writes the picture. Raises if
--- the picture cannot be read, on options that do not fit, and after Ctrl-C.
---@param x string|scion.Tensor a file, or one u8 image, H x W x 3, before preprocessing
---@param given? scion.ExplainOptions
---@return scion.Explanation
---@example
---  why = model:explain "dog.png"
---  print(why)
---  why:save "why.png"
function model:explain(x, given) return interrupts.within("model:explain", require "scion.insight.explain", self, x, given) end

---@class scion.FeaturesOptions
---@field pool? "avg"|"max" reduces height and width to their mean or maximum: one vector for each image (no pooling)
---@field batch? integer (32, or the data set's)
---@field cache? boolean whether outputs of frozen layers, and ranges of precision "int8", are kept, as for model:fit (true)
---@field precision? "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions (the model's)
---@field distributed? scion.Comm|scion.DistributedOptions require "scion.mpi": each process that mpirun has started computes a part, and all have the
--- result (this process alone)

--- The output of a layer for a data set (in its file order), a file, a folder, a list of files, or a tensor of one image or several (u8
--- H x W x 3 or N x H x W x 3, or x 1, before
--- preprocessing). The row of an image that cannot be read is NaN, and a line on standard error says so; for a single file it raises.
--- Raises, too, if there is no such layer, and on options or images that do not fit.
---@param data scion.Dataset|string|string[]|scion.Tensor
---@param name string of a layer, or of a block, which means its last layer
---@param given? scion.FeaturesOptions
---@return scion.Tensor features f32, one row for each image
---@return scion.Tensor? labels if the data set has them, as scion.data.tensors takes them: i32 classes from 1, or its f32 rows
---@return scion.Failure[] failures the images that could not be read
---@example x, y = model:features(train, "block2", { pool = "avg" })
function model:features(data, name, given) return require("scion.train.features")(self, data, name, given) end

--- Saves weights, architecture, preprocessing, labels, history and the ranges found for precision "int8" in one safetensors file. An interrupted
--- save leaves the old file as it was; Ctrl-C is heard when the file is written, and raises then. Losses that are NaN or infinite come back as
--- such. Beside few weights a file of very many layers, labels or epochs gets zeros at its end: a reader gives a file memory by its size.
--- Raises, with the path, if the file cannot be written, and on the ending of another format, such as .h5 or .pth.
---@param path string whose folder is made if there is none
---@return scion.Model self
---@example model:save "pets.safetensors"
function model:save(path)
  path = check.argument("model:save", "its argument", path, check.path)
  interrupts.hear_after(("model:save: interrupted when %s was written"):format(path), require("scion.saved").save, self, path)
  return self
end

---@class scion.LoadOptions
---@field strict? boolean true: raises if weights do not fit; false: loads what fits and reports the rest (true)
---@field prefix? string a prefix of the names in a PyTorch file, for files where it is ambiguous, such as "encoder_q." and "encoder_k."; what all
--- its names share behind it, such as "module.", is found by comparing, too.
--- "ema." means the checkpoint's dict of that name; "" means no prefix (found by comparing names)
---@field preprocess? "tf"|"caffe"|"torch"|"unit"|table as for nn.input: the preprocessing that the weights were trained with, if the file
--- does not tell or tells another one

--- Loads a file of weights (Keras's, PyTorch's, safetensors, or one of model:save) into the model's layers, its head included. The
--- preprocessing is taken from a config.json beside the file, if there is one, or from what Scion noted in the file. The labels are taken,
--- too, if the model has the file's classifier.
---
--- Raises, with the path, if the file cannot be read or is not a file of weights. Unless strict = false, it also raises if the weights do
--- not fit, or are of another variant or of a network that takes images otherwise, or if a whole Keras file describes a network that computes
--- something else with them: the message names the first layer that is computed from something else. Nothing has changed then. With
--- strict = false such differences are notes, and it raises if no weight fits; if less than half of the model's weights are loaded, a line on
--- standard error says so.
---
--- Ctrl-C raises before the first weight changes, or when all are read; the message says which.
---
--- If a checkpoint holds several state dicts, the one that fits best is loaded. A prefix of its names is removed if they fit better
--- without it.
---@param path string
---@param given? scion.LoadOptions
---@return scion.WeightsReport report what was loaded, what was not, and what was assumed; it prints as text
---@example print(model:load_weights "pets.safetensors")
function model:load_weights(path, given)
  local where = "model:load_weights"
  path = check.argument(where, "its argument", path, check.path)
  return require("scion.weights").load(self, path, check.options(where, given, require "scion.weights.options"))
end

---@class scion.ExportOptions
---@field names? "torchvision"|"timm" whose names a .safetensors file has ("timm" for the variants "tf" and "timm", else "torchvision")

--- Writes the weights for other libraries. The path's ending decides on the format. A .safetensors file is for PyTorch
--- (safetensors.torch.load_file, then load_state_dict): it has torchvision's names and layouts, or timm's names for the variants "tf" and
--- "timm" and where the option `names` asks for them. A .weights.h5 file is for Keras 3, for a network in one piece and for one that is a
--- layer of another network. An .h5 file is for load_weights of Keras 2, and of Keras 3 for a network in one piece.
---
--- Preprocessing and labels are noted in the file, and load_weights takes them back. Layers without a publisher's name are written under their own names, with
--- dots or underscores in place of slashes. A separable convolution becomes `depthwise` and `pointwise` in PyTorch, and a batch norm always
--- has scale and shift. Ctrl-C is heard when the file is written, and raises then. If the other library computes the same network
--- differently, a line on standard error says so. Raises, with the path, if the file cannot be written, and if
--- names = "timm" is given for a network of scion.models that timm lacks, or has only with
--- other layers, as another variant.
---@param path string whose folder is made if there is none
---@param given? scion.ExportOptions
---@return scion.Model self
---@example model:export "pets.weights.h5"     -- for Keras 3
function model:export(path, given)
  local where = "model:export"
  path = check.argument(where, "its first argument", path, check.path)
  local o = check.options(where, given, { names = { check.one_of("torchvision", "timm") } })
  interrupts.hear_after(("%s: interrupted when %s was written"):format(where, path), require("scion.weights.export").write, self, path, o)
  return self
end

local entries = check.list(check.table)
local history_kind = check.kind("a history, as a fit has it, or a list of its epochs, {} of none", function(value)
  if type(value) == "table" and getmetatable(value) == getmetatable(results.history {}) then return true, value end
  local ok, list = entries.read(value)
  return ok, ok and results.history(list) or nil
end)

local freezing = "use model:freeze(), or model:freeze{ layers = … } for some of its layers, and model:thaw()"

Model = class.define {
  name = "scion.Model", title = "a model", call = "model", methods = model, internal = internal,
  fields = { "arena", "executing", "freezing", "order", "parts", "plans", "trained_before", "trunk" }, locked = { "input", "output" },
  settable = { name = check.optional(model_name), variant = check.optional(kinds.variant), epoch = counter, steps = counter,
               history = history_kind, reading = check.optional(reading.kind), loss = check.optional(losses.kind),
               precision = check.optional(precision.kind), metrics = function() return check.optional(require("scion.train.metrics").kind) end,
               labels = function(self) return check.optional(labels_kind(self)) end },
  instead = { trainable = freezing, frozen = freezing },
  called = "model:predict(images) gives labels, model:features(images, layer) a layer's output, and model:graft{ … } puts layers onto it",
  meta = { __tostring = function(self) return require("scion.report.summary").compact(self) end },
}

return { new = new, sequential = sequential, is = Model.is, kind = Model.kind, labels_kind = labels_kind }
