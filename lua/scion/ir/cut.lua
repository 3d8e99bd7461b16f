--- Where a network can be cut in two below the frontier: at a layer whose value alone the rest depends on, and below which nothing
--- trains, moves or is drawn by chance. No kernel's result for an example depends on what else is in the batch, so the upper part
--- computes from that value, to the bit, what the whole network computes.
local cost = require "scion.ir.cost"
local plan = require "scion.plan"

--- Whether a layer gives the same for an image in every step.
local function steady(layer)
  return #layer:trainable() == 0 and not (layer.uses_batch and layer:uses_batch()) and (layer.identity ~= "inference" or layer.frozen)
end

--- The last such layer at or before position `last` of the order, or nil.
---@param order scion.Node[]
---@param output scion.Node
---@param last integer
---@param whole boolean? it may be the network's output itself
---@return { node: scion.Node, macs: integer }? cut macs: multiply-adds of one example up to there
return function(order, output, last, whole)
  local ops, number, position = plan.operations(order, output), {}, {}
  for i, node in ipairs(order) do number[node] = i end
  for i, op in ipairs(ops) do position[op] = i end
  local found
  local macs, reach = 0, 0 -- reach: the last position that reads one of the operations so far
  for i, op in ipairs(ops) do
    if not steady(op.layer) or (op.norm and not steady(op.norm)) or (op.node and number[op.node] > last) then break end
    macs = macs + cost.of(op)
    if op.node and reach <= i and op.layer.kind ~= "input" and (whole or i < #ops) then found = { node = op.node, macs = macs } end
    for _, user in ipairs(op.users) do reach = math.max(reach, position[user]) end
  end
  return found
end
