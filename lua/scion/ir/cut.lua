--- Finds where a network can be cut in two for the cache: after a layer whose output is all that the rest of the network depends on, and up
--- to which nothing trains, no moving average changes and nothing is random. No kernel's result for an example depends on the other
--- examples of a batch, so that the second part computes from the kept output the same bits as the whole network.
local cost = require "scion.ir.cost"
local plan = require "scion.plan"

--- Whether a layer gives the same output for an image in each step. Layers such as dropout, whose `identity` is "inference", do so only if
--- they are frozen.
local function steady(layer)
  return #layer:trainable() == 0 and not (layer.uses_batch and layer:uses_batch()) and (layer.identity ~= "inference" or layer.frozen)
end

--- The last such place at or before position `last` of the order, or nil.
---@param order scion.Node[]
---@param output scion.Node
---@param last integer
---@param whole boolean? whether it may be the network's output itself
---@return { node: scion.Node, macs: integer }? cut macs: multiply-adds for one example up to there
return function(order, output, last, whole)
  local ops, number, position = plan.operations(order, output), {}, {}
  for i, node in ipairs(order) do number[node] = i end
  for i, op in ipairs(ops) do position[op] = i end
  local found
  local macs, reach = 0, 0 -- reach: the last position of an operation that reads one of those before i
  for i, op in ipairs(ops) do
    if not steady(op.layer) or (op.norm and not steady(op.norm)) or (op.node and number[op.node] > last) then break end
    macs = macs + cost.of(op)
    if op.node and reach <= i and op.layer.kind ~= "input" and (whole or i < #ops) then found = { node = op.node, macs = macs } end
    for _, user in ipairs(op.users) do reach = math.max(reach, position[user]) end
  end
  return found
end
