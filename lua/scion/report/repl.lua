--- The function that `make repl` prints with. It works like `print`, but shows the contents of plain tables and not their addresses.
local check = require "scion.check"
local text = require "scion.report.text"

local print = print -- Lua's own: the global is replaced by the function of this file
local most = 40 -- elements that are shown of a table

local show

local function show_table(value, depth)
  local parts, count = {}, 0
  local function add(part)
    count = count + 1
    if count <= most then parts[count] = part end
  end
  for _, element in ipairs(value) do add(show(element, depth + 1)) end
  local names = {}
  for key in pairs(value) do
    if not (math.type(key) == "integer" and key >= 1 and key <= #value) then names[#names + 1] = key end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(names) do add(("%s = %s"):format(type(key) == "string" and key or "[" .. tostring(key) .. "]", show(value[key], depth + 1))) end
  if count > most then parts[most + 1] = ("and %d more"):format(count - most) end
  return count == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

function show(value, depth)
  if type(value) == "string" and depth > 0 then return check.show(value) end
  local meta = type(value) == "table" and getmetatable(value)
  if type(value) ~= "table" or meta and meta.__tostring then return tostring(value) end
  if depth > 3 then return "{ … }" end
  return show_table(value, depth)
end

--- Prints like Lua's print, with the contents of plain tables.
---@param ... any
return function(...)
  local shown = table.pack(...)
  for i = 1, shown.n do
    local value = shown[i]
    shown[i] = show(value, 0)
    if type(value) == "table" and shown[i]:sub(1, 1) == "{" then shown[i] = table.concat(text.wrap(shown[i], text.width(), 2), "\n") end
  end
  print(table.unpack(shown, 1, shown.n))
end
