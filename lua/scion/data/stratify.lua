--- Shares out examples that have several labels each, so that every part has its share of every label: iterative stratification (Sechidis,
--- Tsoumakas and Vlahavas 2011). The label that the fewest have is shared out first, since later ones still make up for it.

-- Groups of examples with how many of each label they have; and for each label its groups, and how many examples.
local function counted(groups, rows, k)
  local list, of, left = {}, {}, {}
  for label = 1, k do of[label], left[label] = {}, 0 end
  for _, group in ipairs(groups) do
    local entry = { group = group, labels = {} }
    for _, i in ipairs(group) do
      for label, share in ipairs(rows[i]) do
        if share > 0 then entry.labels[label] = (entry.labels[label] or 0) + 1 end
      end
    end
    for label, count in pairs(entry.labels) do
      table.insert(of[label], entry)
      left[label] = left[label] + count
    end
    list[#list + 1] = entry
  end
  return list, of, left
end

-- The label with the fewest examples that are not placed yet; nil if there is none.
local function rarest(left)
  local found
  for label, count in ipairs(left) do
    if count > 0 and (not found or count < left[found]) then found = label end
  end
  return found
end

-- The part for a group: of those with room the one that lacks most of a label, or else has the most room. Yet the first, of which a network
-- learns, has some of each label before another has.
local function part_for(label, parts)
  local best
  for k, part in ipairs(parts) do
    if part.room > 0 then
      local wanted = label and (k == 1 and part.had[label] == 0 and math.huge or part.wanted[label]) or 0
      if not best or wanted > best.wanted or wanted == best.wanted and part.room > best.part.room then best = { part = part, number = k, wanted = wanted } end
    end
  end
  return best.number, best.part
end

--- Shares out groups of examples, which stay together.
---@param groups integer[][] numbers of rows, in the order in which they are placed
---@param rows number[][] for each example a number for each label, above 0 where it has the label
---@param shares number[] of the parts
---@param sizes integer[] how many examples each part shall have, which add up to all
---@param put fun(part: integer, group: integer[]) is told where each goes
return function(groups, rows, shares, sizes, put)
  local labels = rows[1] and #rows[1] or 0
  local list, of, left = counted(groups, rows, labels)
  local parts = {}
  for k, share in ipairs(shares) do
    parts[k] = { room = sizes[k], wanted = {}, had = {} }
    for label = 1, labels do parts[k].wanted[label], parts[k].had[label] = share * left[label], 0 end
  end
  local function place(entry, label)
    if entry.placed then return end
    local number, part = part_for(label, parts)
    entry.placed, part.room = true, part.room - #entry.group
    for each, count in pairs(entry.labels) do
      part.wanted[each], part.had[each], left[each] = part.wanted[each] - count, part.had[each] + count, left[each] - count
    end
    put(number, entry.group)
  end
  local label = rarest(left)
  while label do
    for _, entry in ipairs(of[label]) do place(entry, label) end
    label = rarest(left)
  end
  for _, entry in ipairs(list) do place(entry) end -- those without a label
end
