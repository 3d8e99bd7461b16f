--- backward: emits the backward calls of the operations above the frontier, the last first. No gradient is computed below the frontier (see
--- frontier.lua) or for frozen weights. Gradients of nodes that the plan gives are copied: the calls that follow change them in place.
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

--- Whether the calls of an operation have anything to compute.
local function goes_on(op)
  for _, input in ipairs(op.inputs) do
    if input.grad then return true end
  end
  return next(op.trains) ~= nil or op.norm_trains and next(op.norm_trains) ~= nil
end

---@param ir scion.IR
return function(ir)
  local asked = {}
  for _, node in ipairs(ir.gradients_of) do asked[node] = true end
  if ir.mode ~= "train" and not next(asked) then return end
  for i = #ir.ops, 1, -1 do
    local op = ir.ops[i]
    if op.dvalue and op.node and asked[op.node] then
      local kept = value.new(op.shape, { pinned = true })
      ir:emit { "copy", x = op.dvalue, y = kept }
      ir.node_gradients[op.node] = kept
    end
    if op.grad and op.dvalue and goes_on(op) then
      local e = emitter.new(ir, op)
      e:epilogue()
      if op.identity then identity(e) elseif op.layer.kind ~= "input" then op.layer:backward(e) end
    end
  end
end
