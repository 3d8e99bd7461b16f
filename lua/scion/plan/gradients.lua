--- gradients: puts the gradients of all parameters that train one after the other into one value, the flat buffer. Norm, limits, sums and
--- checks are then one call for all of them. The buffer lives from the first backward call on, and so shares bytes with what the forward
--- pass no longer needs. Its marks tell how much of it is complete after which calls, for those who send it away meanwhile.
local value = require "scion.ir.value"

local line = 16 -- elements of a cache line of 64 bytes
local apart = 1 << 18 -- elements from a mark to the next one, at least

---@class scion.Mark
---@field call integer the number of a call, after which
---@field elements integer so many first elements of the flat buffer do not change any more

--- The marks of a buffer that holds these gradients one after the other.
---@param ir scion.IR
---@param list { value: scion.Value }[]
---@return scion.Mark[]
local function marks(ir, list)
  local last, found = {}, {}
  for at, call in ipairs(ir.calls) do
    for _, operand in pairs(call) do
      if value.is(operand) then last[value.root(operand)] = at end
    end
  end
  local elements, call, marked = 0, 0, 0
  for _, g in ipairs(list) do
    elements, call = elements + value.elements(g.value), math.max(call, last[g.value] or #ir.calls)
    if elements - marked >= apart and call < #ir.calls then
      found[#found + 1] = { call = call, elements = elements }
      marked = elements
    end
  end
  return found
end

---@param ir scion.IR
return function(ir)
  local ragged, placed, total = {}, {}, 0
  local function add(g)
    g.value.within, g.value.offset = ir.buffer, 4 * total
    placed[#placed + 1], total = g, total + value.elements(g.value)
  end
  ir.marks = {}
  if not ir.gradients[1] then return end
  ir.buffer = value.new({ 0 }, { fixed = true, pinned = true })
  -- without gaps, in which anything could lie; those that would move others off the cache lines come last
  for _, g in ipairs(ir.gradients) do
    if value.elements(g.value) % line == 0 then add(g) else ragged[#ragged + 1] = g end
  end
  for _, g in ipairs(ragged) do add(g) end
  ir.buffer.shape[1], ir.marks = total, marks(ir, placed)
end
