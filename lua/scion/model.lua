--- Models: a graph with an input and an output, what is frozen in it, and everything a user does with it.
local check = require "scion.check"
local core = require "scion.core"
local graph = require "scion.graph"
local options = require "scion.options"
local plan = require "scion.plan"
local precision = require "scion.precision"
local shape = require "scion.shape"

---@class scion.Model
---@field input scion.Node
---@field output scion.Node
---@field order scion.Node[] in Keras's order
---@field labels string[]? names of the classes, from the data it was fitted on
---@field epoch integer how many epochs it was trained
---@field history table[] an entry an epoch
---@field variant "keras"|"torchvision"|nil whose form of an architecture it is
---@field precision "f32"|"bf16"|nil of inference and of what is frozen, where a call gives none; not saved, for it is the machine's affair
local model = {}
local class = { __index = model, __name = "scion.Model" }

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

--- Makes a model: scion.model{ input = node, output = node }.
---@param given { input: scion.Node?, output: scion.Node, name: string? }
---@return scion.Model
local function new(given)
  options.check("scion.model", given, { input = false, output = true, name = false })
  local output = given.output
  if type(output) ~= "table" or not output.layer then check.raise("scion.model: 'output' is a node, such as nn.dense(10)(x)") end
  local order = graph.order(output)
  graph.name(order)
  local input = find_input(order)
  if given.input and given.input ~= input then check.raise("scion.model: 'output' does not depend on 'input'") end
  return setmetatable({ name = given.name, input = input, output = output, order = order, epoch = 0, history = {}, plans = {}, steps = 0 }, class)
end

--- A chain of layers: scion.sequential{ nn.input(28, 28, 3), nn.conv2d(…), … }.
---@param layers table[]
---@return scion.Model
local function sequential(layers)
  local node = layers[1]
  if type(node) ~= "table" or not node.shape then check.raise("scion.sequential: the first element is a node, such as nn.input(28, 28, 3)") end
  for i = 2, #layers do node = layers[i](node) end
  return new { output = node }
end

-- ---- structure ------------------------------------------------------------------------------------------------------

local function inherit(made, from)
  made.precision, made.variant = from.precision, from.variant
  return made
end

--- A new model that ends in these layers, put onto this one. The layers are shared: what is frozen or trained in one is so in
--- the other.
---@param layers scion.Layer[] or blocks such as nn.squeeze_excite()
---@return scion.Model
function model:graft(layers)
  if type(layers) ~= "table" or #layers == 0 then check.raise("graft takes a list of layers") end
  local node = self.output
  for i, layer in ipairs(layers) do
    if type(layer) ~= "function" and (type(layer) ~= "table" or not layer.kind) then check.raise(("graft: element %d is not a layer"):format(i)) end
    node = layer(node)
  end
  return inherit(new { output = node, name = self.name }, self)
end

--- The sub-model that ends at a layer (at the last one of a block); layers are shared.
---@param name string
---@return scion.Model
function model:upto(name)
  local found = graph.find(self.order, name)
  return inherit(new { output = self.order[found[#found]], name = self.name }, self)
end

local function count(parameters)
  local n = 0
  for _, p in ipairs(parameters) do n = n + shape.elements(p.tensor:shape()) end
  return n
end

local function describe(self, i)
  local node = self.order[i]
  local layer, weights = node.layer, {}
  for _, p in ipairs(layer.parameters) do weights[p.name] = p.tensor end
  return { index = i, name = layer.name, kind = layer.kind, shape = { table.unpack(node.shape) }, parameters = count(layer.parameters),
           trainable = count(layer:trainable()), frozen = layer.frozen, weights = weights }
end

--- Every layer in order.
---@return { index: integer, name: string, kind: string, shape: integer[], parameters: integer, trainable: integer, frozen: boolean, weights: table<string, scion.Tensor> }[]
function model:layers()
  local list = {}
  for i = 1, #self.order do list[i] = describe(self, i) end
  return list
end

--- One layer, by its full name or its index from 1. Raises on one that does not exist, with the nearest names.
---@param which string|integer
---@return table
function model:layer(which)
  if math.type(which) == "integer" then
    if not self.order[which] then check.raise(("layer %d does not exist: the model has %d"):format(which, #self.order)) end
    return describe(self, which)
  end
  local found = graph.find(self.order, which)
  for _, i in ipairs(found) do
    if self.order[i].layer.name == which then return describe(self, i) end
  end
  check.raise(("'%s' is a block of %d layers; the first is %s"):format(which, #found, self.order[found[1]].layer.name))
end

-- ---- freezing -------------------------------------------------------------------------------------------------------

local function set(self, from, to, frozen)
  for i = from, to do self.order[i].layer.frozen = frozen end
end

local function one_key(where, given, known)
  options.check(where, given, known)
  local key = next(given)
  if key == nil or next(given, key) ~= nil then
    local names = {}
    for name in pairs(known) do names[#names + 1] = name end
    table.sort(names)
    check.raise(("%s takes one of these options, not several or none: %s"):format(where, table.concat(names, ", ")))
  end
  return key, given[key]
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
  local key, value = one_key("freeze", given, { first = false, upto = false, layers = false })
  if key == "layers" then
    for _, i in ipairs(graph.glob(self.order, value)) do self.order[i].layer.frozen = true end
    return self
  end
  local last = value
  if key == "upto" then
    local found = graph.find(self.order, value)
    last = found[#found]
  elseif math.type(value) ~= "integer" or value < 0 or value > #self.order then
    check.raise(("freeze: 'first' is a number of layers from 0 to %d, not %s"):format(#self.order, tostring(value)))
  end
  set(self, 1, last, true)
  set(self, last + 1, #self.order, false)
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
  local key, value = one_key("thaw", given, { from = false, layers = false })
  if key == "layers" then
    for _, i in ipairs(graph.glob(self.order, value)) do self.order[i].layer.frozen = false end
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
function model:freeze_state()
  local letters = {}
  for i, node in ipairs(self.order) do letters[i] = node.layer.frozen and "f" or "t" end
  return table.concat(letters)
end

--- The plan for a mode and at least that batch: a kept one, or a new one. Of the network below a node (`upto`), or of the one
--- above it (`from`), whose input is the node's value; else of all of it.
---@param request { mode: "train"|"infer", batch: integer, input_dtype: string, loss: string?, weighted: boolean?, precision: string?, upto: scion.Node?, from: scion.Node? }
---@return scion.Plan
function model:plan_for(request)
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
function model:execute(made, batch)
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

function class:__tostring() return require("scion.report.summary").compact(self) end

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
  require("scion.saved").save(self, path)
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
  require("scion.weights.export").write(self, path)
  return self
end

return { new = new, sequential = sequential, is = function(m) return getmetatable(m) == class end }
