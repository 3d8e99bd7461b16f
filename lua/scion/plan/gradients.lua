--- gradients: puts the gradients of all parameters that train one after the other into one value, the flat buffer. Norm, limits, sums and
--- checks are then one call for all of them. The buffer lives from the first backward call on, and so shares bytes with what the forward
--- pass no longer needs.
local value = require "scion.ir.value"

local line = 16 -- elements of a cache line of 64 bytes

---@param ir scion.IR
return function(ir)
  local ragged, total = {}, 0
  local function add(g)
    g.value.within, g.value.offset = ir.buffer, 4 * total
    total = total + value.elements(g.value)
  end
  if not ir.gradients[1] then return end
  ir.buffer = value.new({ 0 }, { fixed = true, pinned = true })
  -- without gaps, in which anything could lie; those that would move others off the cache lines come last
  for _, g in ipairs(ir.gradients) do
    if value.elements(g.value) % line == 0 then add(g) else ragged[#ragged + 1] = g end
  end
  for _, g in ipairs(ragged) do add(g) end
  ir.buffer.shape[1] = total
end
