--- Which classes are taken for which: all of them as a table if it fits the terminal, else the most frequent mistakes.
local check = require "scion.check"
local text = require "scion.report.text"

local most_shown = 5 -- mistakes
local corner = "true \\ predicted"

-- How wide the table would be.
local function width_of(names, rows)
  local first, width = text.length(corner), 0
  for c, name in ipairs(names) do
    local widest = text.length(name)
    for _, row in ipairs(rows) do widest = math.max(widest, #tostring(row[c])) end
    first, width = math.max(first, text.length(name)), width + 2 + widest
  end
  return first + width
end

local function matrix(names, rows)
  local columns, cells = { { title = corner } }, {}
  for c, name in ipairs(names) do columns[c + 1] = { title = name, right = true } end
  for r, row in ipairs(rows) do
    cells[r] = { names[r] }
    for c, count in ipairs(row) do cells[r][c + 1] = ("%d"):format(count) end
  end
  return text.table(columns, cells)
end

local function mistakes(names, rows, classes)
  local list = {}
  for r, row in ipairs(rows) do
    for c, count in ipairs(row) do
      if c ~= r and count > 0 then list[#list + 1] = { r = r, c = c, count = count } end
    end
  end
  table.sort(list, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    if a.r ~= b.r then return a.r < b.r end
    return a.c < b.c
  end)
  local lines = { list[1] and "most often mistaken:" }
  for i = 1, math.min(#list, most_shown) do
    local e = list[i]
    local line = ("  %s taken for %s: %d of %d"):format(names[e.r], names[e.c], e.count, classes[e.r].support)
    for _, part in ipairs(text.wrap(line, text.width(), 4)) do lines[#lines + 1] = part end
  end
  return lines
end

--- The lines of a confusion matrix.
---@param classes scion.Score[] for the names
---@param counts scion.Tensor i32 [true class, predicted class]
---@return string[]
return function(classes, counts)
  local names, rows = {}, counts:totable()
  for i, class in ipairs(classes) do names[i] = check.escape(class.label) end
  return width_of(names, rows) <= text.width() and matrix(names, rows) or mistakes(names, rows, classes)
end
