--- Which parameters of a model an optimizer changes, in groups with a learning rate and a weight decay in common.
local check = require "scion.check"
local depth = require "scion.train.depth"
local graph = require "scion.graph"

local groups = {}

--- A list of them also has `deepest`, the greatest depth.
---@class scion.ParameterGroup
---@field parameters scion.TrainedParameter[] at least one
---@field options scion.OptimizerGroup? what it has of its own; nil: all is the optimizer's

---@class scion.TrainedParameter
---@field layer string its name
---@field parameter scion.Parameter
---@field depth integer of the layer's block: see depth.lua
---@field decays boolean whether weight decay changes it

--- For each layer, the position of the first of these groups that it is in. Raises if a group matches no layer, with the nearest names,
--- and if one is left without a layer, since those before it took all.
local function assign(order, given)
  local of = {}
  for k, group in ipairs(given) do
    local ok, found = check.try(graph.glob, order, group.layers)
    if not ok then check.raise(("the optimizer's groups: %s"):format(found)) end
    local taken = 0
    for _, i in ipairs(found) do
      local layer = order[i].layer
      if not of[layer] then of[layer], taken = k, taken + 1 end
    end
    if taken == 0 then
      check.raise(("the optimizer's groups: those before '%s' match all of its layers, and a layer is in the first group that matches: put it before them"):format(
        group.layers))
    end
  end
  return of
end

--- Whether a parameter decays where biases do not: those of its kind are called kernel, depthwise_kernel and so on.
local function is_kernel(parameter) return parameter.name:find "kernel$" ~= nil end

--- The parameters that train, in groups: those of `given`, without the ones of which nothing trains, and then all others.
---@param model scion.Model
---@param given scion.OptimizerGroup[]
---@param decays "all"|"kernels" which of them weight decay changes
---@return scion.ParameterGroup[]
function groups.of(model, given, decays)
  local of, by_group, depths, deepest = assign(model.order, given), {}, depth.of(model)
  for k = 1, #given + 1 do by_group[k] = {} end
  for _, node in ipairs(model.order) do
    local list = by_group[of[node.layer] or #given + 1]
    for _, p in ipairs(node.layer:trainable()) do
      list[#list + 1] = { layer = node.layer.name, parameter = p, depth = depths[node.layer], decays = decays == "all" or is_kernel(p) }
    end
  end
  local made = { deepest = deepest }
  for k, list in ipairs(by_group) do
    if #list > 0 then made[#made + 1] = { parameters = list, options = given[k] } end
  end
  return made
end

return groups
