--- Emitters: what a layer's forward(self, e) and backward(self, e) see. An emitter knows the values of one operation and adds kernel
--- calls for it to the plan: e:emit { "add_forward", a = e.x[1], b = e.x[2], y = e.y }.
local core = require "scion.core"
local graph = require "scion.graph"
local value = require "scion.ir.value"

local emitter = {}
emitter.__index = emitter

---@class scion.Emitter
---@field ir scion.IR
---@field op scion.Operation
---@field x scion.Value[] the inputs
---@field y scion.Value the output
---@field dy scion.Value? the gradient by the output, in backward
---@field activation string? that the operation's kernel applies to its output
---@field window table? of a convolution or pooling, with the padding that it took over
---@field fold { scale: scion.Tensor, shift: scion.Tensor, key: string }? the batch norm folded into this operation: f32 [C]
---@field sums scion.Value? in backward: dy summed over all pixels, f32 [C], where somebody needs it

--- The emitter of an operation whose inputs and output have values.
---@param ir scion.IR
---@param op scion.Operation
---@return scion.Emitter
function emitter.new(ir, op)
  local self = setmetatable({ ir = ir, op = op, x = {}, y = op.value, dy = op.dvalue, activation = op.activation,
                              window = op.window or op.layer.window }, emitter)
  for i, input in ipairs(op.inputs) do self.x[i] = input.value end
  if op.norm then self.fold = op.norm:fold(self, op.layer:weight "bias") end
  return self
end

--- Adds a kernel call: { "kernel", operand = value or tensor, option = … }.
---@param call scion.Call
function emitter:emit(call) self.ir:emit(call) end

-- ---- what follows from parameters -----------------------------------------------------------------------------------

--- Tensors that follow from parameters, such as packed kernels. They are kept with the layer, for all its plans, and built again
--- only after one of `sources` changed.
---@generic T
---@param owner scion.Layer
---@param key string tells them from others that the layer keeps
---@param sources table<any, scion.Tensor>
---@param build fun(target: T?): T fills what it made before, or makes it, and returns it: a tensor or a table of tensors
---@return T
function emitter:derived(owner, key, sources, build)
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

--- What a call such as { "conv2d_pack", kernel =, scale = } makes of a kernel: kept with the layer; or, where the kernel trains and
--- so changes with every step, packed by the plan itself into a value.
---@param owner scion.Layer
---@param pack scion.Call without its operand `packed`
---@param elements integer of the packed kernel
---@param dtype "f32"|"bf16"
---@return scion.Value|scion.Tensor
function emitter:packed(owner, pack, elements, dtype)
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

--- A layer's kernel, its columns scaled where batch norm is folded in.
---@param owner scion.Layer
---@param kernel scion.Tensor f32 [.., out]
---@return scion.Tensor
function emitter:scaled(owner, kernel)
  local fold = self.fold
  if not fold then return kernel end
  return self:derived(owner, "scaled" .. fold.key, { kernel, fold.scale }, function(target)
    target = target or core.new(kernel:shape(), "f32")
    core.run { "scale_shift_forward", x = kernel, scale = fold.scale, y = target }
    return target
  end)
end

-- ---- values without a batch -----------------------------------------------------------------------------------------

--- An f32 value of that shape without a batch dimension, kept until the last call has run.
---@param shape integer[]
---@return scion.Value
function emitter.fixed(_, shape) return value.new(shape, { fixed = true, pinned = true }) end

--- A copy of a layer's moving average for the step to move. The layer's own follows when the step is accepted: see plan:commit.
---@param owner scion.Layer
---@param name string
---@return scion.Value
function emitter:pending(owner, name)
  local tensor = owner:weight(name)
  local copy = self:fixed(tensor:shape())
  self:emit { "copy", x = tensor, y = copy }
  table.insert(self.ir.pending, { tensor = tensor, value = copy })
  return copy
end

--- The value for the gradient by a parameter, or nil where the parameter does not train or does not exist.
---@param owner scion.Layer the operation's layer, or the batch norm folded into it
---@param name string
---@return scion.Value?
function emitter:gradient(owner, name)
  local trains = owner == self.op.norm and self.op.norm_trains or self.op.trains
  local parameter = trains[name]
  if not parameter then return nil end
  local gradient = self:fixed(parameter.tensor:shape())
  table.insert(self.ir.gradients, { layer = owner, parameter = parameter, value = gradient })
  return gradient
end

-- ---- gradients by kernel, bias and activation -----------------------------------------------------------------------

--- Goes back through what the operation's kernel did last, before the layer's own backward: dy becomes the gradient before the
--- activation, and its sums that by the bias, or by the beta of a batch norm folded in.
function emitter:epilogue()
  local op, norm = self.op, self.op.norm
  local bias, beta = self:gradient(op.layer, "bias"), norm and self:gradient(norm, "beta") or nil
  self.sums = beta or not norm and bias or (bias or norm and op.norm_trains.gamma) and self:fixed { op.shape[#op.shape] } or nil
  if not (op.activation or self.sums) then return end
  self:emit { "epilogue_backward", y = op.activation and op.value or nil, dy = self.dy, db = self.sums, activation = op.activation }
  if norm and bias then self:emit { "scale_shift_forward", x = self.sums, scale = self.fold.scale, y = bias } end
end

--- Where batch norm is folded in, dw is the gradient by the scaled kernel. The chain rule makes it that by the kernel itself, and
--- gives that by gamma.
---@param dw scion.Value
function emitter:unfold(dw)
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

-- ---- gradients by inputs: the users of an operation add their shares to one value ---------------------------------------

--- Whether the gradient by input i is needed.
---@param i integer
---@return boolean
function emitter:wants(i) return self.op.inputs[i].grad or false end

--- The value for the gradient by input i.
---@param i integer
---@return scion.Value
function emitter:dx(i)
  local input = self.op.inputs[i]
  input.dvalue = input.dvalue or value.new(input.shape)
  return input.dvalue
end

--- Whether the gradient by input i holds another user's share already, to which this one is added. Each share asks once, since
--- asking counts as having written.
---@param i integer
---@return boolean
function emitter:accumulates(i)
  local input = self.op.inputs[i]
  if not input.grad then return false end
  local written = input.dvalue_written
  input.dvalue_written = true
  return written or false
end

--- Lets the gradient by input i be `v` itself, without a copy, if this is its first share: later ones are added to it. The caller
--- reads `v` in no later call, and gives it to one input alone.
---@param i integer
---@param v scion.Value
---@return boolean adopted
function emitter:adopt(i, v)
  local input = self.op.inputs[i]
  if input.dvalue then return false end
  input.dvalue, input.dvalue_written = v, true
  return true
end

--- Adds `v` to the gradient by input i, if that is needed: without a copy where it can be adopted.
---@param i integer
---@param v scion.Value
function emitter:share(i, v)
  if self:wants(i) and not self:adopt(i, v) then self:emit { "copy", x = v, y = self:dx(i), accumulate = self:accumulates(i) } end
end

--- The slices of v along the last dimension, one for each input.
---@param v scion.Value as many channels as all inputs together
---@return scion.Value[]
function emitter:slices(v)
  local list, channel = {}, 0
  for i, input in ipairs(self.op.inputs) do
    local channels = input.shape[#input.shape]
    list[i] = value.slice(v, channel, channels)
    channel = channel + channels
  end
  return list
end

return emitter
