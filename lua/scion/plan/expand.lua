--- The first pass: graph nodes become operations, one a layer, and an activation given as an option of a layer becomes an
--- operation of its own (which `fuse` mostly takes back, so that there is one rule for both).
local activation = require "scion.nn.activation"
local new_input = require "scion.nn.input"

---@class scion.Operation
---@field layer scion.Layer
---@field inputs scion.Operation[]
---@field users scion.Operation[] once for each time it is read
---@field shape integer[]
---@field node scion.Node? whose value this operation gives
---@field dead boolean? absorbed by another operation
---@field trains table<string, scion.Parameter>? parameters that this step changes, by name
---@field grad boolean? the gradient by its output is needed

local function operation(ir, layer, inputs, shape)
  local op = { layer = layer, inputs = inputs, users = {}, shape = shape }
  for _, input in ipairs(inputs) do input.users[#input.users + 1] = op end
  ir.ops[#ir.ops + 1] = op
  return op
end

---@param ir table with `order`, the graph's nodes; `from`, the first of them, where its value is given and not computed
return function(ir)
  ir.ops = {}
  local of = {}
  for _, node in ipairs(ir.order) do
    local inputs = {}
    local layer = node.layer
    if node == ir.from then
      layer = new_input({ shape = node.shape }).layer
    else
      for i, below in ipairs(node.inputs) do inputs[i] = of[below] end
    end
    local op = operation(ir, layer, inputs, node.shape)
    local name = layer.kind ~= "activation" and layer.options.activation
    if name and name ~= "linear" then
      local extra = activation { activation = name, name = layer.name }
      extra.frozen = layer.frozen
      op = operation(ir, extra, { op }, node.shape)
    end
    of[node], op.node = op, node
  end
  ir.output = of[ir.output_node]
end
