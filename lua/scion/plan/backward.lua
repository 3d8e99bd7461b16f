--- Emits the backward steps, in reverse, for what lies above the frontier: no gradient below it, none by frozen weights.
local step = require "scion.plan.step"
local value = require "scion.plan.value"

local function identity(s)
  local input = s.op.inputs[1]
  if not s:wants(1) then return end
  local same = #s.op.shape == #input.shape
  for i, size in ipairs(s.op.shape) do same = same and size == input.shape[i] end
  local dx = same and s.dy or value.contiguous(s.dy) and value.view(s.dy, input.shape) or nil
  if dx then s:share(1, dx) else s:emit { "copy", x = s.dy, y = s:dx(1), accumulate = s:accumulates(1) } end
end

return function(ir)
  for i = #ir.ops, 1, -1 do
    local op = ir.ops[i]
    if op.grad and op.dvalue then
      local s = step.new(ir, op)
      s:epilogue()
      if op.identity then identity(s) elseif op.layer.kind ~= "input" then op.layer:backward(s) end
    end
  end
end
