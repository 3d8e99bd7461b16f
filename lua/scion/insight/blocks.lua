--- The places at which a network can be cut, a block each, and the pooled features of all of them from one pass.
local check = require "scion.check"
local concatenate = require "scion.nn.concatenate"
local depth = require "scion.train.depth"
local global_avg_pool = require "scion.nn.global_avg_pool"
local graph = require "scion.graph"
local targets = require "scion.train.targets"

local blocks = {}

---@class scion.Block
---@field name string as users write it: of the block, or of its layer where it ends within one
---@field node scion.Node after which the network can be cut
---@field features integer of an image: the channels

--- Whether each node of an order is one that everything after it depends on.
local function places(order)
  local position, reach, found = {}, {}, {}
  for i, node in ipairs(order) do position[node] = i end
  for i, node in ipairs(order) do
    for _, below in ipairs(node.inputs) do reach[position[below]] = i end -- the last one that reads it
  end
  local furthest = 0
  for i in ipairs(order) do
    found[i] = furthest <= i
    furthest = math.max(furthest, reach[i] or i)
  end
  return found
end

--- The name by which users reach a node: that of its block, if it is the block's last layer.
local function name_of(order, node)
  local block = depth.block_of(node)
  local ok, found = check.try(graph.find, order, block)
  return ok and order[found[#found]] == node and block or node.layer.name
end

--- The one layer of each block that layers of other blocks read, by the block's name; false where they read several. A cell of NASNet ends in such a
--- one, though no place there is one that everything after it depends on: each cell reads the two before it.
local function exits(order)
  local found = {}
  for _, node in ipairs(order) do
    for _, below in ipairs(node.inputs) do
      local block = depth.block_of(below)
      if block ~= depth.block_of(node) then found[block] = (found[block] == nil or found[block] == below) and below end
    end
  end
  return found
end

local prepares = { input = true, normalization = true, rescaling = true } -- kinds of layers that come before the network proper

--- The position of the layer that makes classes of features: the last dense layer or convolution of a network that ends in a softmax or a sigmoid.
--- One after the last layer where there is none.
local function classifier(model)
  local activation = targets.activation(model)
  for i = #model.order, #model.output.shape == 1 and (activation == "softmax" or activation == "sigmoid") and 1 or #model.order + 1, -1 do
    local kind = model.order[i].layer.kind
    if kind == "dense" or kind == "conv2d" then return i end
  end
  return #model.order + 1
end

--- Where a network can be cut, from the input on: the last place in each block with weights that everything after it depends on, or the block's
--- end. Activations and pooling after a block belong to it, and padding to what it is for. The classifier of a network that has one, its last dense
--- layer and the softmax, is no block: the last block is what stands before it.
---@param model scion.Model
---@return scion.Block[]
function blocks.of(model)
  local list, at, can, block, weights = {}, {}, places(model.order), nil, {}
  for i = 1, classifier(model) - 1 do
    local node = model.order[i]
    if #node.layer.parameters > 0 and not prepares[node.layer.kind] then
      block = depth.block_of(node)
      weights[block] = true
    end
    if can[i] and block and node.layer.kind ~= "zero_pad" then at[block] = node end
  end
  for name, node in pairs(exits(model.order)) do
    if node and weights[name] and node.layer.name:sub(1, #name + 1) == name .. "/" then at[name] = at[name] or node end
  end
  local position = {}
  for i, node in ipairs(model.order) do position[node] = i end
  for _, node in pairs(at) do list[#list + 1] = { name = name_of(model.order, node), node = node, features = node.shape[#node.shape] } end
  table.sort(list, function(a, b) return position[a.node] < position[b.node] end)
  return list
end

--- A model that gives the pooled features of all these places, one after the other, from one pass. It shares the layers of the network.
---@param list scion.Block[]
---@return scion.Model
function blocks.pooled(list)
  local parts = {}
  for i, block in ipairs(list) do
    parts[i] = #block.node.shape == 1 and block.node or global_avg_pool { name = "pooled/" .. i }(block.node)
  end
  local output = #parts > 1 and concatenate { name = "pooled/all" }(parts) or parts[1]
  return require("scion.model").new { output = output }
end

return blocks
