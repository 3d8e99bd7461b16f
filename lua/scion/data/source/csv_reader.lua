--- Reads CSV files as RFC 4180 describes them: cells between commas, or another separator, rows between line ends, quotes around cells that hold either. Rows
--- are given one at a time, and no more than that is kept.
local reader = {}

local most_columns = 65536

-- The cell in quotes that begins at `at`. Returns it, the position after it, and how many lines it has beyond the first; or nil. Quotes in
-- it are doubled, so that the first odd number of them in a row ends it.
local function quoted_cell(text, at)
  local last, first = at
  repeat
    first, last = text:find('"+', last + 1)
    if not first then return nil end
  until (last - first) % 2 == 0
  local cell = text:sub(at + 1, last - 1):gsub('""', '"')
  return cell, last + 1, select(2, cell:gsub("\n", ""))
end

-- The cell that begins at `at`: it, the position after it, how many lines it has beyond the first; or nil and what is wrong.
local function cell_at(text, at, separator)
  if text:byte(at) == 34 then
    local cell, after, lines = quoted_cell(text, at)
    if not cell then return nil, "a quote is opened and not closed" end
    if not text:find("^[" .. separator .. "\r\n]", after) and after <= #text then
      return nil, ("a closing quote is followed by something other than %s"):format(separator == "," and "a comma" or "a separator")
    end
    return cell, after, lines
  end
  local stop = text:find("[" .. separator .. '\r\n"]', at) or #text + 1
  if text:byte(stop) == 34 then return nil, "a quote stands inside a cell that does not begin with one" end
  return text:sub(at, stop - 1), stop, 0
end

-- The row that begins at `at`: its cells, where the next one begins, how many lines it has; or nil and what is wrong.
local function row_at(text, at, most, separator)
  local row, lines = {}, 1
  while true do
    local cell, after, more = cell_at(text, at, separator)
    if not cell then return nil, after end
    row[#row + 1], lines = cell, lines + more
    if #row > most then return row, nil, lines end
    local byte = text:byte(after)
    if byte == separator:byte() then
      at = after + 1
    elseif byte == 13 then
      if text:byte(after + 1) ~= 10 then return nil, "a carriage return stands without a line feed" end
      return row, after + 2, lines
    else
      return row, after + 1, lines
    end
  end
end

-- What makes a file no CSV at all; nil if nothing does.
local function not_csv(text)
  if text:find "^\xff\xfe" or text:find "^\xfe\xff" then return "it is in UTF-16: save it as UTF-8" end
  if text:find("\0", 1, true) then return "it holds zero bytes, and so is no text" end
  if not text:find "[^\r\n]" then return "it is empty" end
  local well, wrong = utf8.len(text)
  if not well then return ("it is not in UTF-8 (byte %d): save it as UTF-8"):format(wrong) end
end

--- Whether a row is one of separators alone, as spreadsheets write them around a table.
---@param row string[]
---@return boolean
function reader.is_empty(row)
  for _, cell in ipairs(row) do
    if cell ~= "" then return false end
  end
  return true
end

--- Opens the text of a CSV file. Its first row that is not empty names the columns; before it a line such as sep=; may tell the separator, as
--- Excel reads and writes it. Empty lines are passed over.
---@param text string
---@param separator? string one character between cells (what the file tells, else ",")
---@return { columns: string[], separator: string, rows: fun(): string[]?, integer|string|nil }? csv `rows` iterates: a row's cells and its
--- line; at a mistake nil and a message, "line 7: …"
---@return string? message
function reader.open(text, separator)
  local complaint = not_csv(text)
  if complaint then return nil, complaint end
  local at, line = text:find "^\xef\xbb\xbf" and 4 or 1, 1
  local told, below = text:match('^"?sep=([,;\t|])"?\r?\n()', at)
  if told and separator and separator ~= told then return nil, ("separator is '%s', but its first line tells '%s': leave separator out"):format(separator, told) end
  separator = separator or told or ","
  if told then at, line = below, 2 end
  local columns
  repeat
    if at > #text then return nil, "it has no row that names the columns" end
    local row, next_row, lines = row_at(text, at, most_columns, separator)
    if not row then return nil, ("line %d: %s"):format(line, next_row) end
    if #row > most_columns then return nil, ("it has more than %d columns"):format(most_columns) end
    columns, at, line = row, next_row, line + lines
  until not reader.is_empty(columns)
  return { columns = columns, separator = separator, rows = function()
    local here, row, after, more
    repeat
      if at > #text then return nil end
      here = line
      row, after, more = row_at(text, at, #columns, separator)
      if not row then return nil, ("line %d: %s"):format(here, after) end
      local blank = #columns > 1 and after and #row == 1 and row[1] == ""
      if blank then at, line = after, line + more end
    until not blank
    if #row ~= #columns then
      return nil, ("line %d has %s cells, but the first one has %d"):format(here, #row > #columns and "more than " .. #columns or #row, #columns)
    end
    at, line = after, line + more
    return row, here
  end }
end

return reader
