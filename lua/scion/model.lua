--- Models: a graph with an input and an output, what is frozen in it, and everything a user does with it.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local graph = require "scion.graph"
local layer = require "scion.layer"
local plan = require "scion.plan"
local precision = require "scion.precision"
local results = require "scion.report.results"
local shape = require "scion.shape"

---@class scion.Model
---@field name string?
---@field input scion.Node
---@field output scion.Node
---@field order scion.Node[] in Keras's order
---@field labels string[]? names of the classes, from the data it was fitted on; may be set
---@field epoch integer how many epochs it was trained
---@field history table[] an entry an epoch
---@field variant "keras"|"torchvision"|nil whose form of an architecture it is
---@field precision "f32"|"bf16"|nil of inference and of what is frozen, where a call gives none; may be set; not saved, for it is the machine's affair
local model, internal = {}, {}

local Model -- the class: it is made at the end, from these methods
local layer_name = { what = "the name of a layer or block", read = check.text.read }
local layer_glob = { what = "the name of a layer or block, or a pattern of names with * ? [ ]", read = check.text.read }

--- Plans that are kept for a model: training, validation, and what the last few freezes used.
local plans_kept = 4

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
  return make(check.options("scion.model", given, { input = { layer.node }, output = { layer.node, required = true }, name = { check.text } }))
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
  if type(given) == "string" then
    check.raise(("%s: it takes a table, such as { %s = %s } or { layers = %s }"):format(where, names[#names], check.show(given), check.show(given)))
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
  local state, upto, from = request.mode == "train" and self:freeze_state() or "", request.upto, request.from
  local key = table.concat({ request.mode, request.input_dtype, request.loss or "-", request.weighted and "w" or "-", in_use,
                             upto and "upto " .. upto.layer.name or from and "from " .. from.layer.name or "-", state }, " ")
  for i, kept in ipairs(self.plans) do
    if kept.key == key and kept.plan.capacity >= request.batch then
      table.insert(self.plans, 1, table.remove(self.plans, i))
      return kept.plan
    end
  end
  local order = upto and graph.order(upto) or from and graph.from(self.order, from) or self.order
  local made = plan.compile { order = order, output = upto or self.output, from = from, mode = request.mode, capacity = request.batch,
                              input_dtype = request.input_dtype, precision = in_use, loss = request.loss, weighted = request.weighted }
  table.insert(self.plans, 1, { key = key, plan = made })
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

--- What a step would execute, before any training: see report/plan.lua.
---@param given { batch: integer?, data: table?, mode: string?, cache: boolean|integer|scion.CacheOptions|nil }?
---@return scion.PlanReport
function model:plan(given) return require("scion.report.plan").new(self, given or {}) end

--- A compact summary of layers, shapes, parameters and what is frozen.
---@return string
function model:summary() return require("scion.report.summary").text(self) end

-- ---- work: a file of train/ each ------------------------------------------------------------------------------------

--- Trains; see train/fit.lua for the options.
---@param data scion.Dataset
---@param given table?
---@return scion.History
function model:fit(data, given) return require("scion.train.fit")(self, data, given or {}) end

--- Loss, accuracy, and precision, recall, F1 and support of each class; prints as a table.
---@param data scion.Dataset
---@param given { batch: integer?, loss: string?, cache: boolean|scion.CacheOptions|nil, precision: string? }?
---@return scion.Evaluation
function model:evaluate(data, given) return require("scion.train.evaluate")(self, data, given or {}) end

--- Labels and confidences for a file, a list of files, a tensor of images or a dataset.
---@param x string|string[]|scion.Tensor|scion.Dataset
---@param given { batch: integer?, top: integer? }?
---@return table[]
function model:predict(x, given) return require("scion.train.predict").predict(self, x, given or {}) end

--- The output of a layer for a dataset (in file order, with its labels as a second result), a file or an image tensor.
---@param data scion.Dataset|string|scion.Tensor
---@param name string
---@param given { pool: "avg"|"max"|nil, batch: integer?, cache: boolean?, precision: string? }?
---@return scion.Tensor features, scion.Tensor? labels
function model:features(data, name, given) return require("scion.train.features")(self, data, name, given or {}) end

--- Saves weights, architecture, labels and preprocessing in one safetensors file; an interrupted save leaves the old file.
---@param path string
---@return scion.Model self
function model:save(path)
  require("scion.saved").save(self, check.argument("model:save", "its argument", path, check.path))
  return self
end

--- Writes the weights for others: .safetensors by torchvision's names and layouts (PyTorch: safetensors.torch.load_file, then
--- load_state_dict), .h5 in Keras's layout (load_weights). Layers that no publisher has named have their own names, with dots or
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
  fields = { "name", "input", "output", "order", "epoch", "history", "variant", "plans", "steps", "arena", "parts" },
  settable = { labels = check.optional(check.list(check.text, nil, "a list of class names")), precision = check.optional(precision.kind) },
  instead = { trainable = results.freezing, frozen = results.freezing },
  meta = { __tostring = function(self) return require("scion.report.summary").compact(self) end },
}

return { new = new, sequential = sequential, is = Model.is, kind = Model.kind }
