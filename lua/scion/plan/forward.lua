--- Emits the forward steps, in the graph's order.
local step = require "scion.plan.step"
local value = require "scion.plan.value"

local function input(ir, op)
  if ir.input_dtype == "u8" then
    local p = op.layer.options.preprocess
    ir.input = value.new(op.shape, { dtype = "u8", input = true })
    ir.emit({ "preprocess", x = ir.input, y = op.value, scale_by = p.scale, shift_by = p.shift, reverse = p.reverse })
  else
    ir.input = op.value
    op.value.input = true
  end
end

return function(ir)
  for _, op in ipairs(ir.ops) do
    if op.layer.kind == "input" then
      input(ir, op)
    elseif op.identity then
      if not op.in_place then ir.emit({ "copy", x = op.inputs[1].value, y = op.value }) end
    else
      op.layer:forward(step.new(ir, op))
    end
  end
  value.root(ir.output.value).pinned = true
end
