--- Numbers with their intervals, a line for each name.
local chart = require "scion.report.chart"
local svg = require "scion.report.svg"

local row, top, left, bottom = 30, 26, 12, 38
local letters = 44 -- of a name, as many as fit

---@class scion.IntervalChart
---@field title string
---@field text string what it shows, in words
---@field x string name of the axis
---@field rows { name: string, value: number, low: number, high: number, marked: boolean? }[] numbers from 0 to 1

local function cut(name) return utf8.len(name) and utf8.len(name) > letters and name:sub(1, utf8.offset(name, letters) - 1) .. "…" or name end

--- Draws the names, and below each its number as a dot on the line of its interval.
---@param of scion.IntervalChart
---@return scion.Drawing
return function(of)
  local height = top + row * #of.rows + bottom
  local area = { left = left, right = chart.width - 12, top = top, bottom = height - bottom }
  local low, high = 1, 0
  for _, each in ipairs(of.rows) do low, high = math.min(low, each.low), math.max(high, each.high) end
  local x = chart.scale(math.max(low - 0.02, 0), math.min(high + 0.02, 1), area.left, area.right, { ticks = 5 })
  local parts = { chart.axes(x, { ticks = {} }, area, { x = of.x, y = "" }) }
  for i, each in ipairs(of.rows) do
    local y = top + row * (i - 1)
    parts[#parts + 1] = svg.text(area.left, y + 8, cut(each.name), each.marked and "heading" or nil)
    parts[#parts + 1] = svg.shape("line", { x1 = x.place(each.low), x2 = x.place(each.high), y1 = y + 19, y2 = y + 19, class = "whisker" })
    parts[#parts + 1] = svg.shape("circle", { cx = x.place(each.value), cy = y + 19, r = each.marked and 5 or 3.5, class = "dot-1" })
  end
  return { width = chart.width, height = height, title = of.title, text = of.text, body = table.concat(parts, "\n") }
end
