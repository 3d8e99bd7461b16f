--- torchvision's names and layouts: which array of a state dict belongs to which weight of a model, and how its axes are ordered; also in
--- the other direction, for export.
local array = require "scion.weights.array"
local classifier = require "scion.weights.classifier"
local core = require "scion.core"
local last_part = require "scion.weights.last_part"
local names = require "scion.weights.names.torchvision"

local torchvision = {}

--- Kinds of layers that do not change the order of a vector's elements, and those that put them elsewhere.
local in_place = { activation = true, batch_norm = true, dropout = true, layer_norm = true, prelu = true, add = true, multiply = true, scaled_add = true }
local moving = { concatenate = true, slice = true, pad_channels = true, channel_shuffle = true }

--- Kinds of layers whose weights have a number for each channel.
local by_channel = { batch_norm = true, layer_norm = true, prelu = true }

--- The shape of the image that was flattened into a vector; nil if none was. The second result is the layer that moved its elements since.
local function image_in(node)
  local before = node.inputs[1]
  if #node.shape ~= 1 or not before then return nil end
  local s, kind = before.shape, node.layer.kind
  if #s == 3 then return s[1] * s[2] > 1 and s[3] > 1 and s[1] * s[2] * s[3] == node.shape[1] and s or nil end
  if not in_place[kind] and not moving[kind] then return nil end
  local image, mover
  for _, input in ipairs(node.inputs) do
    local own, moved = image_in(input)
    image, mover = image or own, mover or moved
  end
  return image, mover or image and moving[kind] and kind or nil
end

--- The shape of the image that was flattened into a layer's input vector; nil if none was. PyTorch flattens in the order channel, height,
--- width; we do in the order height, width, channel, so that weights behind it must be reordered. Raises where that cannot be done.
local function flattened(layer)
  if not layer.node or not layer.node.inputs[1] then return nil end
  local image, mover = image_in(layer.node.inputs[1])
  if mover then
    layer:fail("PyTorch flattens an image in another order than Scion, and its weights cannot be put in order behind nn.%s of flattened images; " ..
      "pool the images, or flatten behind it", mover)
  end
  return image
end

--- How an array of PyTorch's maps to a weight of ours. `shape`: the array's. `view`: the weight's shape, with a dimension split into
--- several where it takes several strides in the array. `axes`: for each dimension of `view`, the array's axis and what to multiply its
--- stride by (1).
local function layout(layer, p)
  local s = p.tensor:shape()
  if #s == 4 and (layer.kind == "depthwise_conv2d" or p.name == "depthwise_kernel") then -- [channels * multiplier, 1, kh, kw]
    return { shape = { s[3] * s[4], 1, s[1], s[2] }, view = s, axes = { { 3 }, { 4 }, { 1, s[4] }, { 1 } } }
  elseif #s == 4 then -- [out, in, kh, kw]
    return { shape = { s[4], s[3], s[1], s[2] }, view = s, axes = { { 3 }, { 4 }, { 2 }, { 1 } } }
  end
  if #s == 3 then -- a PReLU's slopes: one or one a channel, [channels], or one an element, [channels, height, width]
    if s[1] * s[2] == 1 then return { shape = { s[3] }, view = { s[3] }, axes = { { 1 } } } end
    return { shape = { s[3], s[1], s[2] }, view = s, axes = { { 2 }, { 3 }, { 1 } } }
  end
  local image = (p.name == "kernel" or by_channel[layer.kind] and s[1] > 1) and flattened(layer)
  local h, w, c = table.unpack(image or {})
  if #s == 2 then -- [out, in]
    return { shape = { s[2], s[1] }, view = image and { h, w, c, s[2] } or s, axes = image and { { 2, w }, { 2 }, { 2, h * w }, { 1 } } or { { 2 }, { 1 } } }
  end
  return { shape = s, view = image or s, axes = image and { { 1, w }, { 1 }, { 1, h * w } } or #s == 1 and { { 1 } } or {} }
end

--- PyTorch's batch norm has both gamma and beta or neither. Where ours has one of them, the other is expected to be ones (gamma) or zeros
--- (beta).
local function add_implied(list, layer, title)
  local gamma, beta = layer:weight "gamma", layer:weight "beta"
  if layer.kind ~= "batch_norm" or not gamma == not beta then return end
  local values = core.new((gamma or beta):shape(), "f32")
  if beta then core.fill(values, 1) end
  list[#list + 1] = { name = title .. (beta and ".weight" or ".bias"), shape = values:shape(), axes = { { 1 } }, tensor = values, implied = true }
end

--- Whose names a file's arrays have.
---@param arrays scion.Array[]
---@return "torchvision"|"efficientnet_pytorch"
function torchvision.naming(arrays)
  for _, a in ipairs(arrays) do
    if a.name:sub(-#names.efficientnet_pytorch) == names.efficientnet_pytorch then return "efficientnet_pytorch" end
  end
  return "torchvision"
end

--- The arrays that a model's layers have in a state dict, in the model's order.
---@param layers scion.Layer[]
---@param naming? "torchvision"|"efficientnet_pytorch" whose names ("torchvision")
---@return scion.ExpectedWeight[]
function torchvision.expected(layers, naming)
  local publisher_name = require("scion.models.builder").publisher_name
  local list = {}
  for _, layer in ipairs(layers) do
    local title = publisher_name(layer, naming or "torchvision")
    for _, p in ipairs(layer.parameters) do
      local l, suffix = layout(layer, p), names.weights[p.name] or p.name
      if layer.kind == "separable_conv2d" and suffix == "bias" then suffix = names.separable_bias end
      local depthwise = p.name == "depthwise_kernel" and layer.origin and layer.origin.torchvision_depthwise
      list[#list + 1] = { name = depthwise and depthwise .. ".weight" or title .. "." .. suffix, shape = l.shape, axes = l.axes, tensor = p.tensor:reshape(l.view) }
    end
    add_implied(list, layer, title)
  end
  return list
end

--- Whether an array may be left out: it is a counter, or belongs to a part that a model may be built without, and this one is.
---@param name string of an array
---@param parts table<string, boolean> the first parts of the names of the model's weights
---@return boolean
function torchvision.may_be_left(name, parts)
  local part = classifier.part(name)
  if names.counters[last_part(name, ".")] then return true end
  return not parts[part] and (names.auxiliary[part] or names.classifiers[part] and not classifier.built(parts)) or false
end

--- Copies of a model's weights with torchvision's or timm's names and layouts, f32.
---@param layers scion.Layer[]
---@param timms? boolean timm's instead of torchvision's (false)
---@return { name: string, tensor: scion.Tensor }[]
function torchvision.tensors(layers, timms)
  local list, expected = {}, torchvision.expected(layers)
  for i, weight in ipairs(timms and require("scion.weights.timm").rename(expected) or expected) do
    local order, sizes, strides = {}, {}, {}
    for k = 1, #weight.axes do order[k] = k end
    table.sort(order, function(a, b) -- our dimensions in the order of the array's, from the largest stride to the smallest
      local x, y = weight.axes[a], weight.axes[b]
      local m, n = x[2] or 1, y[2] or 1
      if x[1] ~= y[1] then return x[1] < y[1] end
      if m ~= n then return m > n end
      return a < b
    end)
    local shape = weight.tensor:shape()
    local ours = array.row_strides(shape)
    for k, dimension in ipairs(order) do sizes[k], strides[k] = shape[dimension], ours[dimension] end
    list[i] = { name = weight.name, tensor = core.unpack(weight.tensor, "F32", 0, strides, core.new(sizes)):reshape(weight.shape) }
  end
  return list
end

return torchvision
