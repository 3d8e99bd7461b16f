--- What all layers share. A file of nn/ defines a kind of layer; layer.define makes its constructor. A layer is applied to nodes and
--- gives a node, which holds the layer, its inputs and the shape of its output without the batch.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local graph = require "scion.graph"
local kinds = require "scion.kinds"
local random = require "scion.random"
local shape = require "scion.shape"
local printable = require "scion.printable"

local layer = {}

---@class scion.Parameter
---@field name string `kernel`, `bias`, `gamma` …
---@field tensor scion.Tensor its values
---@field statistic boolean true for moving averages, which have no gradient
---@field init string|number the initializer of its values
---@field drawn integer? the tensor's version after random initial values were drawn; while it is the same, nothing was loaded or trained

---@class scion.Layer
---@operator call(scion.Node|scion.Node[]): scion.Node
---@field kind string snake_case: `conv2d`, `batch_norm`
---@field name string? as given to the constructor; without one, the model that it is part of makes one
---@field origin table<string, string>? its names in published files, by publisher, where they do not follow from its own name
---@field options table the constructor's options, with defaults filled in
---@field parameters scion.Parameter[] in Keras's order; none before it is applied
---@field frozen boolean whether training leaves it unchanged; may be set
---@field private node scion.Node? of its output, once it has been applied
---@field private derived table tensors that plans derive from its parameters: see emitter:derived

--- The output of a layer in a graph. Its fields cannot be set.
---@class scion.Node
---@field layer scion.Layer
---@field inputs scion.Node[]
---@field shape integer[] of the output, without the batch
local node = class.define {
  name = "scion.Node", title = "a node", locked = { "layer", "inputs", "shape" },
  meta = { __tostring = function(self) return ("node %s: %s"):format(self.layer:title(), shape.text(self.shape)) end },
}

--- A node, as a kind for checks.
layer.node = node.kind

-- ---- initial values -------------------------------------------------------------------------------------------------

local building_without_values -- nil, or during layer.without_initial_values how many bytes parameters may still take
local building_without_tensors = false -- true during layer.without_tensors

--- Runs `build` without setting initial values: for networks whose weights are then read from a file.
---@generic T
---@param build fun(): T
---@param most? integer bytes that all parameters may take (no limit). A layer that exceeds it raises, so that a damaged or malicious file
--- cannot claim the memory
---@return T
function layer.without_initial_values(build, most)
  local before = building_without_values
  building_without_values = most or math.huge
  local ok, result = pcall(build)
  building_without_values = before
  if not ok then error(result, 0) end
  return result
end

--- Fan-in and fan-out of a kernel [.., in, out]; the dimensions before these two are the receptive field.
local function fans(sizes)
  local field = 1
  for i = 1, #sizes - 2 do field = field * sizes[i] end
  return field * sizes[#sizes - 1], field * sizes[#sizes]
end

--- Runs `build` with parameters that have no tensors: for networks that are looked at and never computed. `most`: as above, of the memory that
--- they would take.
---@generic T
---@param build fun(): T
---@param most integer
---@return T
function layer.without_tensors(build, most)
  local before = building_without_tensors
  building_without_tensors = true
  local ok, result = pcall(layer.without_initial_values, build, most)
  building_without_tensors = before
  if not ok then error(result, 0) end
  return result
end

local initializers = {
  zeros = function() end, -- new tensors hold zeros
  ones = function(t) core.fill(t, 1) end,
  glorot = function(t, sizes) -- Glorot and Bengio 2010
    local fan_in, fan_out = fans(sizes)
    local limit = math.sqrt(6 / (fan_in + fan_out))
    local seed, stream = random.next_stream()
    core.fill_uniform(t, seed, stream, -limit, limit)
  end,
  he = function(t, sizes) -- He et al. 2015
    local seed, stream = random.next_stream()
    core.fill_normal(t, seed, stream, 0, math.sqrt(2 / (fans(sizes))))
  end,
}

--- The number of elements of an output or a parameter. Raises if it, or one of the sizes, is above the limits of shape.lua.
local function count_elements(self, what, sizes)
  for _, size in ipairs(sizes) do
    if size > shape.largest_size then self:fail("%s of shape %s is too large: a size is at most %d", what, shape.text(sizes), shape.largest_size) end
  end
  return shape.count(sizes) or shape.elements(sizes, ("%s: %s"):format(self:title(), what))
end

-- counts the bytes of f32 elements against the limit; 4.0 makes it a float, which does not overflow
local function pay_for(self, elements)
  building_without_values = building_without_values - 4.0 * elements
  if building_without_values < 0 then self:fail "its weights would take far more memory than the file has bytes" end
end

local function initialize(tensor, p)
  if type(p.init) == "number" then core.fill(tensor, p.init) else initializers[p.init](tensor, p.shape) end
end

local function make_parameters(self, shapes)
  local list = {}
  for i, p in ipairs(self.define_parameters and self:define_parameters(table.unpack(shapes)) or {}) do
    local elements = count_elements(self, p.name, p.shape)
    if building_without_values then pay_for(self, elements) end
    local tensor = not building_without_tensors and core.new(p.shape, "f32") or nil
    if not building_without_values then initialize(tensor, p) end
    local drawn = not building_without_values and (p.init == "glorot" or p.init == "he") and tensor:version() or nil
    list[i] = { name = p.name, tensor = tensor, statistic = p.statistic or false, init = p.init, drawn = drawn }
  end
  return list
end

-- ---- layers ---------------------------------------------------------------------------------------------------------

local methods = {}

--- Its parameter of that name, or nil.
---@param name string
---@return scion.Parameter?
function methods:parameter(name)
  for _, p in ipairs(self.parameters) do
    if p.name == name then return p end
  end
end

--- The tensor of its parameter of that name, or nil.
---@param name string
---@return scion.Tensor?
function methods:weight(name)
  local p = self:parameter(name)
  return p and p.tensor
end

--- The parameters that a training step changes by their gradients; none if the layer is frozen.
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

-- methods for definitions of layers and for the passes of plan/
local internal = {}

--- Raises a message that begins with the layer's name.
---@param message string a format, as for string.format
---@param ... any its arguments
function internal:fail(message, ...) check.raise(("%s: " .. message):format(self:title(), ...)) end

--- Raises unless there are `count` inputs, each with `dims` dimensions.
---@param shapes integer[][] of the inputs, without the batch
---@param count integer
---@param dims integer? 3 for images, 1 for vectors (any)
function internal:expect(shapes, count, dims)
  if #shapes ~= count then self:fail("takes %d input%s, not %d", count, count == 1 and "" or "s", #shapes) end
  for _, sizes in ipairs(shapes) do
    if dims and #sizes ~= dims then
      self:fail("takes %s, not an input of shape %s", dims == 3 and "images (height, width, channels)" or "vectors", shape.text(sizes))
    end
  end
end

--- The shape of its output. This default, which definitions may replace, is the shape of its only input.
---@param ... integer[] shapes of the inputs
---@return integer[]
function internal:output_shape(...)
  self:expect({ ... }, 1)
  return { table.unpack((...)) }
end

local nodes = check.list(node.kind, nil, "a node or a list of nodes")

--- Applies the layer: `layer(node)` or `layer{ node, node }` returns the node of its output. The parameters are made here, since their
--- shapes depend on the inputs.
local function apply(self, inputs, ...)
  if ... ~= nil then self:fail("is applied to one node, or to several in a list, layer{ a, b }, not to %d arguments", 1 + select("#", ...)) end
  if node.is(inputs) then inputs = { inputs } end
  local ok, list, complaint = nodes.read(inputs)
  if not ok then
    local remedy = check.instance("scion.Model", "a model").read(inputs) and "; to put layers onto a model, use model:graft{ … }" or ""
    complaint = complaint and complaint:gsub("^is ", "is applied to ", 1) or ("is applied to %s, not to %s"):format(nodes.what, check.show(inputs))
    self:fail("%s%s", complaint, remedy)
  end
  if self.node then self:fail "was applied already; make a second layer, since a layer stands once in a graph" end
  local shapes = {}
  for i, input in ipairs(list) do shapes[i] = input.shape end
  local sizes = self:output_shape(table.unpack(shapes))
  count_elements(self, "its output", sizes)
  self.parameters = make_parameters(self, shapes)
  self.node = node.new { layer = self, inputs = list, shape = printable.table(sizes) }
  return self.node
end

-- ---- constructors ---------------------------------------------------------------------------------------------------

--- Reads a constructor's arguments: values for the positional options and then a table of the others, or one table of all options.
--- Raises as check.options does, and if an option is given twice or an argument has no meaning.
---@param where string the constructor's name, such as "nn.conv2d"
---@param positional string[] names of the options that may be given by position, in order
---@param schema table as for check.options
---@param ... any the arguments
---@return table options
function layer.arguments(where, positional, schema, ...)
  local given, arguments = {}, table.pack(...)
  for i = 1, arguments.n do
    local value, name = arguments[i], positional[i]
    if node.is(value) then
      local call = ("%s(%s)"):format(where, #positional > 0 and "…" or "")
      check.raise(("%s makes a layer, and was called with a node: write %s in a list of layers, or %s(x) to apply it"):format(where, call, call))
    end
    if type(value) == "table" and i == arguments.n and (not name or (rawlen(value) == 0 and getmetatable(value) == nil)) then
      check.plain(where, value, schema)
      for key, each in next, value do
        if given[key] ~= nil then check.raise(("%s: %s is given twice"):format(where, check.show(key))) end
        given[key] = each
      end
    elseif name then
      given[name] = value
    elseif value ~= nil then
      local known = #positional > 0 and table.concat(positional, ", ") .. " and " or ""
      check.raise(("%s takes %sa table of options; argument %d is %s"):format(where, known, i, check.show(value)))
    end
  end
  return check.options(where, given, schema)
end

--- The arguments of constructors that take their positional option in the table of the others, too: flip{ "vertical", p = 0.3 } is
--- flip("vertical", { p = 0.3 }).
---@param ... any the arguments
---@return any ... for layer.arguments
function layer.spread(...)
  local first = ...
  if select("#", ...) ~= 1 or type(first) ~= "table" or type(rawget(first, 1)) ~= "string" or getmetatable(first) ~= nil then return ... end
  local named = {}
  for key, value in next, first do
    if key ~= 1 then named[key] = value end
  end
  return first[1], named
end

--- Adds the options of a definition to `common`, the options that all layers or all blocks have.
local function extended(schema, common)
  for name, option in pairs(schema or {}) do common[name] = option end
  return common
end

--- Optional parts of a definition that passes read from every layer. They are declared as fields, so that reading one that is absent
--- gives nil and does not raise.
local fields = { "window", "bf16", "int8", "fold", "folds_norm", "folds_pixels", "fuses_activation", "fuses_addend", "fuses_padding", "identity", "uses_batch", "macs",
                 "define_parameters", "check", "node", "derived" }

--- Makes a constructor from a definition. Parts of a definition:
---   kind               its name in nn
---   positional         names of the options that may be given by position
---   schema             its options, as for check.options; name and origin are added
---   fields             names of further values that it keeps in the layer
---   check              called with each new layer
---   output_shape       (self, shapes…) the shape of its output, if that is not the input's
---   define_parameters  (self, shapes…) a list of { name, shape, init, statistic }
---   forward, backward  (self, e) add kernel calls by a scion.Emitter
---   macs               (self, x, y) multiply-adds for one example, from the shapes of its input and output
---   bf16               "computes": its kernels read and write bf16 or f32; "carries": they write the dtype that they read
---   folds_pixels       whether its kernel of int8 can take over the preprocessing of images
---   int8               "computes": its forward kernel reads codes (see ir/quantization.lua) and writes codes or f32; "carries": codes in, codes
---                      of the same scale and zero point out
---@param definition table
---@return fun(...): scion.Layer
function layer.define(definition)
  local where, schema, own = "nn." .. definition.kind, extended(definition.schema, { name = { kinds.name }, origin = { kinds.origin } }), { table.unpack(fields) }
  for name, method in pairs(internal) do
    if definition[name] == nil then definition[name] = method end
  end
  for _, name in ipairs(definition.fields or {}) do own[#own + 1] = name end
  local made = class.define {
    name = "scion.Layer", title = "a layer", call = "layer", methods = methods, internal = definition, fields = own,
    locked = { "kind", "origin", "options", "parameters" }, settable = { frozen = check.boolean, name = kinds.name },
    changed = function(key)
      if key == "frozen" then graph.revise() end
    end,
    instead = { trainable = "'frozen' says whether it stays as it is" },
    meta = { __call = apply, __tostring = function(self) return ("%s (%s)"):format(self:title(), self.kind) end },
  }
  return function(...)
    local options = layer.arguments(where, definition.positional or {}, schema, ...)
    local name, origin = options.name, options.origin
    options.name, options.origin = nil, nil
    local self = made.new { name = name, origin = origin, options = printable.table(options), parameters = {}, frozen = false, derived = {} }
    if definition.check then definition.check(self) end
    return self
  end
end

-- ---- several layers -------------------------------------------------------------------------------------------------

--- A block: called with a node, it applies several layers and returns the node of the last one's output.
---@class scion.Block
---@operator call(scion.Node): scion.Node
local block = class.define {
  name = "scion.Block", title = "a block", fields = { "build" }, locked = { "kind", "options" },
  meta = {
    __call = function(self, x)
      if not node.is(x) then check.raise(("%s: a block is applied to a node, not to %s"):format(self.options.name or self.kind, check.show(x))) end
      local function named(part) return self.options.name and self.options.name .. "/" .. part or nil end
      return self.build(x, self.options, named)
    end,
    __tostring = function(self) return ("%s (%s)"):format(self.options.name or self.kind, self.kind) end,
  },
}

--- Makes a block's constructor from a definition: kind, positional and schema as for a layer, and build(x, options, named), which applies
--- the layers and returns the last node. named(part) is the name for one of the layers: "<the block's name>/<part>", or nil without one.
---@param definition table
---@return fun(...): scion.Block
function layer.define_block(definition)
  local where, schema = "nn." .. definition.kind, extended(definition.schema, { name = { kinds.name } })
  return function(...)
    return block.new { kind = definition.kind, options = layer.arguments(where, definition.positional or {}, schema, ...), build = definition.build }
  end
end

--- An element of a chain: a layer, a block, or a user's function from node to node.
local link = { what = "a layer, such as nn.relu(), or a block", read = function(value)
  local meta = type(value) == "table" and getmetatable(value)
  if type(value) == "function" then return true, value end
  return meta and (rawget(meta, "__name") == "scion.Layer" or block.is(value)) or false, value
end }

--- A list of layers, blocks and functions, without holes.
layer.chain = check.list(link, nil, "a list of layers and blocks")

--- Applies the elements of a chain one after the other. Raises if a function returns something other than a node.
---@param where string the name of the function that the user called, for messages
---@param x scion.Node
---@param list table as layer.chain reads it
---@return scion.Node x the last output
function layer.apply(where, x, list)
  for i, each in ipairs(list) do
    x = each(x)
    if not node.is(x) then check.raise(("%s: the function at element %d gives %s, not a node"):format(where, i, check.show(x))) end
  end
  return x
end

-- ---- windows --------------------------------------------------------------------------------------------------------

--- A list of two, { vertical, horizontal }, from a number or such a list: kernel = 3 means { 3, 3 }.
---@param value integer|integer[]
---@return integer[] pair a new list
function layer.pair(value)
  if type(value) == "number" then return { value, value } end
  return { value[1], value[2] }
end

--- A list of four, { top, left, bottom, right }, from a number or such a list.
---@param value integer|integer[]
---@return integer[] sides a new list
function layer.sides(value)
  if type(value) == "number" then return { value, value, value, value } end
  return { table.unpack(value) }
end

--- The padding that a window's option gives an axis.
---@param padding any the option: see layer.window
---@param axis integer 1 or 2
---@param size integer of the input along it
---@param extent integer of the dilated window along it
---@param stride integer
---@return integer before
---@return integer after
function layer.padding(padding, axis, size, extent, stride)
  if padding == "valid" then return 0, 0 end
  if padding == "same" then
    local missing = math.max(((size + stride - 1) // stride - 1) * stride + extent - size, 0)
    return missing // 2, missing - missing // 2
  end
  -- the limit extent - 1: the last window holds at least one element of the input
  if padding == "ceil" then return 0, math.min((extent - size) % stride, extent - 1) end
  local sides = layer.sides(padding)
  return sides[axis], sides[axis + 2]
end

local largest_window = 65535 -- of kernel size, stride, dilation or padding: a limit of the C kernels

--- The window of a convolution or pooling over an input of that shape, and the size of its output. The option `padding` is
---   "valid"  no padding;
---   "same"   as Keras pads: the output has ceil(size / stride) elements, and an odd element of padding goes after the axis;
---   "ceil"   none before; after, as much as one more window needs that begins in the input and reaches beyond it (PyTorch's ceil_mode);
---   a number of pixels for all sides, or { top, left, bottom, right }.
--- Raises if the window does not fit, or exceeds the limits of the C kernels.
---@param sizes integer[] of the input: height, width, …
---@return table window, integer height, integer width
function layer.window(self, sizes)
  local o = self.options
  local kernel, stride, dilation = layer.pair(o.kernel), layer.pair(o.stride or o.kernel), layer.pair(o.dilation or 1)
  local window = { kernel = kernel, stride = stride, dilation = dilation, before = { 0, 0 }, after = { 0, 0 } }
  local out = {}
  for axis = 1, 2 do
    local extent = (kernel[axis] - 1) * dilation[axis] + 1
    window.before[axis], window.after[axis] = layer.padding(o.padding, axis, sizes[axis], extent, stride[axis])
    local largest = math.max(kernel[axis], stride[axis], dilation[axis], window.before[axis], window.after[axis])
    if largest > largest_window then self:fail("kernel, stride, dilation and padding of a window are at most %d, not %d", largest_window, largest) end
    local padded = sizes[axis] + window.before[axis] + window.after[axis]
    out[axis] = (padded - extent) // stride[axis] + 1
    if out[axis] < 1 or padded > shape.largest_size then
      self:fail("a window of %dx%d%s does not fit into an input of %s", kernel[1], kernel[2],
                dilation[1] * dilation[2] > 1 and (", dilated by %dx%d,"):format(dilation[1], dilation[2]) or "", shape.text(sizes))
    end
  end
  return window, out[1], out[2]
end

--- The same for pooling. It raises, too, if the padding is as large as the window: a window without elements has no maximum or mean.
---@param self scion.Layer
---@param sizes integer[] of the input
---@return table window, integer height, integer width
function layer.pooling_window(self, sizes)
  local window, height, width = layer.window(self, sizes)
  for axis = 1, 2 do
    local padding = math.max(window.before[axis], window.after[axis])
    if padding >= window.kernel[axis] then self:fail("padding of %d is as large as the window, %d: it would hold nothing", padding, window.kernel[axis]) end
  end
  return window, height, width
end

return layer
