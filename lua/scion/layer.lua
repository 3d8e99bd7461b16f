--- What all layers share: a definition (a file of nn/) becomes a constructor, a layer is applied to nodes, a node remembers
--- the layer, its inputs and the shape of its output (without the batch).
local check = require "scion.check"
local core = require "scion.core"
local options = require "scion.options"
local random = require "scion.random"

local layer = {}

--- Marks an option that must be given.
layer.required = setmetatable({}, { __tostring = function() return "required" end })

---@class scion.Parameter
---@field name string `kernel`, `bias`, `gamma` …
---@field tensor scion.Tensor its values
---@field statistic boolean true for moving averages, which no gradient changes
---@field init string|number how it starts

---@class scion.Layer
---@field kind string snake_case: `conv2d`, `batch_norm`
---@field name string? set by the user, or by the graph
---@field origin table<string, string>? its publishers' names for it, where they do not follow from its own: see models/builder.lua
---@field options table what the constructor was given, with defaults
---@field parameters scion.Parameter[] in Keras's order
---@field frozen boolean

---@class scion.Node
---@field layer scion.Layer
---@field inputs scion.Node[]
---@field shape integer[] of the output, without the batch

-- ---- initial values -------------------------------------------------------------------------------------------------

local building_without_values -- then: how many bytes parameters may still take

--- Runs `build` without drawing initial values: for networks whose weights are read from a file right after.
---@generic T
---@param build fun(): T
---@param most? integer bytes that the parameters may take in all: beyond that a layer raises
---@return T
function layer.without_initial_values(build, most)
  local before = building_without_values
  building_without_values = most or math.huge
  local ok, result = pcall(build)
  building_without_values = before
  if not ok then error(result, 0) end
  return result
end

--- Fans of a kernel: [.., in, out], leading dimensions being the receptive field.
local function fans(shape)
  local field = 1
  for i = 1, #shape - 2 do field = field * shape[i] end
  return field * shape[#shape - 1], field * shape[#shape]
end

local initializers = {
  zeros = function() end, -- tensors are made of zeros
  ones = function(t) core.fill(t, 1) end,
  glorot = function(t, shape) -- Glorot and Bengio 2010
    local fan_in, fan_out = fans(shape)
    local limit = math.sqrt(6 / (fan_in + fan_out))
    local seed, stream = random.next_stream()
    core.fill_uniform(t, seed, stream, -limit, limit)
  end,
  he = function(t, shape) -- He et al. 2015
    local seed, stream = random.next_stream()
    core.fill_normal(t, seed, stream, 0, math.sqrt(2 / (fans(shape))))
  end,
}

local function pay_for(self, shape)
  local bytes = 4.0
  for _, size in ipairs(shape) do bytes = bytes * size end
  building_without_values = building_without_values - bytes
  if building_without_values < 0 then self:fail "its weights would take far more memory than the file has bytes" end
end

local function make_parameters(self, shapes)
  local list = {}
  for i, p in ipairs(self.define_parameters and self:define_parameters(table.unpack(shapes)) or {}) do
    if building_without_values then pay_for(self, p.shape) end
    local tensor = core.new(p.shape, "f32")
    if not building_without_values then initializers[p.init](tensor, p.shape) end
    list[i] = { name = p.name, tensor = tensor, statistic = p.statistic or false, init = p.init }
  end
  return list
end

-- ---- layers ---------------------------------------------------------------------------------------------------------

local methods = {}

--- The parameter of that name, or nil.
---@param name string
---@return scion.Parameter?
function methods:parameter(name)
  for _, p in ipairs(self.parameters) do
    if p.name == name then return p end
  end
end

--- Its tensor, or nil.
---@param name string
---@return scion.Tensor?
function methods:weight(name)
  local p = self:parameter(name)
  return p and p.tensor
end

--- The parameters that a step would change.
---@return scion.Parameter[]
function methods:trainable()
  local list = {}
  if not self.frozen then
    for _, p in ipairs(self.parameters) do
      if not p.statistic then list[#list + 1] = p end
    end
  end
  return list
end

--- The layer's name, or its kind where it has none, for messages.
---@return string
function methods:title() return self.name or self.kind end

--- Raises a message that names this layer.
---@param message string a format
---@param ... any what goes into it
function methods:fail(message, ...) check.raise(("%s: " .. message):format(self:title(), ...)) end

--- Checks the number of inputs and their dimensions.
---@param shapes integer[][]
---@param count integer
---@param dims integer? of each shape
function methods:expect(shapes, count, dims)
  if #shapes ~= count then self:fail("takes %d input%s, not %d", count, count == 1 and "" or "s", #shapes) end
  for _, shape in ipairs(shapes) do
    if dims and #shape ~= dims then
      self:fail("takes %s, not an input of shape %s", dims == 3 and "images (height, width, channels)" or "vectors", table.concat(shape, "x"))
    end
  end
end

--- The shape of its output: that of its one input, unless the definition says otherwise.
---@param ... integer[] of the inputs
---@return integer[]
function methods:output_shape(...)
  self:expect({ ... }, 1)
  return { table.unpack((...)) }
end

--- Applies the layer: `layer(node)` or `layer{ node, node }` gives the node of its output.
local function apply(self, inputs)
  if type(inputs) ~= "table" then self:fail("is applied to a node or a list of nodes, not to a %s", type(inputs)) end
  if inputs.layer then inputs = { inputs } end
  if self.node then self:fail("was applied already; make a second layer, since a layer stands once in a graph") end
  local shapes = {}
  for i, node in ipairs(inputs) do
    if type(node) ~= "table" or not node.shape then self:fail("input %d is not a node", i) end
    shapes[i] = node.shape
  end
  local shape = self:output_shape(table.unpack(shapes))
  self.parameters = make_parameters(self, shapes)
  self.node = { layer = self, inputs = { table.unpack(inputs) }, shape = shape }
  return self.node
end

--- Reads constructor arguments: values for the positional options, then a table of the rest; or one table of all.
local function read_options(definition, ...)
  local given, arguments = {}, table.pack(...)
  for i = 1, arguments.n do
    local value = arguments[i]
    if type(value) == "table" and (i == arguments.n) and (#value == 0 or definition.positional == nil or i > #definition.positional) then
      for k, v in pairs(value) do given[k] = v end
    elseif definition.positional and definition.positional[i] then
      given[definition.positional[i]] = value
    elseif value ~= nil then
      check.raise(("nn.%s takes at most %d values and a table of options"):format(definition.kind, definition.positional and #definition.positional or 0))
    end
  end
  return given
end

--- Makes a constructor from a definition: kind, positional (names of options that may stand by position), defaults, and the
--- methods output_shape(self, shapes…) where it is not the input's, define_parameters(self, shapes…), forward(self, e)
--- and backward(self, e) with a scion.Emitter, and macs(self, x, y) of the shapes of input and output.
--- bf16 = "computes": its forward kernels read bf16 or f32 and write either; "carries": they write what they read.
---@param definition table
---@return fun(...): scion.Layer
function layer.define(definition)
  for name, method in pairs(methods) do
    if definition[name] == nil then definition[name] = method end
  end
  local class = { __index = definition, __call = apply, __name = "scion.Layer" }
  class.__tostring = function(self) return ("%s (%s)"):format(self:title(), self.kind) end
  local known = { name = false, origin = false }
  for name in pairs(definition.defaults or {}) do known[name] = true end
  return function(...)
    local given = read_options(definition, ...)
    options.check("nn." .. definition.kind, given, known)
    local values = {}
    for name, default in pairs(definition.defaults or {}) do
      local value = given[name]
      if value == nil then value = default end
      if value == layer.required then check.raise(("nn.%s: option '%s' must be given"):format(definition.kind, name)) end
      values[name] = value
    end
    local self = setmetatable({ name = given.name, origin = given.origin, options = values, parameters = {}, frozen = false, derived = {} }, class)
    if definition.check then definition.check(self) end
    return self
  end
end

--- A list of two from a number or a list of two: kernel = 3 means {3, 3}.
---@param value integer|integer[]
---@param what string for the message
---@return integer[]
function layer.pair(self, value, what)
  local pair = type(value) == "number" and { value, value } or value
  if type(pair) ~= "table" or #pair ~= 2 or math.type(pair[1]) ~= "integer" or math.type(pair[2]) ~= "integer" or pair[1] < 1 or pair[2] < 1 then
    self:fail("%s is a whole number from 1 up or a list of two (vertical, horizontal)", what)
  end
  return { pair[1], pair[2] }
end

--- The window of a convolution or pooling over an input of that shape, and the size of its output. padding: "valid", "same"
--- (Keras's: what is missing is shared out, the odd one after), "ceil" (valid, and what is left over at the end gets a window that
--- hangs out of the input, as with PyTorch's ceil_mode), a number for all sides, or { top, left, bottom, right }.
---@param shape integer[]
---@return table window, integer height, integer width
function layer.window(self, shape)
  local o = self.options
  local kernel = layer.pair(self, o.kernel, "kernel")
  local stride = layer.pair(self, o.stride or kernel, "stride")
  local dilation = layer.pair(self, o.dilation or 1, "dilation")
  local window = { kernel = kernel, stride = stride, dilation = dilation, before = { 0, 0 }, after = { 0, 0 } }
  local out = {}
  for axis = 1, 2 do
    local extent = (kernel[axis] - 1) * dilation[axis] + 1
    if o.padding == "same" then
      local missing = math.max((math.ceil(shape[axis] / stride[axis]) - 1) * stride[axis] + extent - shape[axis], 0)
      window.before[axis] = missing // 2
      window.after[axis] = missing - missing // 2
    elseif o.padding == "ceil" then
      window.after[axis] = (extent - shape[axis]) % stride[axis]
    elseif type(o.padding) == "number" then
      window.before[axis], window.after[axis] = o.padding, o.padding
    elseif type(o.padding) == "table" then
      window.before[axis], window.after[axis] = o.padding[axis], o.padding[axis + 2]
    elseif o.padding ~= "valid" then
      self:fail("padding is 'valid', 'same', 'ceil', a number or { top, left, bottom, right }, not '%s'", tostring(o.padding))
    end
    out[axis] = (shape[axis] + window.before[axis] + window.after[axis] - extent) // stride[axis] + 1
    if out[axis] < 1 then
      self:fail("a window of %dx%d does not fit into an input of %s", kernel[1], kernel[2], table.concat(shape, "x"))
    end
  end
  return window, out[1], out[2]
end

return layer
