--- The first pass: graph nodes become operations, one a layer, and an activation given as an option of a layer becomes an
--- operation of its own (which `fuse` mostly takes back, so that there is one rule for both).
local activation = require "scion.nn.activation"

---@class scion.Operation
---@field layer scion.Layer
---@field inputs scion.Operation[]
---@field users scion.Operation[] once for each time it is read
---@field shape integer[]
---@field dead boolean? absorbed by another operation
---@field trains table<string, scion.Parameter>? parameters that this step changes, by name
---@field grad boolean? the gradient by its output is needed

local function operation(ir, layer, inputs, shape)
  local op = { layer = layer, inputs = inputs, users = {}, shape = shape }
  for _, input in ipairs(inputs) do input.users[#input.users + 1] = op end
  ir.ops[#ir.ops + 1] = op
  return op
end

---@param ir table with `order`, the graph's nodes
return function(ir)
  ir.ops = {}
  local of = {}
  for _, node in ipairs(ir.order) do
    local inputs = {}
    for i, input in ipairs(node.inputs) do inputs[i] = of[input] end
    local op = operation(ir, node.layer, inputs, node.shape)
    local name = node.layer.kind ~= "activation" and node.layer.options.activation
    if name and name ~= "linear" then
      local extra = activation { activation = name, name = node.layer.name }
      extra.frozen = node.layer.frozen
      op = operation(ir, extra, { op }, node.shape)
    end
    of[node] = op
  end
  ir.output = of[ir.output_node]
end
