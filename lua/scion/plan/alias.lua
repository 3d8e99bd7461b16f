--- alias: gives every operation a value, and saves copies. The branches of a concatenation write straight into their slices of its output.
--- The output of flatten, of reshape, and of dropout outside of training is the memory of their input, and that of slice a part of it. An
--- operation that feeds two concatenations is copied into the second. Values that the plan gives (ir.taps) are kept to its end.
local preprocessing = require "scion.preprocessing"
local value = require "scion.ir.value"

--- Moves the inputs of a concatenation into slices of its output, where they are not placed elsewhere already. Identities are left out:
--- they become views of their own inputs below.
local function concatenate(op)
  op.aliased = {}
  local channel = 0
  for i, input in ipairs(op.inputs) do
    local v = input.value
    if not v.parent and not v.input and not input.identity then
      value.move_into(v, op.value, channel)
      op.aliased[i] = true
    end
    channel = channel + input.shape[#input.shape]
  end
end

---@param ir scion.IR
return function(ir)
  for _, op in ipairs(ir.ops) do op.value = op.value or value.new(op.pixels and preprocessing.codes_shape(op.shape) or op.shape, { dtype = op.dtype }) end
  for _, op in ipairs(ir.ops) do
    if op.layer.kind == "concatenate" then concatenate(op) end
  end
  for _, op in ipairs(ir.ops) do
    if op.identity and value.contiguous(op.inputs[1].value) and not op.value.parent then
      op.value = value.view(op.inputs[1].value, op.shape)
      op.in_place = true
    elseif op.layer.kind == "slice" and op ~= ir.output and not op.value.parent then
      op.value = op.layer:part(op.inputs[1].value)
      op.in_place = true
    end
  end
  local of = {}
  for _, op in ipairs(ir.ops) do of[op.node or op] = op end
  for _, node in ipairs(ir.taps) do
    ir.tap_values[node] = of[node].value
    value.root(of[node].value).pinned = true
  end
end
