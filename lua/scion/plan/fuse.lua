--- fuse: most kernels can apply an activation before they store their output, and those of convolutions can add a second input first. So an
--- `add` of two inputs is merged into the convolution that computes the later one, and an activation into the operation before it, unless
--- something else reads the output without them. An activation whose gradient is computed from its input stays apart where that is needed.
local operation = require "scion.ir.operation"

local function is_free(op) return #op.users == 1 and not op.activation and not op.kept end

--- The earlier summand becomes the second input of the later one.
local function add(ir, op, position)
  if op.layer.kind ~= "add" or #op.inputs ~= 2 then return end
  local earlier, later = op.inputs[1], op.inputs[2]
  if position[earlier] > position[later] then earlier, later = later, earlier end
  if not (later.layer.fuses_addend and is_free(later) and #later.inputs == 1) then return end
  later.inputs[2] = earlier
  for i, user in ipairs(earlier.users) do
    if user == op then earlier.users[i] = later end
  end
  operation.absorb(ir, later, op)
end

local function activation(ir, op)
  local below = op.inputs[1]
  if op.layer.kind ~= "activation" or op.identity or op.layer.computed == "softmax" or op.grad and op.layer.computed == "input" then return end
  if below.layer.fuses_activation and is_free(below) then
    below.activation = op.layer.options.activation
    operation.absorb(ir, below, op)
  end
end

---@param ir scion.IR
return function(ir)
  local position = {}
  for i, op in ipairs(ir.ops) do position[op] = i end
  for _, op in ipairs(ir.ops) do
    add(ir, op, position)
    activation(ir, op)
  end
  operation.sweep(ir)
end
