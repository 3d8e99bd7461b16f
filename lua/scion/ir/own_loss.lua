--- A loss that is a function of the user's: it is called between the forward and the backward pass of a step.
local check = require "scion.check"
local core = require "scion.core"

local own_loss = {}

--- Raises unless a result is an f32 tensor of a shape. A single number stands for a tensor of one element, as a reduction gives it.
local function read(loss, which, value, shape, what)
  if type(value) == "number" and #shape == 1 and shape[1] == 1 then value = core.full({ 1 }, value) end
  local wanted = ("f32 %s"):format(table.concat(shape, "x"))
  local tensor = check.tensor.read(value)
  local found = tensor and ("%s %s"):format(value:dtype(), table.concat(value:shape(), "x"))
  if found == wanted then return value end
  check.raise(("the loss, a %s, returns %s, a tensor (%s), as its %s result, not %s"):format(loss.name, what, wanted, which, check.show(value)))
end

--- Calls the function. It gets copies, which it may keep.
---@param loss scion.Loss
---@param outputs scion.Tensor f32 [n, …] of the network
---@param targets scion.Tensor f32 of the same shape
---@param wants_gradients boolean
---@return scion.Tensor values f32 [n], the loss of each example
---@return scion.Tensor? gradients f32 [n, …], of each example's loss by its outputs
function own_loss.compute(loss, outputs, targets, wants_gradients)
  local values, gradients = loss.compute(outputs:copy(), targets:copy())
  local shape = outputs:shape()
  values = read(loss, "first", values, { shape[1] }, "the loss of each example")
  return values, wants_gradients and read(loss, "second", gradients, shape, "its gradient with respect to the outputs") or nil
end

local step = 2.0 ^ -7 -- of outputs near 1: large enough for f32, small enough for smooth functions

--- How far the gradients are from differences of the losses, relative to the largest gradient: for each output of an example, all examples
--- at once.
---@param loss scion.Loss
---@param outputs scion.Tensor
---@param targets scion.Tensor
---@return number
function own_loss.check(loss, outputs, targets)
  local n = outputs:shape()[1]
  local _, gradients = own_loss.compute(loss, outputs, targets, true)
  local by_column, worst = gradients:reshape(n, -1), 0
  local largest = math.max(by_column:max(), -by_column:min())
  for column = 1, by_column:shape()[2] do
    local function at(distance)
      local moved = outputs:copy()
      local one = moved:reshape(n, -1):slice(2, column, column)
      core.copy(one + distance, one)
      return (own_loss.compute(loss, moved, targets, false))
    end
    local off = (at(step) - at(-step)) / (2 * step) - by_column:slice(2, column, column):copy():reshape(n)
    if off:sum() ~= off:sum() then return 0 / 0 end
    worst = math.max(worst, off:max(), -off:min())
  end
  return worst / (largest > 0 and largest or 1)
end

return own_loss
