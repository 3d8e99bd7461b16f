--- Reads the description that Keras stores with a whole model: the attribute model_config of an .h5 file, or config.json in a .keras
--- archive. From it come the order of the layers, how images are rescaled before the first layer with weights, and the last activation.
local core = require "scion.core"

local keras_config = {}

---@class scion.KerasConfig
---@field class string Keras's class: "Conv2D"
---@field config table its options
---@field name string?
---@field operands any inbound_nodes: for an operation such as an addition, they hold its other operand
---@field layers scion.KerasConfig[]? of a model

local function field(value, key) return type(value) == "table" and value[key] or nil end

--- Turns decoded JSON into a scion.KerasConfig. Nothing in it is trusted to have the right type.
local function tree(described)
  local config = field(described, "config")
  local node = { class = tostring(field(described, "class_name")), config = type(config) == "table" and config or {}, operands = field(described, "inbound_nodes") }
  node.name = type(node.config.name) == "string" and node.config.name or nil
  if type(node.config.layers) ~= "table" then return node end
  node.layers = {}
  for i, layer in ipairs(node.config.layers) do node.layers[i] = tree(layer) end
  return node
end

local most_tables = 50000 -- JSON arrays and objects of a description: a layer has about twenty, of half a kilobyte of memory each

--- The longest description that is read from a file of that size.
---@param size integer bytes
---@return integer bytes
function keras_config.longest(size) return (1 << 20) + size // 32 end

--- Reads a description; nil when the text is none, or is too large.
---@param text any
---@return scion.KerasConfig?
function keras_config.read(text)
  if type(text) ~= "string" then return end
  local _, tables = text:gsub("[%[{]", "%0")
  local described = tables <= most_tables and core.json_decode(text)
  local root = tree(described or nil)
  return root.layers and root or nil
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

--- The name of a class in the groups of Keras 3's files: "conv2d", "batch_normalization".
local function snake_case(class)
  return class:gsub("%W+", ""):gsub("(.)(%u%l+)", "%1_%2"):gsub("(%l)(%u)", "%1_%2"):lower()
end

--- The paths of the layers' groups in Keras 3's files, in the order of the layers.
---@param root scion.KerasConfig
---@param group string path of the group that holds the model's layers: "/layers"
---@return string[]
function keras_config.groups(root, group)
  local paths, folder = {}, group:match "[^/]*$"
  local function visit(model, within)
    local count = {}
    for _, layer in ipairs(model.layers) do
      local class = snake_case(layer.class)
      local path = within .. "/" .. (count[class] and class .. "_" .. count[class] or class)
      count[class] = (count[class] or 0) + 1
      if layer.layers then visit(layer, path .. "/" .. folder) else paths[#paths + 1] = path end
    end
  end
  visit(root, group)
  return paths
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

--- The constant operand of an operation, as Keras 3 or Keras 2 writes it; nil where there is none.
local function operand(layer)
  local call = field(layer.operands, 1)
  local args = field(call, "args")
  if args then return factor(field(args, 2)) end
  return factor(field(field(field(call, 1), 4), "y"))
end

local function each_of(value, change)
  if type(value) == "number" then return change(value) end
  return { change(value[1]), change(value[2]), change(value[3]) }
end

local function inverse(x) return 1 / x end
local function negative(x) return -x end

--- Operations with a constant, by Keras 3's class: their scale and shift. Keras 2 has them as functions.
local steps = {
  TrueDivide = function(y) return each_of(y, inverse), 0 end,
  Multiply = function(y) return y, 0 end,
  Add = function(y) return 1, y end,
  Subtract = function(y) return 1, each_of(y, negative) end,
}
local functions = { ["math.truediv"] = "TrueDivide", ["math.divide"] = "TrueDivide", ["math.multiply"] = "Multiply", ["math.add"] = "Add",
                    ["__operators__.add"] = "Add", ["math.subtract"] = "Subtract" }

--- Layers that leave the values of an image as they are.
local passed_over = { InputLayer = true, ZeroPadding2D = true, Dropout = true, GaussianNoise = true, Resizing = true, CenterCrop = true }

--- Classes of layers that may do anything to an image.
local function is_unknown(class) return class == "Lambda" or class:find "^TFOp" or class:find "^Slicing" or class == "GetItem" or class == "Stack" end

--- Scale and shift of a Normalization whose numbers are fixed; nil where they are not understood.
local function normalized(config)
  local mean, variance = factor(config.mean), factor(config.variance)
  if not mean or not variance or config.invert then return end
  local scale, shift = {}, {}
  for c = 1, 3 do
    local m, v = type(mean) == "table" and mean[c] or mean, type(variance) == "table" and variance[c] or variance
    scale[c] = 1 / math.sqrt(v)
    shift[c] = -m * scale[c]
  end
  return scale, shift
end

--- How a model rescales an image before its first layer with weights: one step, and another one behind each Normalization whose numbers
--- are weights. nil where it does not rescale, or does something that is not understood.
---@param root scion.KerasConfig
---@return scion.Affine[]?
function keras_config.front(root)
  local parts, found = { keras_config.no_change() }, false
  local unknown = each(root, function(layer) -- gives true at what is not understood, false at the first layer with weights
    local class = layer.config["function"]
    class = layer.class == "TFOpLambda" and type(class) == "string" and functions[class] or layer.class
    local scale, shift
    if class == "Rescaling" then
      scale, shift = factor(layer.config.scale), factor(layer.config.offset or 0)
    elseif class == "Normalization" and not factor(layer.config.mean) then
      parts[#parts + 1], found = keras_config.no_change(), true
      return
    elseif class == "Normalization" then
      scale, shift = normalized(layer.config)
    elseif steps[class] then
      local constant = operand(layer)
      if constant then scale, shift = steps[class](constant) end
    elseif passed_over[class] or class:find "^Random" then
      return
    else
      return is_unknown(class) or false
    end
    if not scale or not shift then return true end
    keras_config.add_step(parts[#parts], scale, shift)
    found = true
  end)
  return not unknown and found and parts or nil
end

--- How many Rescaling layers a model has.
---@param root scion.KerasConfig
---@return integer
function keras_config.rescalings(root)
  local count = 0
  each(root, function(layer) count = count + (layer.class == "Rescaling" and 1 or 0) end)
  return count
end

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
