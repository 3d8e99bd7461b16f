--- Values as text: what plain tables hold, and not their addresses.
local check = require "scion.check"
local text = require "scion.report.text"

local show = {}

local most = 40 -- elements that are shown of a table
local deepest = 3 -- levels of nested tables

local shown_at

local function table_at(value, depth)
  local parts, count = {}, 0
  local function add(part)
    count = count + 1
    if count <= most then parts[count] = part end
  end
  for _, element in ipairs(value) do add(shown_at(element, depth + 1)) end
  local names = {}
  for key in pairs(value) do
    if not (math.type(key) == "integer" and key >= 1 and key <= #value) then names[#names + 1] = key end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(names) do
    add(("%s = %s"):format(type(key) == "string" and key or "[" .. tostring(key) .. "]", shown_at(value[key], depth + 1)))
  end
  if count > most then parts[most + 1] = ("and %d more"):format(count - most) end
  return count == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

function shown_at(value, depth)
  if type(value) == "string" and depth > 0 then return check.show(value) end
  if type(value) ~= "table" then return tostring(value) end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring and not (meta.__name == "scion.Printable" and depth > 0) then return tostring(value) end
  return depth > deepest and "{ … }" or table_at(value, depth)
end

--- What a plain table holds, in lines that fit the terminal.
---@param value table
---@return string
function show.block(value) return table.concat(text.wrap(table_at(value, 0), text.width(), 2), "\n") end

--- A value as `>` prints it: as tostring has it, but plain tables by what they hold.
---@param value any
---@return string
function show.value(value)
  local meta = type(value) == "table" and getmetatable(value)
  if type(value) ~= "table" or type(meta) == "table" and meta.__tostring then return tostring(value) end
  return show.block(value)
end

local print = print -- Lua's own, in place of which make repl has the function below

--- Prints like Lua's print, with the contents of plain tables.
---@param ... any
function show.print(...)
  local shown = table.pack(...)
  for i = 1, shown.n do shown[i] = show.value(shown[i]) end
  print(table.unpack(shown, 1, shown.n))
end

return show
