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

--- A copy of an optimizer's state for the weights of a model, which optimizer:restore takes back.
---@param optimizer scion.Optimizer
---@param model scion.Model
---@return scion.OptimizerState
function snapshot.of_optimizer(optimizer, model)
  local state = optimizer:state(model.order)
  for _, each in ipairs(state.tensors) do each.tensor = each.tensor:copy() end
  return state
end

return snapshot
