--- Copies of all weights and moving averages of a model, by the names that a saved model has for them.
local core = require "scion.core"
local graph = require "scion.graph"

local snapshot = {}

--- Copies them.
---@param model scion.Model
---@param kept? table<string, scion.Tensor> an earlier copy, whose memory is used again
---@return table<string, scion.Tensor>
function snapshot.take(model, kept)
  kept = kept or {}
  for name, p in graph.parameters(model.order) do
    if kept[name] then core.copy(p.tensor, kept[name]) else kept[name] = p.tensor:copy() end
  end
  return kept
end

--- Puts copies into the model's own tensors. What has no copy stays as it is.
---@param kept table<string, scion.Tensor>
---@param model scion.Model
function snapshot.put(kept, model)
  for name, p in graph.parameters(model.order) do
    if kept[name] then core.copy(kept[name], p.tensor) end
  end
end

return snapshot
