--- The gradients of all parameters that train, as a step has left them in the arena: one flat tensor.
local core = require "scion.core"

local gradients = {}
gradients.__index = gradients

---@class scion.Gradients
---@field flat scion.Tensor f32, all of them one after the other; the next run overwrites it
---@field private arena scion.Tensor
---@field private slices table<scion.Parameter, scion.Tensor>

--- Those of the last run of a plan.
---@param plan scion.Plan one for training
---@param arena scion.Tensor of that run
---@return scion.Gradients
function gradients.of(plan, arena)
  if not plan.views or plan.views.arena ~= arena then -- views of hundreds of parameters are not made anew in each step
    local flat, slices = plan.buffer and core.place(arena, plan.buffer) or core.new({ 0 }, "f32"), {}
    for _, g in ipairs(plan.gradients) do slices[g.parameter] = core.place(arena, g.place) end
    plan.views = setmetatable({ flat = flat, slices = slices, arena = arena }, gradients)
  end
  return plan.views
end

--- The gradient of a parameter: a view of its part of `flat`.
---@param parameter scion.Parameter one that trains
---@return scion.Tensor f32, of the parameter's shape
function gradients:slice(parameter) return self.slices[parameter] end

--- Whether all of them are finite numbers.
---@return boolean
function gradients:finite() return core.finite(self.flat) end

--- The square root of the sum of their squares.
---@return number
function gradients:norm() return core.norm(self.flat) end

--- to = from * factor, or to = to + from * factor; both may be one tensor.
local function scaled(from, to, factor, add) core.run { "scaled_add_backward", dy = from, db = to, rate = factor, accumulate = add } end

--- Multiplies them by a number.
---@param factor number
function gradients:scale(factor) scaled(self.flat, self.flat, factor, false) end

--- Adds them, times a factor, to a sum.
---@param sum scion.Tensor? that of the step before, whose memory is used again if it has the size
---@param factor number
---@param first boolean whether the sum begins anew
---@return scion.Tensor sum
function gradients:add_to(sum, factor, first)
  if not sum or #sum ~= #self.flat then sum = core.new(self.flat:shape(), "f32") end
  scaled(self.flat, sum, factor, not first)
  return sum
end

--- Replaces them by a sum, times a factor.
---@param sum scion.Tensor of their size
---@param factor number
function gradients:take(sum, factor) scaled(sum, self.flat, factor, false) end

--- Limits them: each to the range from -value to value; all by one factor, so that their norm is not above `norm`.
---@param limits scion.ClipOptions
function gradients:clip(limits)
  if limits.value then core.run { "clip", x = self.flat, limit = limits.value } end
  local norm = limits.norm and self:norm()
  if norm and norm > limits.norm then self:scale(limits.norm / norm) end
end

return gradients
