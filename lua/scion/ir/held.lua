--- What is kept of a node, in bytes: in precision int8 a value that convolutions read as bytes may as well be kept as them.
local cut = require "scion.ir.cut"
local graph = require "scion.graph"
local plan = require "scion.plan"
local quantization = require "scion.ir.quantization"

local held = {}

--- The codes of a node's value, in a plan that ends there or above.
local function codes_of(ops, node)
  for _, op in ipairs(ops) do
    if op.node == node then return op.codes end
  end
end

local function alike(codes, others) return others ~= nil and others.scale == codes.scale and others.zero == codes.zero end

--- The codes that a node's value has as bytes; nil where it has none, since ranges are not known.
---@param node scion.Node
---@return scion.Codes?
function held.codes(node) return codes_of(plan.operations(graph.order(node), node, "int8", node), node) end

--- Whether a convolution of the network takes the node's value in bytes, or would, were it not for its training.
local function read_as_bytes(order, output, node)
  for _, op in ipairs(plan.operations(order, output)) do
    local first = op.inputs[1]
    if first and first.node == node and op.layer.int8 == "computes" and not quantization.stays_wide(op.node) then return true end
  end
  return false
end

--- The last place up to which a network is frozen, where its value is bytes in precision int8; nil where it is not.
---@param order scion.Node[]
---@param output scion.Node
---@return scion.Node?
function held.frontier(order, output)
  local found = cut(order, output, #order)
  return found and read_as_bytes(order, output, found.node) and held.codes(found.node) and found.node or nil
end

--- The codes of a node at or below that place whose value is the same bytes in a plan that ends there as in one of the whole network; nil where
--- it is not.
---@param order scion.Node[]
---@param output scion.Node
---@param node scion.Node
---@return scion.Codes?
function held.alike(order, output, node)
  local codes, last = held.codes(node), held.frontier(order, output)
  if not codes or not last then return nil end
  return alike(codes, codes_of(plan.operations(graph.order(last), last, "int8", last), node)) and codes or nil
end

--- Whether an inference of the whole network has other bytes there: a concatenation above it gives its parts one range.
---@param order scion.Node[]
---@param output scion.Node
---@param node scion.Node with codes, as held.alike gives them
---@param codes scion.Codes
---@return boolean
function held.differs(order, output, node, codes)
  return not alike(codes, codes_of(plan.operations(order, output, "int8"), node))
end

return held
