--- Copies of all weights and moving averages of a model, by the names that a saved model has for them.
local core = require "scion.core"

local snapshot = {}

--- Calls f with the name and the tensor of each weight and moving average.
local function each(model, f)
  for _, node in ipairs(model.order) do
    for _, p in ipairs(node.layer.parameters) do f(node.layer.name .. "/" .. p.name, p.tensor) end
  end
end

--- Copies them.
---@param model scion.Model
---@param kept? table<string, scion.Tensor> an earlier copy, whose memory is used again
---@return table<string, scion.Tensor>
function snapshot.take(model, kept)
  kept = kept or {}
  each(model, function(name, tensor)
    if kept[name] then core.copy(tensor, kept[name]) else kept[name] = tensor:copy() end
  end)
  return kept
end

--- Puts copies into the model's own tensors. What has no copy stays as it is.
---@param kept table<string, scion.Tensor>
---@param model scion.Model
function snapshot.put(kept, model)
  each(model, function(name, tensor)
    if kept[name] then core.copy(kept[name], tensor) end
  end)
end

return snapshot
