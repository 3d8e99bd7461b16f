--- How far the activations of images lie from those that a network's batch norms have stored of the images that it was trained on.
local concatenate = require "scion.nn.concatenate"
local folds = require "scion.insight.folds"
local gathered = require "scion.insight.gathered"
local global_avg_pool = require "scion.nn.global_avg_pool"
local normalization = require "scion.data.normalization"

local enough = 300 -- images that tell a channel's mean

--- The batch norms, and what they are given.
local function norms_of(model)
  local norms, inputs = {}, {}
  for _, node in ipairs(model.order) do
    if node.layer.kind == "batch_norm" then
      local from = node.inputs[1]
      norms[#norms + 1] = node.layer
      inputs[#inputs + 1] = #from.shape == 1 and from or global_avg_pool { name = "shift/" .. #norms }(from)
    end
  end
  return norms, inputs
end

--- The mean over all channels of |mean of the images - stored mean| / stored deviation: 0 for images like those that the network was trained on.
--- nil without batch norm. Some hundred of the images are looked at, the same share of each class.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param o { cache: boolean, precision: string? }
---@return number?
return function(where, model, data, o)
  local norms, inputs = norms_of(model)
  if not norms[1] then return nil end
  local output = #inputs > 1 and concatenate { name = "shift/all" }(inputs) or inputs[1]
  local some = data.subset and #data > enough and data:subset(folds.thinned(data.classes:totable(), enough / #data, 0)) or data
  local part = require("scion.model").new { output = output }
  part.precision = o.precision or model.precision
  local mean = normalization.mean(gathered.outputs(where, part, some, o), 1)
  local sum, at = 0, 1
  for _, norm in ipairs(norms) do
    local stored = norm:weight "moving_mean"
    local channels = #stored
    local away = (mean:slice(1, at, at + channels - 1) - stored):abs() / (norm:weight "moving_variance" + norm.options.epsilon):sqrt()
    sum, at = sum + away:sum(), at + channels
  end
  return sum / (at - 1)
end
