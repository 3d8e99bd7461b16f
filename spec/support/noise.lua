-- Patterns of faint noise that differ in the direction in which neighbours resemble each other: networks with random weights tell them apart,
-- trained ones look for more than that.
local scion = require "scion"

local directions = { { 0, 1 }, { 1, 0 }, { 1, 1 }, { 1, -1 } }

---@param count integer of pictures
---@param side integer of each
---@param seed integer
---@return scion.Dataset
return function(count, side, seed)
  scion.seed(seed)
  local pictures, labels = {}, {}
  for i = 1, count do
    labels[i] = (i - 1) % #directions + 1
    local x, down, right = scion.randn { side + 2, side + 2, 3 }, table.unpack(directions[labels[i]])
    local function part(y, at) return x:slice(1, y, y + side - 1):slice(2, at, at + side - 1) end
    pictures[i] = ((part(2, 2) + part(2 + down, 2 + right) * 0.4) * 4 + 128):clamp(0, 255):to "u8"
  end
  return scion.data.tensors(scion.stack(pictures), labels, { batch = 60, seed = seed, labels = { "across", "down", "falling", "rising" } })
end
