--- Reads the description that Keras stores with a whole model: the attribute model_config of an .h5 file, or config.json in a .keras
--- archive. From it come the order of the layers, how images are rescaled before the first layer with weights, and the last activation.
local core = require "scion.core"
local last_part = require "scion.weights.last_part"

local keras_config = {}

---@class scion.KerasConfig
---@field class string Keras's class: "Conv2D"
---@field config table its options
---@field name string?
---@field module any where Python finds the class: "keras.layers"; nil in older files
---@field nodes any inbound_nodes: see keras_config.calls
---@field layers scion.KerasConfig[]? of a model

local function field(value, key) return type(value) == "table" and value[key] or nil end

--- Operations that Keras 2 has as functions of TensorFlow, by Keras 3's class.
local functions = { ["math.truediv"] = "TrueDivide", ["math.divide"] = "TrueDivide", ["math.multiply"] = "Multiply", ["math.add"] = "Add",
                    ["__operators__.add"] = "Add", ["nn.bias_add"] = "Add", ["math.subtract"] = "Subtract", ["__operators__.getitem"] = "GetItem" }

--- Names that classes have or had beside the ones they are known by here.
local aliases = { Convolution2D = "Conv2D", SeparableConvolution2D = "SeparableConv2D", BatchNormalizationV1 = "BatchNormalization",
                  BatchNormalizationV2 = "BatchNormalization", SyncBatchNormalization = "BatchNormalization", ["Custom>CustomScaleLayer"] = "CustomScaleLayer" }

local unreadable = {} -- raised by `tree`

--- The name of a class of the user's own, which may have that of one of Keras's: "my>Conv2D"; nil for the others. Keras 3 tells no module of it, and
--- the name by which it finds it.
local function own_name(described, class)
  local module, registered = field(described, "module"), field(described, "registered_name")
  if type(module) == "string" or type(registered) ~= "string" then return nil end
  return registered:find(">", 1, true) and registered or "Custom>" .. class
end

--- Turns decoded JSON into a scion.KerasConfig. Nothing in it is trusted to have the right type. Raises `unreadable` where a layer has no
--- class.
local function tree(described)
  local config, class = field(described, "config"), field(described, "class_name")
  if type(class) ~= "string" then error(unreadable) end
  local node = { class = class, config = type(config) == "table" and config or {}, module = field(described, "module"), nodes = field(described, "inbound_nodes") }
  local called = (class == "TFOpLambda" or class == "SlicingOpLambda") and node.config["function"]
  node.class = called and functions[called] or own_name(described, class) or aliases[class] or class
  node.name = type(node.config.name) == "string" and node.config.name or nil
  local layers = node.config.layers or class == "Sequential" and node.config[1] ~= nil and node.config -- the first releases had just the list
  if type(layers) ~= "table" then return node end
  node.layers = {}
  for i, layer in ipairs(layers) do node.layers[i] = tree(layer) end
  return node
end

local most_tables = 50000 -- JSON arrays and objects of a description: a layer has about twenty, of half a kilobyte of memory each

--- The longest description that is read from a file of that size.
---@param size integer bytes
---@return integer bytes
function keras_config.longest(size) return (1 << 20) + size // 32 end

local lists_layers = { Functional = true, Model = true, Sequential = true } -- classes of models, which tell their layers

--- Reads a description.
---@param text string
---@return scion.KerasConfig? config nil where it cannot be read, or does not tell its layers
---@return string? subclassed the class of a model that does not tell its layers
---@return string? damage why it cannot be read, in words
function keras_config.read(text)
  local _, tables = text:gsub("[%[{]", "%0")
  if tables > most_tables then return nil, nil, ("it has more than %d lists and objects"):format(most_tables) end
  local described, problem = core.json_decode(text)
  if type(described) ~= "table" then return nil, nil, problem or "it holds no object" end
  local ok, root = pcall(tree, described)
  if not ok and root ~= unreadable then error(root, 0) end
  if not ok then return nil, nil, "a layer in it has no class_name" end
  if root.layers then return root end
  if lists_layers[root.class] then return nil, nil, "its model has no list of layers" end
  return nil, root.class:match ">(.+)$" or root.class
end

--- Calls visit(layer) in order for all layers within a model, also within its inner models but not for these themselves. Stops when visit
--- returns anything but nil, and returns that.
local function each(model, visit)
  for _, layer in ipairs(model.layers) do
    local result
    if layer.layers then result = each(layer, visit) else result = visit(layer) end
    if result ~= nil then return result end
  end
end

--- All layers within a model and its inner models, in order, each with the layer or inner model of the outermost model that it is part of,
--- and with its path: its name, after those of the inner models that it is in, "base/conv".
---@param root scion.KerasConfig
---@return { layer: scion.KerasConfig, top: scion.KerasConfig, path: string }[]
function keras_config.leaves(root)
  local leaves = {}
  local function visit(model, within, top)
    for _, layer in ipairs(model.layers) do
      local path = within .. (layer.name or "")
      if layer.layers then visit(layer, path .. "/", top or layer) else leaves[#leaves + 1] = { layer = layer, top = top or layer, path = path } end
    end
  end
  visit(root, "", nil)
  return leaves
end

--- The position of each layer, by its name; false for a name that occurs twice.
---@param root scion.KerasConfig?
---@return table<string, integer|false>
function keras_config.ranks(root)
  local ranks, count = {}, 0
  if not root then return ranks end
  each(root, function(layer)
    if not layer.name then return end
    count = count + 1
    ranks[layer.name] = ranks[layer.name] == nil and count
  end)
  return ranks
end

--- LoRA's alpha of the layers that have one, by their names.
---@param root scion.KerasConfig?
---@return table<string, number>
function keras_config.alphas(root)
  local alphas = {}
  if not root then return alphas end
  each(root, function(layer)
    local alpha = layer.config.lora_alpha
    if layer.name and type(alpha) == "number" then alphas[layer.name] = alpha end
  end)
  return alphas
end

--- The name of a class in the groups of Keras 3's files: "conv2d", "batch_normalization".
---@param class string
---@return string
function keras_config.snake_case(class)
  return class:gsub("%W+", ""):gsub("(.)(%u%l+)", "%1_%2"):gsub("(%l)(%u)", "%1_%2"):lower()
end

--- The paths of the layers' groups in Keras 3's files, in the order of the layers.
---@param root scion.KerasConfig
---@param group string path of the group that holds the model's layers: "/layers"
---@return string[]
function keras_config.groups(root, group)
  local paths, folder = {}, last_part(group, "/")
  local function visit(model, within)
    local count = {}
    for _, layer in ipairs(model.layers) do
      local class = keras_config.snake_case(layer.class)
      local path = within .. "/" .. (count[class] and class .. "_" .. count[class] or class)
      count[class] = (count[class] or 0) + 1
      if layer.layers then visit(layer, path .. "/" .. folder) else paths[#paths + 1] = path end
    end
  end
  visit(root, group)
  return paths
end

-- ---- calls ----------------------------------------------------------------------------------------------------------

--- A number, or a list of three, which may be nested as [[[[1, 2, 3]]]]; nil for anything else.
local function factor(value)
  while type(value) == "table" and #value == 1 do value = value[1] end
  if type(value) == "number" then return value end
  if type(value) ~= "table" then return end
  if type(value.config) == "table" and value.config.value ~= nil then return factor(value.config.value) end
  for c = 1, 3 do
    if type(value[c]) ~= "number" then return end
  end
  return #value == 3 and value or nil
end

--- One call of a layer: what it is applied to.
---@class scion.KerasCall
---@field inputs { layer: any, call: any, output: any }[] whose outputs it takes: names of layers, which of their calls, which output
---@field constant number|number[]|nil the other operand of an operation
---@field first boolean? whether the constant comes first, as in 1 - x
---@field index any what stands in the brackets of x[…]
---@field training any the argument `training`
---@field unread boolean? whether it has operands that are neither outputs nor the constant, such as a whole array

--- Adds the outputs that an argument in Keras 3's form holds. Anything else but a flag, such as `training`, is an operand that is not read.
local function add_inputs(call, argument)
  if argument == core.null or type(argument) == "boolean" then return end
  local history = field(argument, "class_name") == "__keras_tensor__" and field(argument.config, "keras_history")
  if history then
    call.inputs[#call.inputs + 1] = { layer = field(history, 1), call = field(history, 2), output = field(history, 3) }
  elseif type(argument) ~= "table" or argument.class_name ~= nil then
    call.unread = true
  else
    for _, element in ipairs(argument) do add_inputs(call, element) end
  end
end

local function set_constant(call, value)
  call.constant, call.first = factor(value), #call.inputs == 0
  return call.constant ~= nil
end

--- A call as Keras 3 writes it: { args = { output, 127.5 }, kwargs = {} }.
local function read_call(args)
  local call = { inputs = {}, index = field(args, 2) }
  for _, argument in ipairs(type(args) == "table" and args or {}) do
    if call.constant or not set_constant(call, argument) then add_inputs(call, argument) end
  end
  return call
end

--- A call as Keras 2 writes it: { { name, number of the call, number of the output, other arguments }, … }, or only one of these.
local function read_older_call(node)
  local call = { inputs = {} }
  for _, item in ipairs(type(node) == "table" and (type(node[1]) == "string" and { node } or node) or {}) do
    local name, more = field(item, 1), field(item, 4)
    if name == "_CONSTANT_VALUE" then
      call.unread = call.constant ~= nil or not set_constant(call, item[3]) or call.unread
    else
      call.inputs[#call.inputs + 1] = { layer = name, call = field(item, 2), output = field(item, 3) }
    end
    for _, key in ipairs { "y", "bias", "value" } do
      local other = field(more, key)
      if type(field(other, 1)) == "string" then
        call.inputs[#call.inputs + 1] = { layer = other[1], call = other[2], output = other[3] }
      elseif other ~= nil then
        call.unread = call.constant ~= nil or not set_constant(call, other) or call.unread
      end
    end
    call.index, call.training = field(more, "slice_spec"), field(more, "training")
  end
  return call
end

--- The calls of a layer within its model; none where the file tells of none.
---@param layer scion.KerasConfig
---@return scion.KerasCall[]
function keras_config.calls(layer)
  local calls = {}
  for i, node in ipairs(type(layer.nodes) == "table" and layer.nodes or {}) do
    local args = field(node, "args")
    calls[i] = args and read_call(args) or read_older_call(node)
    if args then calls[i].training = field(node.kwargs, "training") end
  end
  return calls
end

-- ---- before the first layer with weights ----------------------------------------------------------------------------

--- What is done to each of the three channels of an image: x * scale + shift.
---@class scion.Affine
---@field scale number[]
---@field shift number[]

--- The identity.
---@return scion.Affine
function keras_config.no_change() return { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 } } end

--- Appends a step x * scale + shift, of numbers or lists of three; changes `affine`.
---@param affine scion.Affine
---@param scale number|number[]
---@param shift number|number[]
function keras_config.add_step(affine, scale, shift)
  for c = 1, 3 do
    local a, b = type(scale) == "table" and scale[c] or scale, type(shift) == "table" and shift[c] or shift
    affine.scale[c], affine.shift[c] = affine.scale[c] * a, affine.shift[c] * a + b
  end
end

local function each_of(value, change)
  if type(value) == "number" then return change(value) end
  return { change(value[1]), change(value[2]), change(value[3]) }
end

local function times(a, b)
  if type(a) == "number" and type(b) == "number" then return a * b end
  local product = {}
  for c = 1, 3 do product[c] = (type(a) == "table" and a[c] or a) * (type(b) == "table" and b[c] or b) end
  return product
end

local function inverse(x) return 1 / x end
local function negative(x) return -x end

--- Operations with a constant, and one without, by Keras 3's class: their scale and shift.
local steps = {
  Negative = function() return -1, 0 end,
  TrueDivide = function(y, first) if not first then return each_of(y, inverse), 0 end end,
  Multiply = function(y) return y, 0 end,
  Add = function(y) return 1, y end,
  Subtract = function(y, first)
    if first then return -1, y end
    return 1, each_of(y, negative)
  end,
}

--- A Normalization whose mean and variance are options, and not weights.
local function normalized(config)
  local mean, variance = factor(config.mean), factor(config.variance)
  if not mean or not variance or config.invert == true then return end
  local scale = each_of(variance, function(v) return 1 / math.max(math.sqrt(math.max(v, 0)), 1e-7) end) -- as Keras limits it
  return scale, times(each_of(mean, negative), scale)
end

--- What a layer does to its input if that is x * scale + shift: a Rescaling, an operation with a constant, or a Normalization with given
--- numbers. nil for anything else.
---@param layer scion.KerasConfig
---@return number|number[]|nil scale
---@return number|number[]|nil shift
function keras_config.step(layer)
  if layer.class == "Rescaling" then
    local scale, shift = factor(layer.config.scale), factor(layer.config.offset or 0)
    if scale and shift then return scale, shift end
  end
  if layer.class == "Normalization" then return normalized(layer.config) end
  local call = steps[layer.class] and keras_config.calls(layer)[1]
  if call and (call.constant or layer.class == "Negative") then return steps[layer.class](call.constant, call.first) end
end

--- Layers that leave the values of an image as they are.
local passed_over = { InputLayer = true, ZeroPadding2D = true, Dropout = true, GaussianNoise = true, Resizing = true, CenterCrop = true, Cast = true }

--- Classes of layers that may do anything to an image.
local function is_unknown(class) return class == "Lambda" or class:find "^TFOp" or class:find "^Slicing" or class == "GetItem" or class == "Stack" end

--- How a model rescales an image before its first layer with weights: one step, and another one behind each Normalization whose numbers
--- are weights. nil where it does not rescale, or does something that is not understood; the second result tells which.
---@param root scion.KerasConfig
---@return scion.Affine[]? parts
---@return boolean? unknown true where something is not understood
function keras_config.front(root)
  local parts, found = { keras_config.no_change() }, false
  local unknown = each(root, function(layer) -- gives true at what is not understood, false at the first layer with weights
    local class, scale, shift = layer.class -- no step unless one is found
    if class == "Normalization" and not factor(layer.config.mean) then
      parts[#parts + 1], found = keras_config.no_change(), true
      return
    elseif class == "Rescaling" or class == "Normalization" or steps[class] then
      scale, shift = keras_config.step(layer)
    elseif passed_over[class] or class:find "^Random" then
      return
    else
      return is_unknown(class) or false
    end
    if not scale or not shift then return true end
    keras_config.add_step(parts[#parts], scale, shift)
    found = true
  end)
  return not unknown and found and parts or nil, unknown
end

--- The height and width of the images that a model takes; nil where it leaves them open, or does not tell.
---@param root scion.KerasConfig
---@return integer[]?
function keras_config.input_size(root)
  local shape
  for _, leaf in ipairs(keras_config.leaves(root)) do shape = shape or leaf.layer.config.batch_shape or leaf.layer.config.batch_input_shape end
  if type(shape) ~= "table" or math.type(shape[2]) ~= "integer" or math.type(shape[3]) ~= "integer" then return nil end
  return { shape[2], shape[3] }
end

--- How many Rescaling layers a model has.
---@param root scion.KerasConfig
---@return integer
function keras_config.rescalings(root)
  local count = 0
  each(root, function(layer) count = count + (layer.class == "Rescaling" and 1 or 0) end)
  return count
end

-- ---- activations ----------------------------------------------------------------------------------------------------

--- Our names of activations that Keras calls otherwise.
keras_config.activations = { silu = "swish", hard_silu = "hard_swish", softmax_v2 = "softmax" }

--- Our names of activations by the class of a layer that stands for a function, such as keras.ops.relu.
keras_config.functional = { Relu = "relu", Relu6 = "relu6", Sigmoid = "sigmoid", HardSigmoid = "hard_sigmoid", Tanh = "tanh", Silu = "swish",
                            HardSilu = "hard_swish" }

-- ---- at its end -----------------------------------------------------------------------------------------------------

--- The activation of the model's last layer, "linear" where that has none; nil where the model does not end in a classifier.
---@param root scion.KerasConfig
---@return string?
function keras_config.activation(root)
  local last, computed
  each(root, function(layer)
    if layer.class ~= "Dropout" then last, computed = layer, last end
  end)
  if not last then return end
  if last.class == "Softmax" then return "softmax" end
  local own = last.config.activation
  if last.class == "Activation" and computed then return type(own) == "string" and own or nil end
  return last.class == "Dense" and (own == nil and "linear" or type(own) == "string" and own) or nil
end

return keras_config
