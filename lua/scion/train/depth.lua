--- How deep the blocks of a model's layers lie, for learning rates by depth: the last block that trains has depth 0, which is the head's, the
--- one before it 1, and so on. A block are the layers whose names have the same first part, or the same first two where the first one is that of a
--- whole trunk; a layer without a slash in its name is one by itself, but for a norm, which belongs to the layer before it.
local depth = {}

local trunks = { trunk_output = true } -- of torchvision's RegNet

local norms = { batch_norm = true, layer_norm = true }

--- The name of the block that a layer is in.
---@param node scion.Node
---@return string
function depth.block_of(node)
  local name = node.layer.name
  local block = name:match "^(.-)/"
  if trunks[block] then block = name:match "^.-/.-%f[/]" or block end
  if not block and norms[node.layer.kind] and node.inputs[1] then return depth.block_of(node.inputs[1]) end
  return block or name
end

--- The depth of each layer that trains. All that was grafted onto a trunk is one block, the head.
---@param model scion.Model
---@return table<scion.Layer, integer> depths
---@return integer deepest 0 if nothing trains
function depth.of(model)
  local depths, of_block, count, behind = {}, {}, 0, model.trunk ~= nil
  for i = #model.order, 1, -1 do
    local node = model.order[i]
    behind = behind and node.layer.name ~= model.trunk
    if #node.layer:trainable() > 0 then
      local block = behind and "" or depth.block_of(node)
      if not of_block[block] then of_block[block], count = count, count + 1 end
      depths[node.layer] = of_block[block]
    end
  end
  return depths, math.max(count - 1, 0)
end

return depth
