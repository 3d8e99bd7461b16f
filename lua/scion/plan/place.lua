--- From liveness to offsets: every value with memory of its own gets a place in the arena, shared with values that live at other
--- times. Largest first, each at the lowest offset that is free while it lives.
local value = require "scion.plan.value"

local sizes = { f32 = 4, bf16 = 2, u8 = 1, i32 = 4 }
local alignment = 64

local function bytes(v, capacity)
  local n = value.elements(v) * sizes[v.dtype] * (v.fixed and 1 or capacity)
  return (n + alignment - 1) // alignment * alignment
end

--- First and last step that touch each root.
local function lifetimes(ir)
  local roots, list = {}, {}
  local function touch(v, at)
    local root = value.root(v)
    local life = roots[root]
    if not life then
      life = { root = root, first = at, last = at, bytes = bytes(root, ir.capacity) }
      roots[root] = life
      list[#list + 1] = life
      life.order = #list
    end
    life.first, life.last = math.min(life.first, at), math.max(life.last, at)
  end
  for at, kernel in ipairs(ir.steps) do
    for _, operand in pairs(kernel) do
      if value.is(operand) then touch(operand, at) end
    end
  end
  for _, v in ipairs(ir.inputs) do touch(v, 0) end
  for _, v in ipairs(ir.outputs) do touch(v, #ir.steps + 1) end
  for _, life in ipairs(list) do
    if life.root.pinned then life.last = #ir.steps + 1 end
    if life.root.input then life.first = 0 end
  end
  return list
end

local function assign(list)
  table.sort(list, function(a, b)
    if a.bytes ~= b.bytes then return a.bytes > b.bytes end
    if a.first ~= b.first then return a.first < b.first end
    return a.root.id < b.root.id
  end)
  local placed, total = {}, 0
  for _, life in ipairs(list) do
    local offset = 0
    for _, other in ipairs(placed) do -- in order of offset
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

--- The place of a value, as the program takes it.
local function place(v, capacity)
  local root, channel, stride = value.root(v)
  local shape = { table.unpack(v.shape) }
  if not v.fixed then table.insert(shape, 1, capacity) end
  return { offset = root.offset + channel * sizes[v.dtype], shape = shape, dtype = v.dtype, batch = not v.fixed,
           stride = #shape == 1 and shape[1] or stride }
end

--- Fills ir.places (value to place) and ir.program_steps; returns the arena's size.
return function(ir)
  local list = lifetimes(ir)
  -- a total order of equals, so that the same graph always gets the same places
  for _, life in ipairs(list) do life.root.id = life.order end
  local total = assign(list)
  ir.places, ir.program_steps = {}, {}
  local function place_of(v)
    ir.places[v] = ir.places[v] or place(v, ir.capacity)
    return ir.places[v]
  end
  for i, kernel in ipairs(ir.steps) do
    local placed = {}
    for key, operand in pairs(kernel) do placed[key] = value.is(operand) and place_of(operand) or operand end
    ir.program_steps[i] = placed
  end
  for _, v in ipairs(ir.inputs) do place_of(v) end
  for _, v in ipairs(ir.outputs) do place_of(v) end
  for _, g in ipairs(ir.gradients) do place_of(g.value) end -- steps may have written a view of it
  return total
end
