--- Which rows of scores are highest at their own class.
local core = require "scion.core"

---@param scores scion.Tensor f32 [rows, classes]
---@param classes scion.Tensor i32 [rows], from 1
---@return scion.Tensor right f32 [rows], 1 or 0
return function(scores, classes)
  local best = scores:argmax(2)
  if type(best) == "number" then best = core.from_table({ best }, "i32") end -- of a single row
  return best:eq(classes):to "f32"
end
