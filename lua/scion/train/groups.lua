--- Which parameters of a model an optimizer changes, in groups with a learning rate and a weight decay in common.
local groups = {}

---@class scion.ParameterGroup
---@field parameters scion.TrainedParameter[]
---@field lr number? the optimizer's own where it is nil, as it is at the step
---@field weight_decay number? likewise

---@class scion.TrainedParameter
---@field name string "mixed9/conv/kernel", for messages
---@field parameter scion.Parameter

--- The parameters that train.
---@param order scion.Node[] of a model
---@return scion.ParameterGroup[]
function groups.of(order)
  local list = {}
  for _, node in ipairs(order) do
    for _, p in ipairs(node.layer:trainable()) do list[#list + 1] = { name = node.layer.name .. "/" .. p.name, parameter = p } end
  end
  return { { parameters = list } }
end

return groups
