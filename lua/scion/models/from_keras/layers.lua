--- What Keras's layers are here: for each class a function from a layer's description and its inputs to the node of its output. Options
--- that a description leaves out have Keras's defaults. Layers that do nothing in a prediction are left out.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local keras_config = require "scion.weights.keras_config"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local nn = require "scion.nn"
local shape = require "scion.shape"
local stand_in = require "scion.models.from_keras.stand_in"

-- ---- one layer ------------------------------------------------------------------------------------------------------

--- A layer of Keras's that is being built.
---@class scion.KerasLayerBuilder
---@field described scion.KerasConfig
---@field name string of the layer here
---@field frozen boolean
---@field graph table that it belongs to: see graph.lua
---@field read table<string, boolean> the options that were read
local methods = {}

--- An option; nil where the file has none or null.
---@param key string
---@return any
function methods:get(key)
  self.read[key] = true
  local value = self.described.config[key]
  if value ~= core.null then return value end
end

--- An option of a kind; raises on any other value.
---@param key string
---@param kind scion.Kind
---@param default any where the file has none
---@return any
function methods:option(key, kind, default)
  local value = self:get(key)
  if value == nil then return default end
  local ok, result, complaint = kind.read(value)
  if not ok then check.raise(("%s %s"):format(key, complaint or ("is %s, not %s"):format(kind.what, check.show(value)))) end
  return result
end

--- Raises where an option asks for something that layers here lack.
---@param key string
---@param expected any
---@param lacking string what the message says after the value
function methods:only(key, expected, lacking)
  local value = self:get(key)
  if value ~= nil and value ~= expected then check.raise(("%s is %s, and %s"):format(key, check.show(value), lacking)) end
end

--- Raises where the file's model has the channels of images first.
function methods:channels_last() self:only("data_format", "channels_last", "images here have their channels last; build it so in Keras and copy the weights") end

--- Makes a layer and applies it.
---@param constructor fun(options: table): scion.Layer
---@param options table
---@param inputs scion.Node|scion.Node[]
---@param part string? names one of several layers that stand for one of Keras's
---@return scion.Node
function methods:apply(constructor, options, inputs, part)
  options.name = part and self.name .. "/" .. part or self.name
  if not part and self.described.name ~= self.name then options.origin = { keras = self.described.name } end
  local node = constructor(options)(inputs)
  node.layer.frozen = self.frozen
  if #node.layer.parameters > 0 then self.graph:add_weights(node.layer, self.described) end
  return node
end

--- Has a stand-in for what Scion has no layer for, in a graph that is compared.
---@param x scion.Node
---@param what { computes: string, reason: string, shape: integer[]?, part: string? } what the layer does, in a word and in a sentence; shape: of its
--- output (its input's)
---@return scion.Node
function methods:stand_in(x, what)
  table.insert(self.graph.lacking, what.reason)
  return self:apply(stand_in, { computes = what.computes, shape = what.shape or x.shape }, x, what.part)
end

local defined = class.define { name = "scion.KerasLayerBuilder", title = "a layer of Keras's", methods = methods,
                               locked = { "described", "name", "frozen", "graph", "read" } }

-- ---- what several of them share -------------------------------------------------------------------------------------

--- The numbers of axes in words: "[1, 3]".
local function axes_text(value)
  if type(value) ~= "table" then return check.show(value) end
  local parts = {}
  for i = 1, math.min(#value, 4) do parts[i] = check.show(value[i]) end
  return ("[%s%s]"):format(table.concat(parts, ", "), #value > 4 and ", …" or "")
end

--- Raises unless an option names the last axis of the input.
local function last_axis(at, x)
  local axis = at:get "axis"
  while type(axis) == "table" and #axis == 1 do axis = axis[1] end
  if axis ~= nil and axis ~= -1 and axis ~= #x.shape then check.raise(("axis is %s, and layers here work along the last one only"):format(axes_text(axis))) end
end

--- slope * x where x is below 0, as slope * x + (1 - slope) * relu(x).
local function leaky_relu(at, x, slope, part)
  local bent = at:apply(nn.relu, {}, x, "relu")
  local line = at:apply(nn.rescaling, { scale = slope }, x, "slope")
  return at:apply(nn.scaled_add, { scale = 1 - slope }, { line, bent }, part)
end

--- Activations that several layers compute here. Keras 2's hard_sigmoid is 0.2 * x + 0.5 between 0 and 1.
local composed = {
  leaky_relu = function(at, x, part) return leaky_relu(at, x, 0.2, part) end,
  older_hard_sigmoid = function(at, x, part)
    x = at:apply(nn.relu6, {}, at:apply(nn.rescaling, { scale = 1.2, offset = 3 }, x, "scaled"), "relu6")
    return at:apply(nn.rescaling, { scale = 1 / 6 }, x, part)
  end,
}

--- Keras's activations that Scion lacks.
local lacking_activations = {}
for name in ("celu elu exponential hard_shrink hard_tanh log_sigmoid log_softmax mish selu soft_shrink softplus softsign sparse_plus sparse_sigmoid sparsemax " ..
             "squareplus tanh_shrink threshold"):gmatch "%S+" do
  lacking_activations[name] = true
  composed[name] = function(at, x, part)
    return at:stand_in(x, { computes = name, reason = ("Scion has no activation '%s'"):format(name), part = part })
  end
end

--- The activation that a layer names, as it is called here or in `composed`; false for none.
local function activation(at)
  local name = at:get "activation"
  if name == nil or name == "linear" then return false end
  if name == "hard_sigmoid" and at.graph.older then return "older_hard_sigmoid" end
  name = keras_config.activations[name] or name
  if composed[name] and (at.graph.compares or not lacking_activations[name]) or kinds.activation.read(name) then return name end
  check.raise(("activation %s is none of %s; give the layer one of these, or load the part of the model before it"):format(
    type(name) == "table" and "is an object of Python, and" or check.show(name), table.concat(kinds.activations, ", ")))
end

--- Applies a layer that has an activation.
local function activated(at, constructor, options, x)
  local name = activation(at)
  options.activation = not composed[name] and name
  x = at:apply(constructor, options, x)
  return composed[name] and composed[name](at, x, name) or x
end

local valid_or_same = check.one_of("valid", "same")

local function convolution(at, constructor, options, x)
  at:channels_last()
  options.kernel, options.stride, options.dilation = at:get "kernel_size", at:get "strides", at:get "dilation_rate"
  options.padding, options.bias = at:option("padding", valid_or_same), at:get "use_bias"
  return activated(at, constructor, options, x)
end

local function pooling(at, constructor, x)
  at:channels_last()
  local size = at:get "pool_size"
  return at:apply(constructor, { kernel = size == nil and 2 or size, stride = at:get "strides", padding = at:option("padding", valid_or_same) }, x)
end

--- { top, left, bottom, right } from Keras's ((top, bottom), (left, right)), (vertical, horizontal) or a number.
local function border(at, key, default)
  local value = at:get(key)
  if value == nil then value = default end
  if type(value) ~= "table" then return value end
  local v, h = value[1], value[2]
  if type(v) ~= "table" or type(h) ~= "table" then return { v, h, v, h } end
  return { v[1], h[1], v[2], h[2] }
end

--- Joins inputs two by two.
local function fold(inputs, join)
  local x = inputs[1]
  for i = 2, #inputs do x = join(x, inputs[i], i < #inputs and "input" .. i or nil) end
  return x
end

--- x * scale + shift, if that is what a layer computes.
local function stepped(at, x)
  local scale, shift = keras_config.step(at.described)
  return scale and at:apply(nn.rescaling, { scale = scale, offset = shift }, x)
end

--- An operation on two inputs, or on one and a constant. `join(at, inputs)` is for the former.
local function arithmetic(join)
  return function(at, x, inputs)
    local y = #inputs == 1 and stepped(at, x)
    if y then return y end
    if #inputs < 2 or not join then check.raise "it takes an input and a number, or three for its channels, and two inputs only to add, subtract or multiply" end
    return join(at, inputs)
  end
end

--- a + sign * relu(sign * (b - a)): the larger of two inputs, or the smaller.
local function extreme(sign)
  return function(at, _, inputs)
    return fold(inputs, function(a, b, part)
      local function named(name) return part and part .. "_" .. name or name end
      local difference = at:apply(nn.scaled_add, { scale = -1 }, sign > 0 and { b, a } or { a, b }, named "difference")
      return at:apply(nn.scaled_add, { scale = sign }, { a, at:apply(nn.relu, {}, difference, named "relu") }, part)
    end)
  end
end

local larger = extreme(1)

local size = kinds.size

--- The size that an augmentation layer gives images; raises unless the input is an image.
local function target(at, x)
  at:channels_last()
  if #x.shape ~= 3 then check.raise(("takes images, not %s"):format(shape.text(x.shape))) end
  return at:option("height", size, x.shape[1]), at:option("width", size, x.shape[2])
end

local function left_out(at, x)
  at.graph:leave_out(at.described)
  return x
end

-- ---- the layers, by Keras's classes --------------------------------------------------------------------------------

local layers = {
  -- ---- layers with weights -----------------------------------------------------------------------------------------

  Conv2D = function(at, x) return convolution(at, nn.conv2d, { filters = at:get "filters", groups = at:get "groups" }, x) end,

  DepthwiseConv2D = function(at, x)
    at:only("groups", 1, "nn.depthwise_conv2d has one for each channel")
    return convolution(at, nn.depthwise_conv2d, { multiplier = at:get "depth_multiplier" }, x)
  end,

  SeparableConv2D = function(at, x)
    at:only("depth_multiplier", 1, "nn.separable_conv2d has none")
    at:only("groups", 1, "nn.separable_conv2d has none")
    return convolution(at, nn.separable_conv2d, { filters = at:get "filters" }, x)
  end,

  Dense = function(at, x)
    local sizes, units = x.shape, at:get "units"
    if #sizes ~= 3 then return activated(at, nn.dense, { units = units, bias = at:get "use_bias" }, x) end
    x = at:apply(nn.reshape, { shape = { sizes[1] * sizes[2], sizes[3] } }, x, "pixels")
    x = activated(at, nn.dense, { units = units, bias = at:get "use_bias" }, x)
    return at:apply(nn.reshape, { shape = { sizes[1], sizes[2], x.shape[2] } }, x, "image")
  end,

  BatchNormalization = function(at, x)
    last_axis(at, x)
    return at:apply(nn.batch_norm, { epsilon = at:get "epsilon", momentum = at:get "momentum", center = at:get "center", scale = at:get "scale", statistics = "stored" }, x)
  end,

  Normalization = function(at, x)
    local axis, weighted = at:get "axis", at:get "mean" == nil and at:get "variance" == nil
    if weighted or type(axis) ~= "table" or #axis > 0 then last_axis(at, x) end -- none: one mean and variance for all channels
    at:only("invert", false, "nn.normalization does not invert")
    if weighted then return at:apply(nn.normalization, {}, x) end
    return stepped(at, x) or check.raise "mean and variance are both given, as numbers or as lists of three"
  end,

  LayerNormalization = function(at, x)
    last_axis(at, x)
    at:only("rms_scaling", false, "nn.layer_norm subtracts the mean")
    return at:apply(nn.layer_norm, { epsilon = at:get "epsilon", center = at:get "center", scale = at:get "scale" }, x)
  end,

  PReLU = function(at, x)
    local shared = at:option("shared_axes", check.list(size), {})
    local axes = table.concat(shared, ",")
    local slopes = axes == "" and "element" or axes == (#x.shape == 3 and "1,2" or "") and "channel" or axes == (#x.shape == 3 and "1,2,3" or "1") and "one"
    if not slopes then check.raise(("shared_axes is %s, and nn.prelu has a slope for each element, for each channel ([1, 2]), or one"):format(axes_text(shared))) end
    return at:apply(nn.prelu, { slopes = slopes }, x)
  end,

  -- ---- activations -------------------------------------------------------------------------------------------------

  Activation = function(at, x)
    local name = activation(at)
    if not name then return x end
    return composed[name] and composed[name](at, x) or at:apply(nn.activation, { activation = name }, x)
  end,

  ReLU = function(at, x)
    at:only("threshold", 0, "here it is 0")
    local most, slope = at:get "max_value", at:option("negative_slope", check.number(), 0)
    if most == nil and slope ~= 0 then return leaky_relu(at, x, slope) end
    if slope ~= 0 or most ~= nil and most ~= 6 then check.raise "here it has a max_value of 6 or none, and only without one a negative_slope" end
    return at:apply(most and nn.relu6 or nn.relu, {}, x)
  end,

  LeakyReLU = function(at, x)
    local older = at:option("alpha", check.number())
    return leaky_relu(at, x, at:option("negative_slope", check.number(), older or 0.3))
  end,

  LeakyRelu = function(at, x) return leaky_relu(at, x, at:option("negative_slope", check.number(), 0.2)) end, -- keras.ops.leaky_relu

  --- keras.ops.gelu and keras.activations.gelu, which have different defaults, and both write the option.
  Gelu = function(at, x)
    return at:apply(nn.activation, { activation = at:option("approximate", check.boolean, true) and "gelu_tanh" or "gelu" }, x)
  end,

  Softmax = function(at, x)
    last_axis(at, x)
    return at:apply(nn.softmax, {}, x)
  end,

  -- ---- shapes and windows ------------------------------------------------------------------------------------------

  MaxPooling2D = function(at, x) return pooling(at, nn.max_pool, x) end,

  AveragePooling2D = function(at, x) return pooling(at, nn.avg_pool, x) end,

  GlobalAveragePooling2D = function(at, x)
    at:channels_last()
    return at:apply(nn.global_avg_pool, { keep_dims = at:option("keepdims", check.boolean, false) }, x)
  end,

  --- keras.ops.mean over height and width.
  Mean = function(at, x)
    local axes = at:get "axis"
    local first, second = table.unpack(type(axes) == "table" and #x.shape == 3 and axes or {})
    if not (first == 1 and second == 2 or first == -3 and second == -2) or #axes > 2 then
      check.raise "only the mean over height and width, axis=(1, 2), is known here"
    end
    return at:apply(nn.global_avg_pool, { keep_dims = at:option("keepdims", check.boolean, false) }, x)
  end,

  GlobalMaxPooling2D = function(at, x)
    at:channels_last()
    if not at:option("keepdims", check.boolean, false) then return at:apply(nn.global_max_pool, {}, x) end
    return at:apply(nn.reshape, { shape = { 1, 1, x.shape[#x.shape] } }, at:apply(nn.global_max_pool, {}, x, "pool"))
  end,

  Flatten = function(at, x)
    at:channels_last()
    return at:apply(nn.flatten, {}, x)
  end,

  Reshape = function(at, x)
    local sizes = at:option("target_shape", check.list(check.either(check.only(-1), size)), {})
    local known, open = 1.0, nil
    for i, n in ipairs(sizes) do
      if n == -1 then open = i else known = known * n end
    end
    local rest = shape.elements(x.shape) / known
    if open then sizes[open] = math.tointeger(rest) or check.raise(("an input of %s cannot become this target_shape"):format(shape.text(x.shape))) end
    return at:apply(nn.reshape, { shape = sizes }, x)
  end,

  ZeroPadding2D = function(at, x)
    at:channels_last()
    return at:apply(nn.zero_pad, { padding = border(at, "padding", 1) }, x)
  end,

  Cropping2D = function(at, x)
    at:channels_last()
    return at:apply(nn.crop, { border = border(at, "cropping", 0) }, x)
  end,

  UpSampling2D = function(at, x)
    at:channels_last()
    return at:apply(nn.upsample, { factor = at:get "size", interpolation = at:get "interpolation" }, x)
  end,

  CenterCrop = function(at, x)
    local height, width = target(at, x)
    local h, w = x.shape[1] - height, x.shape[2] - width
    if h == 0 and w == 0 then return x end
    return at:apply(nn.crop, { border = { h // 2, w // 2, h - h // 2, w - w // 2 } }, x)
  end,

  Resizing = function(at, x)
    local height, width = target(at, x)
    if height == x.shape[1] and width == x.shape[2] then return x end
    local sized, first = ("resizes images of %s to %dx%d"):format(shape.text(x.shape), height, width), shape.equal(x.shape, at.graph.input.shape)
    if at.graph.compares then
      local reason = ("layer %s (%s) %s, which no layer here does%s"):format(check.show(at.described.name), at.described.class, sized,
        first and ("; an input of %dx%d does without it, since files are resized to that"):format(height, width) or "")
      return at:stand_in(x, { computes = ("%s %dx%d"):format(at.described.class, height, width), reason = reason, shape = { height, width, x.shape[3] } })
    end
    local remedy = at.graph.fixed and ("in Keras, save it without the layer and with keras.Input((%d, %d, %d))"):format(height, width, x.shape[3]) or
      ("input = { %d, %d } does it"):format(height, width)
    check.raise(("it %s, and a network here does not%s"):format(sized, first and ": files are resized to its input; " .. remedy or ""))
  end,

  -- ---- several inputs ----------------------------------------------------------------------------------------------

  Add = arithmetic(function(at, inputs) return at:apply(nn.add, {}, inputs) end),

  Subtract = arithmetic(function(at, inputs) return at:apply(nn.scaled_add, { scale = -1 }, inputs) end),

  Multiply = arithmetic(function(at, inputs)
    return fold(inputs, function(a, b, part)
      if #a.shape == 3 and shape.equal(a.shape, { 1, 1, b.shape[3] }) then a, b = b, a end
      return at:apply(nn.multiply, {}, { a, b }, part)
    end)
  end),

  TrueDivide = arithmetic(),

  Negative = stepped,

  Rescaling = function(at, x) return stepped(at, x) or check.raise "scale and offset are numbers, or lists of three" end,

  Average = function(at, _, inputs)
    return at:apply(nn.rescaling, { scale = 1 / #inputs }, at:apply(nn.add, {}, inputs, "sum"))
  end,

  Maximum = function(at, x, inputs)
    local constant = (keras_config.calls(at.described)[1] or {}).constant
    if constant == nil then return larger(at, x, inputs) end
    if constant ~= 0 then check.raise "of the constants only 0 is known here, beside which the larger is a ReLU" end
    return at:apply(nn.relu, {}, x)
  end,

  Minimum = extreme(-1),

  Concatenate = function(at, x, inputs)
    last_axis(at, x)
    return at:apply(nn.concatenate, {}, inputs)
  end,

  --- keras.applications.InceptionResNetV2's own.
  CustomScaleLayer = function(at, _, inputs) return at:apply(nn.scaled_add, { scale = at:option("scale", check.number()) }, inputs) end,

  -- ---- what training alone needs -----------------------------------------------------------------------------------

  Dropout = function(at, x)
    local noise = at:get "noise_shape"
    local examples = type(noise) == "table" and #noise > 1
    for i = 2, examples and #noise or 0 do examples = examples and noise[i] == 1 end
    if noise ~= nil and not examples then return left_out(at, x) end
    return at:apply(nn.dropout, { rate = at:get "rate", examples = examples }, x)
  end,

  Identity = function(_, x) return x end,

  Cast = function(at, x)
    at:only("dtype", "float32", "all is computed in float32 here")
    return x
  end,

  -- ---- the order of channels ---------------------------------------------------------------------------------------

  --- preprocess_input of the kind "caffe" reverses channels. Keras 3 takes them one by one, x[..., 2], and stacks them; Keras 2 writes
  --- x[..., ::-1].
  GetItem = function(at, x)
    local call = keras_config.calls(at.described)[1] or {}
    local index = type(call.index) == "table" and call.index or {}
    local all, last = index[1], index[2]
    if #index == 2 and type(all) == "table" and all.class_name == "__ellipsis__" then
      if math.type(last) == "integer" then return { channel = last, of = x } end
      local slice = type(last) == "table" and (type(last.config) == "table" and last.config or last) or {}
      if slice.step == -1 and (slice.start or core.null) == core.null and (slice.stop or core.null) == core.null then return at.graph:reverse(at, x) end
    end
    check.raise "of what stands in brackets only [..., ::-1] on the model's input is known here, which reverses the channels"
  end,

  Stack = function(at, first, inputs)
    for i, x in ipairs(inputs) do
      if not first or layer.node.read(x) or layer.node.read(first) or x.of ~= first.of or x.channel ~= 3 - i then first = nil end
    end
    if not first or #inputs ~= 3 then check.raise "only the channels 2, 1, 0 of the model's input can be stacked here, which reverses them" end
    return at.graph:reverse(at, first.of)
  end,
}

--- Layers that take several inputs.
local joins = { Add = true, Subtract = true, Multiply = true, TrueDivide = true, Average = true, Maximum = true, Minimum = true, Concatenate = true, Stack = true,
                CustomScaleLayer = true }

--- Layers that can take a constant in place of a second input.
local takes_constant = { Add = true, Subtract = true, Multiply = true, TrueDivide = true, Maximum = true }

--- Raises unless all operands of a layer's calls are used: an output of another layer, several where they are joined, or one and a constant.
local function check_operands(described)
  if described.class == "GetItem" then return end -- it reads its own
  for _, call in ipairs(keras_config.calls(described)) do
    if call.unread or call.constant and (#call.inputs > 1 or not takes_constant[described.class]) then
      check.raise "one of its inputs is a constant, and here only an input and a number, or three for its channels, can be added, subtracted, multiplied or divided"
    end
    if #call.inputs > 1 and not joins[described.class] then check.raise(("it has %d inputs, and here it takes one"):format(#call.inputs)) end
  end
end

for theirs, name in pairs(keras_config.functional) do
  layers[theirs] = function(at, x) return at:apply(nn.activation, { activation = name }, x) end
end

--- Layers that are known only where graphs are compared, and those that Scion has only with some options. Their output has their input's shape.
local keeping_shape = {}
for name in ("AutoContrast ELU Equalization ReLU Softmax Solarization UnitNormalization"):gmatch "%S+" do keeping_shape[name] = true end

--- The layer, or a stand-in where it cannot be built.
local function built_or_stood_in(at, x, inputs)
  local described, ok, output = at.described, false, nil
  if layers[described.class] then ok, output = check.try(layers[described.class], at, x, inputs) end
  if ok then return output end
  local name = check.show(described.name)
  return at:stand_in(x, { computes = ("%s %s"):format(described.class, name), reason = ("Scion has no layer for %s (%s)"):format(name, described.class) })
end

layers.RandomCrop = layers.Resizing -- which it is in a prediction

for _, name in ipairs { "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization", "AugMix", "CutMix", "MixUp",
                        "RandAugment" } do
  layers[name] = left_out
end

for _, name in ipairs { "Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "ElasticTransform", "Erasing", "Flip", "GaussianBlur", "Grayscale", "Hue", "Invert",
                        "Perspective", "Posterization", "Rotation", "Saturation", "Sharpness", "Shear", "Translation", "Zoom" } do
  layers["Random" .. name] = left_out
end

-- ---- all of them ----------------------------------------------------------------------------------------------------

--- Options that do not change what a layer computes in a prediction, beside initializers; LoRA's are read with its weights.
local harmless = {}
for name in ("name trainable dtype batch_input_shape batch_shape input_shape input_dtype seed fused synchronized renorm renorm_clipping renorm_momentum sparse " ..
             "ragged function data_format axis rate momentum mean variance scale offset lora_rank lora_alpha"):gmatch "%S+" do harmless[name] = true end

--- Notes what is left out of a layer: penalties and limits of its weights, which act in training, and options that are not known here.
local function note_rest(at)
  for key, value in pairs(at.described.config) do
    if value ~= core.null and value ~= false and not at.read[key] and not harmless[key] and not key:find "_initializer$" then
      at.graph:note_option(at.described, key, key:find "_regularizer$" or key:find "_constraint$")
    end
  end
end

return {
  --- Whether a layer's output is a node, and not a single channel, { channel =, of = }.
  ---@param value any
  ---@return boolean
  is_node = function(value) return (layer.node.read(value)) end,

  --- Whether there is a class of Keras's of that name.
  ---@param name string
  ---@return boolean
  knows = function(name) return layers[name] ~= nil end,

  --- Whether a class is one that Scion has no layer for, or only with some options, and that gives an output of its input's shape.
  ---@param name string
  ---@return boolean
  keeps_shape = function(name) return keeping_shape[name] ~= nil end,

  --- Builds a layer; raises, without the layer's name, where it cannot be built here.
  ---@param graph table see graph.lua
  ---@param described scion.KerasConfig of a known class
  ---@param name string of the layer here
  ---@param inputs table[] nodes, or single channels: { channel =, of = }
  ---@param frozen boolean
  ---@return table output likewise
  build = function(graph, described, name, inputs, frozen)
    local at = defined.new { described = described, name = name, frozen = frozen, graph = graph, read = {} }
    if #inputs == 0 then check.raise "it has no input" end
    check_operands(described)
    for _, x in ipairs(inputs) do
      if not layer.node.read(x) and described.class ~= "Stack" then check.raise "it takes a single channel of an image, which is not possible here" end
    end
    local build = graph.compares and keeping_shape[described.class] and built_or_stood_in or layers[described.class]
    local output = build(at, inputs[1], inputs)
    if output ~= inputs[1] then note_rest(at) end -- else nothing of it is left
    return output
  end,
}
