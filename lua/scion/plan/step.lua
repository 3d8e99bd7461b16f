--- What a layer's forward and backward see while they emit kernel steps for one operation.
local core = require "scion.core"
local graph = require "scion.graph"
local value = require "scion.plan.value"

local step = {}
step.__index = step

---@class scion.Step
---@field op scion.Operation
---@field x scion.Value[] inputs
---@field y scion.Value output
---@field dy scion.Value gradient by the output, in backward
---@field activation string? fused into this operation
---@field window table? of a convolution or pooling, with the padding fused into it
---@field fold { scale: scion.Tensor, shift: scion.Tensor, key: string }? batch norm folded into this operation

--- What a layer is told about its operation in a plan that is being made.
function step.new(ir, op)
  local s = setmetatable({ ir = ir, op = op, x = {}, y = op.value, dy = op.dvalue, activation = op.activation,
                           window = op.window or op.layer.window }, step)
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
    local stamp = graph.version(sources)
    if stamp == entry.stamp then return end
    entry.target = build(entry.target)
    entry.stamp = stamp
  end
  entry.refresh()
  self.ir.derived[#self.ir.derived + 1] = entry
  return entry.target
end

--- What a step such as { "conv2d_pack", kernel =, scale = } makes of a kernel: kept with the layer, or, where the kernel trains and so
--- is packed anew for every step, in the arena until it was used.
function step:packed(owner, pack, elements, dtype)
  if self.op.trains.kernel then
    pack.packed = value.new({ elements }, { fixed = true, dtype = dtype })
    self:emit(pack)
    return pack.packed
  end
  local key = pack[1] .. (self.fold and self.fold.key or "") .. (pack.window and table.concat(pack.window.before, ",") or "")
  return self:derived(owner, key, { pack.kernel, pack.scale }, function(target)
    pack.packed = target or core.new({ elements }, dtype)
    core.run(pack)
    return pack.packed
  end)
end

--- A layer's kernel [.., out], its columns scaled where batch norm is folded in.
function step:scaled(owner, kernel)
  local fold = self.fold
  if not fold then return kernel end
  return self:derived(owner, "scaled" .. fold.key, { kernel, fold.scale }, function(target)
    target = target or core.new(kernel:shape(), "f32")
    core.run { "scale_shift_forward", x = kernel, scale = fold.scale, y = target }
    return target
  end)
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

--- What the operation's kernel did last is undone first, in one pass: dy becomes the gradient before the activation, and its sums
--- those of the bias, or of the beta of a batch norm folded in.
function step:epilogue()
  local op, norm = self.op, self.op.norm
  local bias, beta = self:gradient(op.layer, "bias"), norm and self:gradient(norm, "beta") or nil
  self.sums = beta or not norm and bias or (bias or norm and op.norm_trains.gamma) and self:fixed { op.shape[#op.shape] } or nil
  if not (op.activation or self.sums) then return end
  self:emit { "epilogue_backward", y = op.activation and op.value or nil, dy = self.dy, db = self.sums, activation = op.activation }
  if norm and bias then self:emit { "scale_shift_forward", x = self.sums, scale = self.fold.scale, y = bias } end
end

--- dw is the gradient by the kernel with batch norm folded in; the chain rule through that scaling makes it the kernel's own, and
--- gives that of the scale.
function step:unfold(dw)
  local op, fold = self.op, self.fold
  if not fold then return end
  local dgamma = self:gradient(op.norm, "gamma")
  if dgamma then
    self:emit { "batch_norm_unfold", kernel = op.layer:weight "kernel", db = self.sums, mean = op.norm:weight "moving_mean",
                variance = op.norm:weight "moving_variance", bias = op.layer:weight "bias", scale = fold.scale, dw = dw, dgamma = dgamma,
                epsilon = op.norm.options.epsilon }
  else
    local columns = fold.scale:shape()[1]
    local flat = value.view(dw, { value.elements(dw) // columns, columns })
    self:emit { "scale_shift_forward", x = flat, scale = fold.scale, y = flat }
  end
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

--- Lets the gradient by input i be `v` itself, without a copy, if this is its first share: later ones are added to it. The caller
--- reads `v` no more in steps yet to come, and gives it to one input alone.
function step:adopt(i, v)
  local input = self.op.inputs[i]
  if input.dvalue then return false end
  input.dvalue, input.dvalue_written = v, true
  return true
end

--- Adds `v` to the gradient by input i, if that is needed: without a copy where it can be adopted.
function step:share(i, v)
  if self:wants(i) and not self:adopt(i, v) then self:emit { "copy", x = v, y = self:dx(i), accumulate = self:accumulates(i) } end
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
