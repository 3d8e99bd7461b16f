--- Helpers for reports: numbers as text, and lines and tables that fit the terminal.
local check = require "scion.check"
local core = require "scion.core"

local text = {}

--- 21802784 as "21,802,784".
---@param n integer
---@return string
function text.grouped(n)
  local digits = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (digits:gsub("^,", ""))
end

--- Bytes as "12.3 MB", in units of powers of 1000.
---@param bytes number
---@return string
function text.bytes(bytes)
  if bytes >= 1e9 then return ("%.2f GB"):format(bytes / 1e9) end
  if bytes >= 1e6 then return ("%.1f MB"):format(bytes / 1e6) end
  return ("%.1f kB"):format(bytes / 1e3)
end

--- Multiply-adds as "2.836 GMAC".
---@param macs number
---@return string
function text.macs(macs)
  if macs >= 1e9 then return ("%.3f GMAC"):format(macs / 1e9) end
  return ("%.3f MMAC"):format(macs / 1e6)
end

--- A share as "57.5%".
---@param share number
---@return string
function text.percent(share) return ("%.1f%%"):format(100 * share) end

--- A number with so many digits after the point; with an exponent where it is too large, or too small to be seen so.
---@param value number
---@param digits integer
---@return string
function text.number(value, digits)
  local size = math.abs(value)
  if value ~= value then return "NaN" end
  local plain = value == 0 or size == math.huge or size >= 10.0 ^ -digits and size < 1e6
  return (plain and "%." .. digits .. "f" or "%.2e"):format(value)
end

-- ---- fitting the terminal -------------------------------------------------------------------------------------------

local narrowest, usual = 40, 80
local fixed -- the width of what is written elsewhere than on the terminal

--- How many columns a report may take: those of the terminal; without one, those of the variable COLUMNS, or 80. At least 40.
---@return integer
function text.width()
  local columns = fixed or core.terminal_width() or math.tointeger(tonumber(os.getenv "COLUMNS"))
  return columns and columns > 0 and math.max(columns, narrowest) or usual
end

--- Calls f while reports may take so many columns, whatever the terminal is.
---@param columns integer
---@param f function
---@param ... any its arguments
---@return any result
function text.at_width(columns, f, ...)
  local before = fixed
  fixed = columns
  local ok, result = pcall(f, ...)
  fixed = before
  return ok and result or error(result, 0)
end

-- Characters that take two columns on a terminal, by first and last: East Asian scripts and emoji (Unicode's East Asian Width W and F); and
-- those that take none: accents that combine, joiners, variation selectors.
local wide = { { 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 },
               { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1faff }, { 0x20000, 0x3fffd } }
local narrow = { { 0x300, 0x36f }, { 0x200b, 0x200f }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f } }

local function among(code, ranges)
  for _, range in ipairs(ranges) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

local function columns_of(code) return code < 0x300 and 1 or among(code, wide) and 2 or among(code, narrow) and 0 or 1 end

--- How many columns a string takes on a terminal.
---@param s string
---@return integer
function text.length(s)
  if not s:find "[\x80-\xff]" or not utf8.len(s) then return #s end
  local sum = 0
  for _, code in utf8.codes(s) do sum = sum + columns_of(code) end
  return sum
end

--- What of the beginning takes at most n columns, or of the end at most -n if n is negative.
local function part(s, n)
  if not utf8.len(s) then return n > 0 and s:sub(1, n) or s:sub(n) end
  local at = n > 0 and 1 or #s + 1
  while true do
    local next_at = n > 0 and utf8.offset(s, 2, at) or n < 0 and utf8.offset(s, -1, at)
    if not next_at or text.length(n > 0 and s:sub(1, next_at - 1) or s:sub(next_at)) > math.abs(n) then break end
    at = next_at
  end
  return n > 0 and s:sub(1, at - 1) or s:sub(at)
end

--- Shortens a string to a width, in the middle, since names of layers and files differ at both ends: "mixed10/b../1x3/conv".
---@param s string
---@param width integer
---@return string
function text.cut(s, width)
  if text.length(s) <= width then return s end
  local room = width - 2
  return part(s, (room + 1) // 2) .. ".." .. part(s, -(room // 2))
end

--- Breaks a line between words so that it fits a width. All lines but the first are indented. A word that is longer than the width gets a
--- line of its own. A number and the word after it stay together, since that may be its unit.
---@param line string
---@param width integer
---@param indent integer of all lines but the first
---@return string[]
function text.wrap(line, width, indent)
  local lines, now = {}, line:match "^%s*"
  local empty = true
  for word in line:gsub("(%d) (%a)", "%1\0%2"):gmatch "%S+" do
    word = word:gsub("%z", " ")
    if not empty and text.length(now) + 1 + text.length(word) > width then
      lines[#lines + 1] = now
      now, empty = (" "):rep(indent), true
    end
    now = now .. (empty and "" or " ") .. word
    empty = false
  end
  lines[#lines + 1] = now
  return lines
end

--- "scion.optim: adam, adamw, rmsprop, sgd", sorted.
---@param title string
---@param names string[]
---@return string
function text.names(title, names)
  table.sort(names)
  return table.concat(text.wrap(title .. ": " .. table.concat(names, ", "), text.width(), 2), "\n")
end

---@class scion.TextColumn
---@field title string?
---@field right boolean? whether cells are aligned to the right, as for numbers
---@field least integer? if the table is too wide, cells may be shortened to this width
---@field optional string? a column that is left out if the table is too wide, the last one first; this says what it holds: "kinds"
---@field wraps boolean? only for the last column: if the table is too wide, its cells are wrapped

--- The widths of these columns, and of the gap between them: the widths of the widest cells, unless the table would be too wide. Also how
--- many columns too many it takes then.
local function widths_of(columns, rows, room)
  local widths, total = {}, 0
  for c, column in ipairs(columns) do
    widths[c] = text.length(column.title or "")
    for _, row in ipairs(rows) do widths[c] = math.max(widths[c], text.length(row[c] or "")) end
    total = total + widths[c]
  end
  local gap = total + 2 * (#columns - 1) <= room and 2 or 1
  local excess = total + gap * (#columns - 1) - room
  while excess > 0 do -- makes the widest column that may be shortened narrower by one, again and again
    local widest
    for c, column in ipairs(columns) do
      local least = column.least or column.wraps and 14
      if least and widths[c] > least and (not widest or widths[c] > widths[widest]) then widest = c end
    end
    if not widest then break end
    widths[widest], excess = widths[widest] - 1, excess - 1
  end
  return widths, gap, excess
end

--- The lines of one row of cells.
local function row_lines(columns, row, widths, gap, margin)
  local cells, more = {}, {}
  for c, column in ipairs(columns) do
    local cell = row[c] or ""
    if column.wraps and text.length(cell) > widths[c] then
      more = text.wrap(cell, widths[c], 2)
      cell = table.remove(more, 1)
    end
    cell = text.cut(cell, math.max(widths[c], 1))
    local fill = (" "):rep(widths[c] - text.length(cell))
    cells[c] = column.right and fill .. cell or cell .. fill
  end
  local first = (margin .. table.concat(cells, (" "):rep(gap))):gsub("%s+$", "")
  local lines, before = { first }, #margin + gap * (#columns - 1)
  for c = 1, #columns - 1 do before = before + widths[c] end
  for _, rest in ipairs(more) do lines[#lines + 1] = (" "):rep(before) .. rest end
  return lines
end

--- Some columns of a table: the columns, and their cells of each row.
local function chosen(columns, rows, numbers)
  local some, cells = {}, {}
  for i, c in ipairs(numbers) do some[i] = columns[c] end
  for r, row in ipairs(rows) do
    cells[r] = {}
    for i, c in ipairs(numbers) do cells[r][i] = row[c] or "" end
  end
  return some, cells
end

--- The numbers of the columns that there is room for: of the optional ones the last are left out if the table is too wide. Returns the names of
--- these, too.
local function kept_columns(columns, rows, room)
  local kept, left = {}, {}
  for c in ipairs(columns) do kept[c] = c end
  for c = #columns, 1, -1 do
    local some, cells = chosen(columns, rows, kept)
    if columns[c].optional and select(3, widths_of(some, cells, room)) > 0 then
      table.remove(kept, c)
      table.insert(left, 1, columns[c].optional)
    end
  end
  return kept, left
end

--- Divides a table that is too wide into parts, each a list of columns' numbers: every part begins with the first column. A table without
--- titles stays in one part, since its columns could not be told there.
local function parts_of(columns, rows, room)
  local titled = 0
  for _, column in ipairs(columns) do titled = titled + (column.title and 1 or 0) end
  local parts = { { 1 } }
  for c = 2, #columns do
    local last = parts[#parts]
    last[#last + 1] = c
    local some, cells = chosen(columns, rows, last)
    if titled > 0 and #last > 2 and select(3, widths_of(some, cells, room)) > 0 then
      last[#last] = nil
      parts[#parts + 1] = { 1, c }
    end
  end
  return parts
end

--- The lines of a table that fits the terminal. Columns are as wide as their cells if there is room; what is too wide for the terminal stands
--- in parts below each other, each with the first column.
---@param columns scion.TextColumn[]
---@param rows string[][] missing cells are empty
---@param margin? string at the start of each line ("")
---@return string[]
function text.table(columns, rows, margin)
  margin = margin or ""
  local clean, titles, titled = {}, {}, false
  for r, row in ipairs(rows) do
    clean[r] = {}
    for c = 1, #columns do clean[r][c] = check.escape(row[c] or "") end
  end
  for c, column in ipairs(columns) do titles[c], titled = check.escape(column.title or ""), titled or column.title ~= nil end
  if titled then table.insert(clean, 1, titles) end
  local lines, room = {}, text.width() - #margin
  local kept, left = kept_columns(columns, clean, room)
  columns, clean = chosen(columns, clean, kept)
  for _, numbers in ipairs(parts_of(columns, clean, room)) do
    local some, cells = chosen(columns, clean, numbers)
    local widths, gap = widths_of(some, cells, room)
    for _, row in ipairs(cells) do table.move(row_lines(some, row, widths, gap, margin), 1, 1000, #lines + 1, lines) end
  end
  if left[1] then lines[#lines + 1] = ("%s(no room for the %s)"):format(margin, table.concat(left, " and the ")) end
  return lines
end

--- A p-value.
---@param p number
---@return string
function text.p_value(p) return p < 0.0005 and "< 0.001" or ("%.3f"):format(p) end

return text
