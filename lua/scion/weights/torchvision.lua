--- Torchvision's names and layouts: which array of a state dict belongs to which weight of a model, how its
--- numbers lie, and the same backwards for export.
local array = require "scion.weights.array"
local core = require "scion.core"
local names = require "scion.weights.names.torchvision"

local torchvision = {}

--- Kinds of layers that leave every number of a vector in its place.
local in_place = { activation = true, batch_norm = true, dropout = true }

--- The image whose numbers a layer's input consists of, if that is a vector: theirs lie by channel, height, width, and ours by
--- height, width, channel.
local function flattened(layer)
  local node = layer.node and layer.node.inputs[1]
  while node and #node.shape == 1 and node.inputs[1] do
    local before = node.inputs[1]
    local s = before.shape
    if #s == 3 then return s[1] * s[2] * s[3] == node.shape[1] and s or nil end
    node = in_place[node.layer.kind] and before
  end
end

--- How an array of PyTorch lies in a weight of ours. `shape`: the array's; `view`: the weight's dimensions, one of ours split where
--- it takes two of theirs; `axes`: for each of `view`, the array's axis and what to multiply its stride by.
local function layout(layer, p)
  local s = p.tensor:shape()
  if #s == 4 and (layer.kind == "depthwise_conv2d" or p.name == "depthwise_kernel") then -- [channels * multiplier, 1, kh, kw]
    return { shape = { s[3] * s[4], 1, s[1], s[2] }, view = s, axes = { { 3 }, { 4 }, { 1, s[4] }, { 1 } } }
  elseif #s == 4 then -- [out, in, kh, kw]
    return { shape = { s[4], s[3], s[1], s[2] }, view = s, axes = { { 3 }, { 4 }, { 2 }, { 1 } } }
  end
  local image = (p.name == "kernel" or layer.kind == "batch_norm") and flattened(layer)
  local h, w, c = table.unpack(image or {})
  if #s == 2 then -- [out, in]
    return { shape = { s[2], s[1] }, view = image and { h, w, c, s[2] } or s, axes = image and { { 2, w }, { 2 }, { 2, h * w }, { 1 } } or { { 2 }, { 1 } } }
  end
  return { shape = s, view = image or s, axes = image and { { 1, w }, { 1 }, { 1, h * w } } or #s == 1 and { { 1 } } or {} }
end

--- A batch norm without gamma or beta has both in PyTorch, the one that it lacks of ones or zeros.
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

--- The arrays that a model's layers stand for, in the model's order.
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

--- Parts of a network that a model may be built without, and counters of batches, which nobody needs.
---@param name string of an array
---@param parts table<string, boolean> first parts of the names of the model's weights
---@return boolean
function torchvision.may_be_left(name, parts)
  local part = name:match "^[^.]*"
  return names.counters[name:match "[^.]*$"] or (names.optional[part] == true and not parts[part])
end

--- A model's weights as torchvision names and shapes them, or timm, copies.
---@param layers scion.Layer[]
---@param timms? boolean by timm's names
---@return { name: string, tensor: scion.Tensor }[]
function torchvision.tensors(layers, timms)
  local list, expected = {}, torchvision.expected(layers)
  for i, weight in ipairs(timms and require("scion.weights.timm").rename(expected) or expected) do
    local order, sizes, strides = {}, {}, {}
    for k = 1, #weight.axes do order[k] = k end
    table.sort(order, function(a, b) -- our dimensions in the order in which theirs lie
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
