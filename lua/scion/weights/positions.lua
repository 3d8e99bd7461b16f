--- Weights in PyTorch files whose names begin with numbers. In nn.Sequential(*net.children()) each part of a network is named by its
--- position: "0.weight", "1.bias" and "4.0.conv1.weight" are what was conv1.weight, bn1.bias and layer1.0.conv1.weight. In
--- nn.Sequential(net, head) the head is "1.weight". This finds out what the numbers stand for by comparing shapes, in order. A part is all
--- that has the same first name.
local array = require "scion.weights.array"
local last_part = require "scion.weights.last_part"
local names = require "scion.weights.names.torchvision"

local positions = {}

--- The key of a part. The same number inside and outside of the prefix (see prefix.lua) means two parts.
local function key_of(each, first) return each.outside and "." .. first or first end

--- The parts, in order. part.text has the rest of each name with its shape, sorted: parts with equal texts have the same weights.
local function parts_of(list, pattern)
  local parts, by_key = {}, {}
  for _, each in ipairs(list) do
    local first, rest = each.name:match(pattern)
    if first then
      local key = key_of(each, first)
      local part = by_key[key] or { name = first, number = tonumber(first), outside = each.outside }
      if not by_key[key] then by_key[key], parts[#parts + 1] = part, part end
      if not names.counters[last_part(rest, ".")] then part[#part + 1] = rest .. " " .. array.shape_text(each.shape) end
    end
  end
  for _, part in ipairs(parts) do
    table.sort(part)
    part.text = table.concat(part, "\n")
  end
  return parts, by_key
end

--- The parts whose text is also among the others.
local function shared(parts, others)
  local texts, list = {}, {}
  for _, part in ipairs(others) do texts[part.text] = true end
  for _, part in ipairs(parts) do
    if texts[part.text] then list[#list + 1] = part end
  end
  return list
end

--- The arrays whose names the model does not have, and the model's weights of which not even the first name is among those that it has in
--- common with the file: only these can belong together by position.
local function left_over(list, expected)
  local ours, theirs, taken = {}, {}, {}
  for _, weight in ipairs(expected) do ours[weight.name] = true end
  for _, each in ipairs(list) do
    if ours[each.name] then taken[each.name:match "^[^.]*"] = true else theirs[#theirs + 1] = each end
  end
  local rest = {}
  for _, weight in ipairs(expected) do
    if not taken[weight.name:match "^[^.]*"] then rest[#rest + 1] = weight end
  end
  return theirs, rest
end

local number = "^(%d%d?%d?)%.(.+)$"

--- Whether a name begins with a number: what follows costs more than finding out.
local function has_numbers(list)
  for _, each in ipairs(list) do
    if each.name:find(number) then return true end
  end
  return false
end

--- The names of the first parts, for a message.
local function sequence(parts)
  local list = {}
  for i, part in ipairs(parts) do list[i] = part.name end
  return table.concat(list, ", ", 1, math.min(#list, 4)) .. (#list > 4 and ", …" or "")
end

--- Renames parts whose names are numbers to the model's parts, in order. Only parts whose weights have the same names and shapes in both
--- are compared, and their sequences must agree.
---@param list { name: string, shape: integer[], outside: boolean? }[] arrays of a file; outside: without the prefix that others had
---@param expected scion.ExpectedWeight[]
---@return { name: string, shape: integer[], outside: boolean? }[]? renamed a copy; nil where there are none, or their order cannot be told
---@return { file: string, model: string }[]|string|nil parts what each number stands for, or why that cannot be told
function positions.rename(list, expected)
  if not has_numbers(list) then return end
  local numbered, rest = left_over(list, expected)
  local theirs, by_key = parts_of(numbered, number)
  local ours = parts_of(rest, "^([^.]+)%.(.+)$")
  if #theirs == 0 or #ours == 0 then return end
  table.sort(theirs, function(a, b)
    if a.outside ~= b.outside then return not a.outside end
    if a.number ~= b.number then return a.number < b.number end
    return a.name < b.name
  end)
  local from, to = shared(theirs, ours), shared(ours, theirs)
  local same = #from == #to and #from > 0
  for i = 1, same and #from or 0 do same = same and from[i].text == to[i].text end
  if not same then
    return nil, (" (names that are numbers, %s, as those of nn.Sequential(*net.children()), do not stand for the model's %s in that order; " ..
      "in Python: torch.save(net.state_dict(), 'weights.pth'))"):format(sequence(theirs), sequence(ours))
  end
  local parts, renamed = {}, {}
  for i, part in ipairs(from) do
    part.model = to[i].name
    parts[i] = { file = part.name, model = part.model }
  end
  local still = {}
  for _, each in ipairs(numbered) do still[each] = true end
  for i, each in ipairs(list) do
    local first, behind = each.name:match "^(%d%d?%d?)(%..+)$"
    local part = still[each] and first and by_key[key_of(each, first)]
    renamed[i] = { name = part and part.model and part.model .. behind or each.name, shape = each.shape, array = each.array, outside = each.outside }
  end
  return renamed, parts
end

--- Renames the one numbered part without a counterpart in the model to "classifier", if it is a linear layer, as heads are.
---@param list { name: string, shape: integer[], outside: boolean? }[] arrays of a file; their names are changed
---@param expected scion.ExpectedWeight[]
---@return { file: string, model: string }? part
function positions.name_head(list, expected)
  for _, weight in ipairs(expected) do
    if weight.name:find "^classifier%." then return end
  end
  local left = left_over(list, expected)
  local parts = parts_of(left, number)
  if #parts ~= 1 or not parts[1].text:find "^bias %d+\nweight %d+x%d+$" then return end
  for _, each in ipairs(left) do
    local first, rest = each.name:match(number)
    if first then each.name = "classifier." .. rest end
  end
  return { file = parts[1].name, model = "classifier" }
end

return positions
