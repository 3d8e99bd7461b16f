--- The time of a convolution by Winograd's minimal filtering (csrc/kernels/winograd.c) and by plain sums. Minimal filtering cuts the output
--- into tiles of 4 along each axis on which the kernel has more than one tap. For a tile it transforms `taps + 3` values along such an axis
--- in each channel, of input and output, and needs one product for each of these values and each pair of channels.
local core = require "scion.core"

local filtering = {}

---@class scion.FilteringCounts operations for one image
---@field plain integer multiply-adds of plain sums
---@field products integer multiply-adds of minimal filtering
---@field transforms integer values that are transformed, in tiles of input and output
---@field weights integer transformed weights; each is read once for a few images

---@class scion.FilteringCosts the time of one of these operations, in units of a multiply-add of plain sums in the forward pass
---@field plain number
---@field product number
---@field transform number
---@field weight number

--- Counts the operations of a convolution; nil if minimal filtering does not support the window.
---@param window table as layer.window returns it
---@param x integer[] height, width and channels of the input
---@param y integer[] height, width and channels of the output
---@return scion.FilteringCounts?
function filtering.counts(window, x, y)
  if not core.winograd_fits(window) then return nil end
  local values, tiles, pairs_of_channels = 1, 1, x[3] * y[3]
  for axis = 1, 2 do
    local taps = window.kernel[axis]
    values = values * (taps > 1 and taps + 3 or 1)
    tiles = tiles * (taps > 1 and math.ceil(y[axis] / 4) or y[axis])
  end
  return { plain = y[1] * y[2] * window.kernel[1] * window.kernel[2] * pairs_of_channels, products = values * tiles * pairs_of_channels,
           transforms = values * tiles * (x[3] + y[3]), weights = values * pairs_of_channels }
end

--- How many times as fast as plain sums minimal filtering is; 0 if it does not support the window.
---@param window table
---@param x integer[]
---@param y integer[]
---@param costs scion.FilteringCosts
---@return number
function filtering.gain(window, x, y, costs)
  local n = filtering.counts(window, x, y)
  if not n then return 0 end
  return n.plain * costs.plain / (n.products * costs.product + n.transforms * costs.transform + n.weights * costs.weight)
end

return filtering
