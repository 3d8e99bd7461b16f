--- Torchvision's names and layouts (timm's are the same): which array of a state dict belongs to which weight of a model, how its
--- numbers lie, and the same backwards for export.
local array = require "scion.weights.array"
local core = require "scion.core"

local torchvision = {}

local suffixes = { kernel = "weight", bias = "bias", gamma = "weight", beta = "bias", moving_mean = "running_mean",
                   moving_variance = "running_var" }

local optional = { fc = true, classifier = true, head = true, heads = true, AuxLogits = true, aux1 = true, aux2 = true }

--- How an array of PyTorch lies in a kernel of ours. `shape`: the array's; `view`: the kernel's dimensions, one of ours split where it
--- takes two of theirs; `axes`: for each of `view`, the array's axis and what to multiply its stride by.
local function layout(layer, tensor)
  local s = tensor:shape()
  if layer.kind == "conv2d" then -- [out, in, kh, kw]
    return { shape = { s[4], s[3], s[1], s[2] }, view = s, axes = { { 3 }, { 4 }, { 2 }, { 1 } } }
  elseif layer.kind == "depthwise_conv2d" then -- [channels * multiplier, 1, kh, kw]
    return { shape = { s[3] * s[4], 1, s[1], s[2] }, view = s, axes = { { 3 }, { 4 }, { 1, s[4] }, { 1 } } }
  end
  local image = layer.origin and layer.origin.image -- what was flattened before a dense layer: theirs by C, H, W and ours by H, W, C
  if not image or image[1] * image[2] * image[3] ~= s[1] then return { shape = { s[2], s[1] }, view = s, axes = { { 2 }, { 1 } } } end
  local h, w, c = image[1], image[2], image[3]
  return { shape = { s[2], s[1] }, view = { h, w, c, s[2] }, axes = { { 2, w }, { 2 }, { 2, h * w }, { 1 } } }
end

--- The arrays that a model's layers stand for, in the model's order; nothing where a layer is not known to torchvision.
---@param layers scion.Layer[]
---@return scion.PublishedWeight[]? expected
---@return string? message
function torchvision.expected(layers)
  local publisher_name = require("scion.models.builder").publisher_name
  local list = {}
  for _, layer in ipairs(layers) do
    for _, p in ipairs(layer.parameters) do
      local suffix = suffixes[p.name]
      if not suffix then return nil, ("%s: torchvision has no layer of kind %s"):format(layer.name, layer.kind) end
      local l = p.name == "kernel" and layout(layer, p.tensor) or { shape = p.tensor:shape(), view = p.tensor:shape(), axes = { { 1 } } }
      list[#list + 1] = { name = publisher_name(layer, "torchvision") .. "." .. suffix, shape = l.shape, axes = l.axes,
                          tensor = p.tensor:reshape(l.view) }
    end
  end
  return list
end

--- Parts of a network that a model may be built without, and counters of batches, which nobody needs.
---@param name string of an array
---@param parts table<string, boolean> first parts of the names of the model's weights
---@return boolean
function torchvision.may_be_left(name, parts)
  local part = name:match "^[^.]*"
  return name:find "%.num_batches_tracked$" ~= nil or (optional[part] == true and not parts[part])
end

--- A model's weights as torchvision names and shapes them, copies.
---@param layers scion.Layer[]
---@return { name: string, tensor: scion.Tensor }[]? tensors
---@return string? message
function torchvision.tensors(layers)
  local expected, message = torchvision.expected(layers)
  if not expected then return nil, message end
  local list = {}
  for i, weight in ipairs(expected) do
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
