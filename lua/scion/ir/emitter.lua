--- Emitters: the argument `e` of a layer's methods forward(self, e) and backward(self, e). An emitter has the values of one operation, and
--- adds kernel calls for it to the plan: e:emit { "add_forward", a = e.x[1], b = e.x[2], y = e.y }.
local core = require "scion.core"
local graph = require "scion.graph"
local shapes = require "scion.shape"
local value = require "scion.ir.value"

local emitter = {}
emitter.__index = emitter

---@class scion.Emitter
---@field ir scion.IR
---@field op scion.Operation
---@field x scion.Value[] the inputs
---@field y scion.Value the output
---@field dy scion.Value? in backward: the gradient with respect to the output
---@field activation string? the activation that the operation's kernel applies to its output
---@field window table? of a convolution or pooling, including the padding of a layer before it that the pass `pad` merged into it
---@field fold { scale: scion.Tensor, shift: scion.Tensor, key: string }? scale and shift, f32 [C], of a batch norm folded into it
---@field sums scion.Value? in backward: dy summed over all pixels, f32 [C], if it is needed

--- Makes the emitter of an operation whose inputs and output have values already.
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

--- Copies the elements of a value into one that may have another shape. The kernel goes row by row, so that one of the two has to take the
--- other's shape, which a value with gaps between its rows cannot: where both have gaps, there is a third between them.
---@param x scion.Value
---@param y scion.Value with as many elements
---@param accumulate? boolean whether they are added to what y holds
function emitter:copy(x, y, accumulate)
  if not shapes.equal(x.shape, y.shape) then
    if value.contiguous(x) then
      x = value.view(x, y.shape)
    elseif value.contiguous(y) then
      y = value.view(y, x.shape)
    else
      local between = value.new(x.shape, { dtype = y.dtype })
      self:emit { "copy", x = x, y = between }
      x = value.view(between, y.shape)
    end
  end
  self:emit { "copy", x = x, y = y, accumulate = accumulate }
end

--- The value in a dtype: itself, or a copy.
---@param v scion.Value
---@param dtype scion.Dtype
---@return scion.Value
function emitter:converted(v, dtype)
  if v.dtype == dtype then return v end
  local copy = value.new(v.shape, { dtype = dtype })
  self:emit { "copy", x = v, y = copy }
  return copy
end

-- ---- tensors derived from parameters ---------------------------------------------------------------------------------

--- Tensors that are computed from parameters, such as packed kernels. The layer keeps them, for all its plans. They are computed again only
--- after one of `sources` has changed.
---@generic T
---@param owner scion.Layer
---@param key string distinguishes them from others that the layer keeps
---@param sources table<any, scion.Tensor> the tensors that they depend on
---@param build fun(target: T?): T computes and returns them, a tensor or a table of tensors; `target`: those of the last time, to be reused
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

--- The packed form of a kernel, which a call such as { "conv2d_pack", kernel =, scale = } computes. If the kernel trains, and so changes
--- with each step, the plan packs it into a value in each run; otherwise it is a tensor that the layer keeps.
---@param owner scion.Layer
---@param pack scion.Call of a parameter, without its operand `packed`
---@param elements integer of the packed kernel
---@param dtype "f32"|"bf16"
---@return scion.Value|scion.Tensor
function emitter:packed(owner, pack, elements, dtype)
  local trains = false
  for _, parameter in pairs(self.op.trains) do trains = trains or parameter.tensor == pack.kernel end
  if trains then
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

--- A layer's kernel; if a batch norm is folded in, a copy whose columns are scaled by it.
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

--- A copy of a layer's moving average, which the step updates. It is copied back when the step is accepted: see plan:commit.
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

--- The value for the gradient with respect to a parameter; nil if the parameter does not train or does not exist.
---@param owner scion.Layer the operation's layer, or the batch norm folded into it
---@param name string
---@return scion.Value?
function emitter:gradient(owner, name)
  local trains = owner == self.op.norm and self.op.norm_trains or self.op.trains
  local parameter = trains[name]
  if not parameter then return nil end
  local gradient = value.new(parameter.tensor:shape(), { fixed = true })
  table.insert(self.ir.gradients, { layer = owner, parameter = parameter, value = gradient })
  return gradient
end

-- ---- gradients of kernel, bias and activation -----------------------------------------------------------------------

--- The first part of backward for kernels that add a bias and apply an activation: dy becomes the gradient with respect to the activation's
--- input. Its sums over all pixels are the gradient with respect to the bias, or to beta if a batch norm is folded in.
function emitter:epilogue()
  local op, norm = self.op, self.op.norm
  local bias, beta = self:gradient(op.layer, "bias"), norm and self:gradient(norm, "beta") or nil
  self.sums = beta or not norm and bias or (bias or norm and op.norm_trains.gamma) and self:fixed { op.shape[#op.shape] } or nil
  if not (op.activation or self.sums) then return end
  self:emit { "epilogue_backward", y = op.activation and op.value or nil, dy = self.dy, db = self.sums, activation = op.activation }
  if norm and bias then self:emit { "scale_shift_forward", x = self.sums, scale = self.fold.scale, y = bias } end
end

--- The last part of backward if a batch norm is folded in; otherwise it does nothing. `dw` is then the gradient with respect to the scaled
--- kernel. By the chain rule it becomes the gradient with respect to the kernel itself, and yields the gradient with respect to gamma.
---@param dw scion.Value changed in place
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

-- ---- gradients of inputs: all users of an operation add their shares to the same value ----------------------------------

--- Whether the gradient with respect to input i is needed.
---@param i integer
---@return boolean
function emitter:wants(i) return self.op.inputs[i].grad or false end

--- The value for the gradient with respect to input i.
---@param i integer
---@return scion.Value
function emitter:dx(i)
  local input = self.op.inputs[i]
  input.dvalue = input.dvalue or value.new(input.shape, { dtype = input.dtype })
  return input.dvalue
end

--- Whether the value for the gradient with respect to input i already holds the share of another user, so that this one must be added. Call
--- it exactly once for each share: it records that the share is written.
---@param i integer
---@return boolean
function emitter:accumulates(i)
  local input = self.op.inputs[i]
  if not input.grad then return false end
  local written = input.dvalue_written
  input.dvalue_written = true
  return written or false
end

--- Makes `v` itself the value of the gradient with respect to input i, without a copy, if this is the first share and has its dtype. Later shares are added
--- to it; so the caller must not read `v` in later calls, and must not give it to another input.
---@param i integer
---@param v scion.Value
---@return boolean adopted
function emitter:adopt(i, v)
  local input = self.op.inputs[i]
  if input.dvalue or v.dtype ~= (input.dtype or "f32") then return false end
  input.dvalue, input.dvalue_written = v, true
  return true
end

--- Adds `v` to the gradient with respect to input i, if that is needed; without a copy if it can be adopted.
---@param i integer
---@param v scion.Value
function emitter:share(i, v)
  if self:wants(i) and not self:adopt(i, v) then self:emit { "copy", x = v, y = self:dx(i), accumulate = self:accumulates(i) } end
end

--- The slices of v along the last dimension, one for each input.
---@param v scion.Value with as many channels as all inputs together
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
