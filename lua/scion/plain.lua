--- Converts values that users keep in a history to what JSON can hold, and back: numbers, UTF-8 strings, booleans, and lists and tables of
--- them. JSON has no NaN and no infinity, so these numbers are written as the strings "NaN", "Infinity" and "-Infinity"; reading turns
--- such strings into numbers, even where a user wrote a string. Results such as evaluations are written as plain tables.
local check = require "scion.check"
local core = require "scion.core"

local plain = {}

local deepest = 20 -- levels of nested tables

local words = { NaN = 0 / 0, Infinity = math.huge, ["-Infinity"] = -math.huge }

local function word_for(number)
  if number ~= number then return "NaN" end
  return number == math.huge and "Infinity" or number == -math.huge and "-Infinity" or nil
end

local function is_key(key) return type(key) == "string" and utf8.len(key) ~= nil and not key:find("\0", 1, true) end

--- Whether the keys are exactly 1 to n, with n at least 1.
local function is_list(value)
  local n = 0
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > #value then return false end
    n = n + 1
  end
  return n > 0 and n == #value
end

local write

--- Whether a table is an object with methods, which cannot be written. Metatables without __index only change how a table prints, those with
--- __plain check names.
---@param value table
---@return boolean
function plain.is_object(value)
  local meta = getmetatable(value)
  return meta ~= nil and (type(meta) ~= "table" or (meta.__index ~= nil and not meta.__plain))
end

--- Elements of a list that cannot be written become null, so that the others keep their positions. `within` holds the tables around this
--- one, as a list and as a set: it tells the depth, and whether a table contains itself.
local function write_table(value, where, lost, within)
  local meta, copy = getmetatable(value), {}
  if within[value] or #within >= deepest or plain.is_object(value) then
    lost[#lost + 1] = where
    return nil
  end
  within[#within + 1], within[value] = value, true
  local listed = is_list(value)
  for key, v in next, value do
    if listed then
      local written = write(v, ("%s[%d]"):format(where, key), lost, within)
      copy[key] = written == nil and core.null or written
    elseif is_key(key) then
      copy[key] = write(v, where .. "." .. key, lost, within)
    else
      lost[#lost + 1] = ("%s[%s]"):format(where, tostring(key))
    end
  end
  within[#within], within[value] = nil, nil
  return meta == core.json_array and setmetatable(copy, meta) or copy
end

function write(value, where, lost, within)
  value = check.items(value)
  local kind = type(value)
  if kind == "boolean" or (kind == "string" and utf8.len(value)) then return value end
  if kind == "number" then return math.type(value) == "float" and word_for(value) or value end
  if kind == "table" then return write_table(value, where, lost, within) end
  if value ~= core.null then lost[#lost + 1] = where end
end

--- A copy for core.json_encode, without the values that JSON cannot hold.
---@param value any
---@param where string the value's name, for `lost`: "history[3].note"
---@param lost string[] the names of the values that are left out are added to it
---@return any
function plain.write(value, where, lost) return write(value, where, lost, {}) end

--- The reverse of plain.write: converts what core.json_decode returned.
---@param value any
---@return any
function plain.read(value)
  if type(value) == "string" then return words[value] or value end
  if value == core.null then return nil end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, v in next, value do copy[key] = plain.read(v) end
  return copy
end

return plain
