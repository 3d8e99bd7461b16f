--- The gradients of all parameters that train, as a step has left them in the arena: one flat tensor.
local core = require "scion.core"

local gradients = {}
gradients.__index = gradients

---@class scion.Gradients
---@field flat scion.Tensor f32, all of them one after the other; the next run overwrites it
---@field private plan scion.Plan
---@field private arena scion.Tensor

--- Those of the last run of a plan.
---@param plan scion.Plan one for training
---@param arena scion.Tensor of that run
---@return scion.Gradients
function gradients.of(plan, arena)
  local flat = plan.buffer and core.place(arena, plan.buffer) or core.new({ 0 }, "f32")
  return setmetatable({ flat = flat, plan = plan, arena = arena }, gradients)
end

--- Iterates over the parameters: number, entry of plan.gradients, gradient.
---@return fun(): integer?, table?, scion.Tensor?
function gradients:each()
  local i, list, arena = 0, self.plan.gradients, self.arena
  return function()
    i = i + 1
    if list[i] then return i, list[i], core.place(arena, list[i].place) end
  end
end

--- Whether all of them are finite numbers.
---@return boolean
function gradients:finite() return core.finite(self.flat) end

--- The square root of the sum of their squares.
---@return number
function gradients:norm() return core.norm(self.flat) end

--- Multiplies them by a number.
---@param factor number
function gradients:scale(factor) core.run { "scale", x = self.flat, rate = factor } end

--- Adds them, times a factor, to a tensor of their size.
---@param sum scion.Tensor? (zeros)
---@param factor number
---@return scion.Tensor sum
function gradients:add_to(sum, factor)
  sum = sum or core.new(self.flat:shape(), "f32")
  core.run { "scaled_add_forward", a = sum, b = self.flat, y = sum, rate = factor }
  return sum
end

--- Limits them: each to the range from -value to value; all by one factor, so that their norm is not above `norm`.
---@param limits scion.ClipOptions
function gradients:clip(limits)
  if limits.value then core.run { "clip", x = self.flat, limit = limits.value } end
  local norm = limits.norm and self:norm()
  if norm and norm > limits.norm then self:scale(limits.norm / norm) end
end

return gradients
