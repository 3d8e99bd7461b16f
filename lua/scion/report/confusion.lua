--- Confusion matrices with labels: tables of counts by true and predicted label, which print as a table.
local check = require "scion.check"
local text = require "scion.report.text"

local most_pairs = 20 -- mistakes that a table lists where it is too wide
local most_below = 5 -- and that an evaluation does
local corner = "true \\ predicted"

--- The mistakes, the commonest first: { true label, predicted label, how many }.
local function pairs_of(labels, rows)
  local list = {}
  for _, label in ipairs(labels) do
    for _, other in ipairs(rows[label] and labels or {}) do
      if other ~= label and rows[label][other] > 0 then list[#list + 1] = { label, other, rows[label][other], at = #list } end
    end
  end
  table.sort(list, function(a, b) return a[3] > b[3] or a[3] == b[3] and a.at < b.at end)
  return list
end

--- The commonest mistakes, each on a line.
local function mistakes(labels, rows, most)
  local list, cells = pairs_of(labels, rows), {}
  for i, pair in ipairs(list) do cells[i] = i <= most and { pair[1], pair[2], ("%d"):format(pair[3]) } or nil end
  local shown = text.table({ { title = "true", least = 8 }, { title = "taken for", least = 8 }, { title = "images", right = true } }, cells)
  if #list > most then shown[#shown + 1] = ("and %d more pairs"):format(#list - most) end
  return #list > 0 and shown or { "no mistakes" }
end

--- Whether a table of so many rows stands in one part, below its titles, and in the terminal's width.
local function fits(shown, rows)
  for _, line in ipairs(shown) do
    if text.length(line) > text.width() then return false end
  end
  return #shown == rows + 1
end

--- The lines of some rows. The columns bear the classes' labels; their numbers, if that would be too wide; and if that is too wide as well,
--- the commonest mistakes are listed.
local function lines_of(labels, rows, most)
  local columns, numbered = { { title = corner, least = 8 } }, {}
  for j, label in ipairs(labels) do columns[j + 1], numbered[j] = { title = label, right = true }, ("%d %s"):format(j, label) end
  local function build(names)
    local cells = {}
    for i, label in ipairs(labels) do
      if rows[label] then
        cells[#cells + 1] = { names[i] }
        for j, other in ipairs(labels) do cells[#cells][j + 1] = ("%d"):format(rows[label][other]) end
      end
    end
    local shown = text.table(columns, cells)
    return fits(shown, #cells) and shown or nil
  end
  if #labels > text.width() // 2 then return mistakes(labels, rows, most) end
  local shown = build(labels)
  if shown then return shown end
  for j = 1, #labels do columns[j + 1].title = tostring(j) end
  return build(numbered) or mistakes(labels, rows, most)
end

--- A table with an entry for each label. Other names raise; shown: its lines.
local function by_label(name, title, labels, entries, shown)
  return setmetatable(entries, {
    __name = name, __title = title, __plain = true,
    __index = function(_, key) check.raise(("%s has no label %s: %s"):format(title, check.show(key), check.suggestion(key, labels, "there are"))) end,
    __tostring = function() return table.concat(shown(), "\n") end,
  })
end

--- The labels, and the counts by them.
local function by_labels(counts, classes)
  local labels, rows = {}, {}
  for i, class in ipairs(classes) do labels[i] = class.label end
  for i, list in ipairs(counts:totable()) do
    local row = {}
    for j, count in ipairs(list) do row[labels[j]] = count end
    rows[labels[i]] = row
  end
  return labels, rows
end

local confusion = {}

--- The mistakes that counts hold, the commonest first.
---@param counts scion.Tensor i32 [true class, predicted class]
---@param classes { label: string }[]
---@return { [1]: string, [2]: string, [3]: integer }[] true label, predicted label, how many
function confusion.pairs(counts, classes) return pairs_of(by_labels(counts, classes)) end

--- Makes a table of the counts.
---@param counts scion.Tensor i32 [true class, predicted class]
---@param classes { label: string }[]
---@return table<string, table<string, integer>>
function confusion.table(counts, classes)
  local labels, rows = by_labels(counts, classes)
  for label, row in pairs(rows) do
    by_label("scion.ConfusionRow", "a row of a confusion table", labels, row, function() return lines_of(labels, { [label] = row }, most_pairs) end)
  end
  return by_label("scion.ConfusionTable", "a confusion table", labels, rows, function() return lines_of(labels, rows, most_pairs) end)
end

--- What an evaluation prints of the counts: the table where it fits the terminal, else the commonest mistakes.
---@param counts scion.Tensor
---@param classes { label: string }[]
---@return string[]
function confusion.lines(counts, classes)
  local labels, rows = by_labels(counts, classes)
  return lines_of(labels, rows, most_below)
end

return confusion
