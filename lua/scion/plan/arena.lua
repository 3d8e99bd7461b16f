--- arena: gives every value its place in the arena. Values that live at different times share bytes: the largest first, each gets the
--- lowest offset at which nothing else lies while it lives.
local shape = require "scion.shape"
local value = require "scion.ir.value"

local alignment = 64 -- bytes: a cache line

--- Bytes of a value for a whole batch, rounded up to whole cache lines.
local function bytes(v, capacity)
  local n = shape.bytes({ v.fixed and 1 or capacity, table.unpack(v.shape) }, v.dtype, "a batch")
  return (n + alignment - 1) // alignment * alignment
end

--- The values that a call writes and reads, sorted by the names of its operands, so that the order is the same in every process.
local function operands(call)
  local names, list = {}, {}
  for name, operand in pairs(call) do
    if value.is(operand) then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = call[name] end
  return list
end

--- The values that are written before the first call, and those that are read after the last one.
local function ends(ir)
  local inputs, outputs = { ir.input }, { ir.result, ir.losses }
  for _, name in ipairs { "labels", "weights", "own_losses", "own_gradients", "seed" } do inputs[#inputs + 1] = ir[name] end
  return inputs, outputs
end

---@class scion.Life
---@field root scion.Value
---@field first integer the first call that touches it; 0: before all
---@field last integer the last one; #calls + 1: after all
---@field bytes integer
---@field order integer in which the lives were found: it decides between equals, so that a plan is the same in every process

--- The lives of all values with memory of their own.
local function lives(ir)
  local by_root, list = {}, {}
  local function touch(v, at)
    local root = value.root(v)
    root = root.within or root
    local life = by_root[root]
    if not life then
      life = { root = root, first = at, last = at, bytes = bytes(root, ir.capacity), order = #list + 1 }
      by_root[root] = life
      list[#list + 1] = life
    end
    life.first, life.last = math.min(life.first, at), math.max(life.last, at)
  end
  for at, call in ipairs(ir.calls) do
    for _, v in ipairs(operands(call)) do touch(v, at) end
  end
  local inputs, outputs = ends(ir)
  for _, v in ipairs(inputs) do touch(v, 0) end
  for _, v in ipairs(outputs) do touch(v, #ir.calls + 1) end
  for _, life in ipairs(list) do
    if life.root.pinned then life.last = #ir.calls + 1 end
    if life.root.input then life.first = 0 end
  end
  return list
end

--- Sets the offset of each root; returns the arena's size.
local function assign(list)
  table.sort(list, function(a, b)
    if a.bytes ~= b.bytes then return a.bytes > b.bytes end
    if a.first ~= b.first then return a.first < b.first end
    return a.order < b.order
  end)
  local placed, total = {}, 0 -- placed: by offset
  for _, life in ipairs(list) do
    local offset = 0
    for _, other in ipairs(placed) do
      if other.first <= life.last and life.first <= other.last then
        if offset + life.bytes <= other.root.offset then break end
        offset = math.max(offset, other.root.offset + other.bytes)
      end
    end
    life.root.offset = offset
    total = math.max(total, offset + life.bytes)
    local at = #placed + 1
    while at > 1 and placed[at - 1].root.offset > offset do at = at - 1 end
    table.insert(placed, at, life)
  end
  return total
end

--- Where a value lies in the arena.
---@param v scion.Value
---@param capacity integer examples in the largest batch
---@return scion.Place
local function place(v, capacity)
  local root, channel, stride = value.root(v)
  local sizes = { table.unpack(v.shape) }
  if not v.fixed then table.insert(sizes, 1, capacity) end
  local start = root.offset + (root.within and root.within.offset or 0)
  return { offset = start + channel * shape.dtype_bytes[v.dtype], shape = sizes, dtype = v.dtype, batch = not v.fixed,
           stride = #sizes == 1 and sizes[1] or stride }
end

---@param ir scion.IR
return function(ir)
  ir.arena_bytes = assign(lives(ir))
  ir.places, ir.placed_calls = {}, {}
  local function place_of(v)
    ir.places[v] = ir.places[v] or place(v, ir.capacity)
    return ir.places[v]
  end
  for i, call in ipairs(ir.calls) do
    local placed = {}
    for key, operand in pairs(call) do placed[key] = value.is(operand) and place_of(operand) or operand end
    ir.placed_calls[i] = placed
  end
  for _, list in ipairs { ends(ir) } do
    for _, v in ipairs(list) do place_of(v) end
  end
  -- the optimizer reads them, and a call may mention only a view of one
  for _, g in ipairs(ir.gradients) do place_of(g.value) end
  if ir.buffer then place_of(ir.buffer) end
  for _, values in ipairs { ir.tap_values, ir.node_gradients } do
    for _, v in pairs(values) do place_of(v) end
  end
end
