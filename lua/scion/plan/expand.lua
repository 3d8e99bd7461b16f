--- expand: makes an operation of each node of the graph. An activation that is an option of a layer becomes an operation of its own, so
--- that later passes see one form only; `fuse` puts most of them back. If the plan begins at a node within the network (ir.from), that node
--- becomes an input. Operations whose values or gradients the plan gives (ir.taps, ir.gradients_of) are marked as kept.
local activation = require "scion.nn.activation"
local new_input = require "scion.nn.input"
local operation = require "scion.ir.operation"

---@param ir scion.IR
return function(ir)
  local of = {}
  for _, node in ipairs(ir.order) do
    local inputs = {}
    local layer = node.layer
    if node == ir.from then
      layer = new_input({ shape = node.shape }).layer
    else
      for i, below in ipairs(node.inputs) do inputs[i] = of[below] end
    end
    local op = operation.append(ir.ops, layer, inputs, node.shape)
    local name = layer.kind ~= "activation" and layer.options.activation
    if name and name ~= "linear" then
      local extra = activation { activation = name, name = layer.name }
      extra.frozen = layer.frozen
      op = operation.append(ir.ops, extra, { op }, node.shape)
    end
    of[node], op.node = op, node
  end
  ir.output = of[ir.output_node]
  for _, list in ipairs { ir.taps, ir.gradients_of } do
    for _, node in ipairs(list) do of[node].kept = true end
  end
end
