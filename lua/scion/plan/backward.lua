--- backward: emits, in training, the backward calls of the operations above the frontier, the last first. No gradient is computed below
--- the frontier (see frontier.lua) or for frozen weights.
local emitter = require "scion.ir.emitter"
local shapes = require "scion.shape"
local value = require "scion.ir.value"

--- The backward pass of an operation whose output is its input: dy is the gradient of the input as well, perhaps under another shape.
local function identity(e)
  local input = e.op.inputs[1]
  if not e:wants(1) then return end
  local dx = shapes.equal(e.op.shape, input.shape) and e.dy or value.contiguous(e.dy) and value.view(e.dy, input.shape) or nil
  if dx then e:share(1, dx) else e:copy(e.dy, e:dx(1), e:accumulates(1)) end
end

---@param ir scion.IR
return function(ir)
  if ir.mode ~= "train" then return end
  for i = #ir.ops, 1, -1 do
    local op = ir.ops[i]
    if op.grad and op.dvalue then
      local e = emitter.new(ir, op)
      e:epilogue()
      if op.identity then identity(e) elseif op.layer.kind ~= "input" then op.layer:backward(e) end
    end
  end
end
