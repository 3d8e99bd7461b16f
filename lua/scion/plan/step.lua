--- What a layer's forward and backward see while they emit kernel steps for one operation.
local value = require "scion.plan.value"

local step = {}
step.__index = step

---@class scion.Step
---@field op scion.Operation
---@field x scion.Value[] inputs
---@field y scion.Value output
---@field dy scion.Value gradient by the output, in backward
---@field activation string? fused into this operation
---@field fold { scale: scion.Tensor, shift: scion.Tensor, key: string }? batch norm folded into this operation

--- What a layer is told about its operation in a plan that is being made.
function step.new(ir, op)
  local s = setmetatable({ ir = ir, op = op, x = {}, y = op.value, dy = op.dvalue, activation = op.activation }, step)
  for i, input in ipairs(op.inputs) do s.x[i] = input.value end
  if op.norm then s.fold = op.norm:fold(s, op.layer:weight "bias") end
  return s
end

--- Adds a kernel step: { "kernel", operand = value or tensor, option = … }.
function step:emit(kernel) self.ir.emit(kernel) end

--- Tensors computed from parameters, such as packed kernels: they belong to the layer and are built again only after one of
--- `sources` changed. build(target) fills and returns target, or makes it when that is nil.
function step:derived(owner, key, sources, build)
  local entry = owner.derived[key]
  if not entry then
    entry = { stamp = -1 }
    owner.derived[key] = entry
  end
  function entry.refresh()
    local stamp = 0
    for _, source in pairs(sources) do stamp = stamp + source:version() end
    if stamp == entry.stamp then return end
    entry.target = build(entry.target)
    entry.stamp = stamp
  end
  entry.refresh()
  self.ir.derived[#self.ir.derived + 1] = entry
  return entry.target
end

--- A value without a batch dimension that lives to the end of the program.
function step.fixed(_, shape) return value.new(shape, { fixed = true, pinned = true }) end

--- A copy of a statistic that the step moves; the statistic follows when the step is accepted.
function step:pending(owner, name)
  local tensor = owner:weight(name)
  local copy = self:fixed(tensor:shape())
  self:emit { "copy", x = tensor, y = copy }
  table.insert(self.ir.pending, { tensor = tensor, value = copy })
  return copy
end

--- The value for the gradient of a parameter, or nil where the parameter does not train.
function step:gradient(owner, name)
  local trains = owner == self.op.norm and self.op.norm_trains or self.op.trains
  local parameter = trains[name]
  if not parameter then return nil end
  local gradient = self:fixed(parameter.tensor:shape())
  table.insert(self.ir.gradients, { layer = owner, parameter = parameter, value = gradient })
  return gradient
end

--- dw is the gradient by the kernel with batch norm folded in; the chain rule through that scaling makes it the kernel's own.
function step:unfold(dw)
  if not self.fold then return end
  local columns = self.fold.scale:shape()[1]
  local flat = value.view(dw, { value.elements(dw) // columns, columns })
  self:emit { "scale_shift_forward", x = flat, scale = self.fold.scale, y = flat }
end

--- The gradients of the operation's bias, and of the beta of a batch norm folded in: sums of dy over all rows.
function step:bias_gradient(owner)
  local bias = self:gradient(owner, "bias")
  if bias then
    self:emit { "bias_backward", dy = self.dy, db = bias }
    self:unfold(bias)
  end
  local beta = self.op.norm and self:gradient(self.op.norm, "beta")
  if beta then self:emit { "bias_backward", dy = self.dy, db = beta } end
end

--- Whether the gradient by input i is needed.
function step:wants(i) return self.op.inputs[i].grad or false end

--- The value for the gradient by input i.
function step:dx(i)
  local input = self.op.inputs[i]
  input.dvalue = input.dvalue or value.new(input.shape)
  return input.dvalue
end

--- Whether that value holds another user's share already, so that this one is added; asked once for each share.
function step:accumulates(i)
  local input = self.op.inputs[i]
  if not input.grad then return false end
  local written = input.dvalue_written
  input.dvalue_written = true
  return written or false
end

--- Lets the gradient by input i be `v` itself, without a copy, if this operation is its only user.
function step:adopt(i, v)
  local input = self.op.inputs[i]
  if #input.users > 1 or input.dvalue then return false end
  input.dvalue, input.dvalue_written = v, true
  return true
end

--- The slices of v, one an input, along the last dimension.
function step:slices(v)
  local list, channel = {}, 0
  for i, input in ipairs(self.op.inputs) do
    local channels = input.shape[#input.shape]
    list[i] = value.slice(v, channel, channels)
    channel = channel + channels
  end
  return list
end

return step
