--- Confusion matrices with labels: tables of counts by true and predicted label, which print as a table.
local check = require "scion.check"
local text = require "scion.report.text"

--- The lines of some rows. The columns bear the classes' labels; their numbers, if that would be too wide.
local function lines_of(labels, rows)
  local columns, widest, numbered = { { title = "", least = 8 } }, 0, {}
  for j, label in ipairs(labels) do columns[j + 1], numbered[j] = { title = label, right = true }, ("%d %s"):format(j, label) end
  local function build(names)
    local cells = {}
    for i, label in ipairs(labels) do
      if rows[label] then
        cells[#cells + 1] = { names[i] }
        for j, other in ipairs(labels) do cells[#cells][j + 1] = ("%d"):format(rows[label][other]) end
      end
    end
    return text.table(columns, cells)
  end
  local shown = build(labels)
  for _, line in ipairs(shown) do widest = math.max(widest, text.length(line)) end
  if widest <= text.width() then return shown end
  for j = 1, #labels do columns[j + 1].title = tostring(j) end
  return build(numbered)
end

--- A table with an entry for each label. Other names raise; shown: its lines.
local function by_label(name, title, labels, entries, shown)
  return setmetatable(entries, {
    __name = name, __title = title, __plain = true,
    __index = function(_, key) check.raise(("%s has no label %s: %s"):format(title, check.show(key), check.suggestion(key, labels, "there are"))) end,
    __tostring = function() return table.concat(shown(), "\n") end,
  })
end

--- Makes a table of the counts.
---@param counts scion.Tensor i32 [true class, predicted class]
---@param classes { label: string }[]
---@return table<string, table<string, integer>>
return function(counts, classes)
  local labels, rows = {}, {}
  for i, class in ipairs(classes) do labels[i] = class.label end
  for i, list in ipairs(counts:totable()) do
    local row, label = {}, labels[i]
    for j, count in ipairs(list) do row[labels[j]] = count end
    rows[label] = by_label("scion.ConfusionRow", "a row of a confusion table", labels, row, function() return lines_of(labels, { [label] = row }) end)
  end
  return by_label("scion.ConfusionTable", "a confusion table", labels, rows, function() return lines_of(labels, rows) end)
end
