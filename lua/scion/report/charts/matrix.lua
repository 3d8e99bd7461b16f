--- A confusion matrix: a row for each true class, a column for each predicted one.
local chart = require "scion.report.chart"
local html = require "scion.report.html"
local svg = require "scion.report.svg"
local text = require "scion.report.text"

local left, top, right = 112, 40, 8
local letters = 15 -- of a label
local least = 17 -- the side of a cell; the drawing becomes wider for it
local with_counts = 23 -- a cell from this side up shows its number

local most_ink = 0.5 -- so that numbers can be read on the darkest cell

---@class scion.MatrixChart
---@field title string
---@field text string
---@field caption string? as of scion.Drawing
---@field labels string[]
---@field counts integer[][]

local function cell(x, y, side, count, share, on_diagonal)
  local parts = {}
  if count > 0 then
    parts[1] = svg.shape("rect", { x = x, y = y, width = side, height = side, class = "cell", ["fill-opacity"] = math.max(most_ink * share, 0.06) })
  end
  if on_diagonal then parts[#parts + 1] = svg.shape("rect", { x = x + 0.5, y = y + 0.5, width = side - 1, height = side - 1, class = "hit" }) end
  if count > 0 and side >= with_counts then
    local digits = ("%d"):format(count)
    parts[#parts + 1] = svg.text(x + side / 2, y + side / 2 + 4, digits, #digits > side // 7 and "small" or nil, "middle")
  end
  return table.concat(parts)
end

--- Draws it: the more colour a cell has, the larger its share of the row.
---@param of scion.MatrixChart
---@return scion.Drawing
return function(of)
  local n = #of.labels
  local side = math.min(math.max((chart.width - left - right) / n, least), 60)
  local size, parts = side * n, {}
  parts[#parts + 1] = svg.text(left, 12, "predicted", "muted")
  parts[#parts + 1] = svg.text(left - 6, top - 8, "true", "muted", "end")
  for i, label in ipairs(of.labels) do
    local at, sum = top + (i - 1) * side, 0
    for _, count in ipairs(of.counts[i]) do sum = sum + count end
    parts[#parts + 1] = svg.text(left - 6, at + side / 2 + 4, text.cut(("%d %s"):format(i, html.visible(label)), letters), nil, "end")
    parts[#parts + 1] = svg.text(left + (i - 0.5) * side, top - 8, tostring(i), "muted", "middle")
    for j, count in ipairs(of.counts[i]) do parts[#parts + 1] = cell(left + (j - 1) * side, at, side, count, count / math.max(sum, 1), i == j) end
  end
  parts[#parts + 1] = svg.shape("rect", { x = left, y = top, width = size, height = size, class = "edge" })
  local width = math.max(left + size + right, chart.width)
  return { width = width, height = top + size + 8, title = of.title, text = of.text, caption = of.caption, body = table.concat(parts, "\n"),
           wide = width > chart.width }
end
