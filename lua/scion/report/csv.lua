--- The epochs of a history as lines of values with commas between them.
local csv = {}

--- Whether a line can hold it.
local function is_plain(value) return type(value) == "number" or type(value) == "string" or type(value) == "boolean" end

--- A number in as few digits as give it back.
local function number(value)
  if value ~= value then return "nan" end
  if math.abs(value) == math.huge then return value > 0 and "inf" or "-inf" end
  if math.type(value) == "integer" then return ("%d"):format(value) end
  for digits = 15, 16 do
    local text = ("%%.%dg"):format(digits):format(value)
    if tonumber(text) == value then return text end
  end
  return ("%.17g"):format(value)
end

local function cell(value)
  if not is_plain(value) then return "NA" end
  local text = type(value) == "number" and number(value) or tostring(value)
  if not text:find '[,"\r\n]' then return text end
  return '"' .. text:gsub('"', '""') .. '"'
end

local function joined(values, count)
  local cells = {}
  for i = 1, count do cells[i] = cell(values[i]) end
  return table.concat(cells, ",") .. "\n"
end

--- The names of what these entries have that a line can hold, sorted, the epoch first.
---@param entries scion.Epoch[]
---@return string[]
function csv.columns(entries)
  local names, seen = {}, { epoch = true }
  for _, entry in ipairs(entries) do
    for name, value in next, entry do
      if type(name) == "string" and not seen[name] and is_plain(value) then names[#names + 1], seen[name] = name, true end
    end
  end
  table.sort(names)
  table.insert(names, 1, "epoch")
  return names
end

--- The first line: the names of the columns.
---@param columns string[]
---@return string
function csv.header(columns) return joined(columns, #columns) end

--- The line of an entry: NA stands for what it lacks.
---@param columns string[]
---@param entry scion.Epoch
---@return string
function csv.line(columns, entry)
  local values = {}
  for i, name in ipairs(columns) do values[i] = rawget(entry, name) end
  return joined(values, #columns)
end

return csv
