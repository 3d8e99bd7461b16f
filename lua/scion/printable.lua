--- Plain tables that public functions give: lists and records that print what they hold, and are Lua's own in all else. Their metatable is
--- made in C, since the shapes of tensors have it, too.
local core = require "scion.core"

local printable = {}

local name = core.printable.__name
core.printable.__tostring = function(self) return require("scion.report.show").block(self) end

--- Makes a table print what it holds.
---@param t table
---@return table t
function printable.table(t) return setmetatable(t, core.printable) end

--- Makes a list print what it holds, and each of its elements that is a plain table.
---@param list table[]
---@return table[] list
function printable.records(list)
  for _, record in ipairs(list) do
    if type(record) == "table" and getmetatable(record) == nil then printable.table(record) end
  end
  return printable.table(list)
end

--- Makes a list of numbers print as a table with a line for each, after its label.
---@param list number[]
---@param labels string[]
---@param format string of a number
---@return number[] list
function printable.by_label(list, labels, format)
  return setmetatable(list, { __name = name, __tostring = function(self)
    local rows = {}
    for i, value in ipairs(self) do rows[i] = { labels[i] or tostring(i), format:format(value) } end
    return table.concat(require("scion.report.text").table({ { least = 12 }, { right = true } }, rows), "\n")
  end })
end

--- Whether a value is a plain table: one without a metatable, or with one that only makes it print.
---@param value any
---@return boolean
function printable.is_plain(value)
  if type(value) ~= "table" then return false end
  local meta = getmetatable(value)
  return meta == nil or type(meta) == "table" and rawget(meta, "__name") == name
end

return printable
