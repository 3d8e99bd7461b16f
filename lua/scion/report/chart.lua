--- What charts share: scales, their ticks, and the axes that show them.
local svg = require "scion.report.svg"

local chart = {}

chart.width = 400 -- of a chart that fits a telephone as well as half a page

--- Whether a value is a number that can be drawn.
---@param value any
---@return boolean
function chart.finite(value) return type(value) == "number" and value == value and math.abs(value) < math.huge end

local function power_of(value) return math.floor(math.log(value, 10) + 1e-9) end

--- How numbers up to `largest` are written so that those a step apart differ: with exponents where they are very large or very small.
local function format_of(step, largest)
  if largest >= 1e6 or largest < 1e-4 then return ("%%.%de"):format(math.max(0, power_of(largest) - power_of(step))) end
  return ("%%.%df"):format(math.max(0, -power_of(step)))
end

--- Ticks at round numbers, about `count` of them.
local function linear_ticks(low, high, count, whole)
  local raw = (high - low) / count
  local unit = 10.0 ^ math.floor(math.log(raw, 10))
  local step = unit
  for _, factor in ipairs { 2, 5, 10 } do
    if step < raw * 0.999 then step = unit * factor end
  end
  if whole then step = math.max(1, math.floor(step + 0.5)) end
  local ticks, format = {}, format_of(step, math.max(math.abs(low), math.abs(high)))
  for i = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do
    ticks[#ticks + 1] = { value = i * step, text = i == 0 and format:find "e" and "0" or format:format(i * step) }
  end
  return ticks
end

--- Ticks at powers of ten, and at 2 and 5 times these where there are few.
local function log_ticks(low, high)
  local ticks, first, last = {}, math.floor(math.log(low, 10)), math.ceil(math.log(high, 10))
  local factors = last - first > 3 and { 1 } or { 1, 2, 5 }
  for power = first, last, math.max((last - first) // 6, 1) do
    for _, factor in ipairs(factors) do
      local value = factor * 10.0 ^ power
      if value >= low * 0.999 and value <= high * 1.001 then ticks[#ticks + 1] = { value = value, text = ("%g"):format(value) } end
    end
  end
  return ticks
end

---@class scion.Scale
---@field low number
---@field high number
---@field log boolean
---@field ticks { value: number, text: string }[]
---@field place fun(value: number): number in the drawing

--- A scale from numbers to places in a drawing.
---@param low number the smallest number
---@param high number
---@param from number where the smallest one is drawn
---@param to number
---@param o? { log: boolean?, whole: boolean?, ticks: integer? }
---@return scion.Scale
function chart.scale(low, high, from, to, o)
  o = o or {}
  if low == high then
    local room = o.whole and 0.5 or o.log and 0 or math.max(math.abs(low) * 0.1, 1e-6)
    low, high = low - room, high + room
    if o.log then low, high = low / 2, high * 2 end
  end
  local of = o.log and math.log or function(x) return x end
  local a, b = of(low), of(high)
  return { low = low, high = high, log = o.log or false, ticks = o.log and log_ticks(low, high) or linear_ticks(low, high, o.ticks or 4, o.whole),
           place = function(value) return from + (of(value) - a) / (b - a) * (to - from) end }
end

--- The lines and numbers of a chart's two axes, and their names.
---@param x scion.Scale
---@param y scion.Scale
---@param area { left: number, right: number, top: number, bottom: number }
---@param names { x: string, y: string }
---@return string
function chart.axes(x, y, area, names)
  local parts = {}
  for _, tick in ipairs(y.ticks) do
    local at = y.place(tick.value)
    parts[#parts + 1] = svg.shape("line", { x1 = area.left, x2 = area.right, y1 = at, y2 = at, class = "grid" })
    parts[#parts + 1] = svg.text(area.left - 6, at + 4, tick.text, "muted", "end")
  end
  for _, tick in ipairs(x.ticks) do
    local at = x.place(tick.value)
    parts[#parts + 1] = svg.shape("line", { x1 = at, x2 = at, y1 = area.bottom, y2 = area.bottom + 4, class = "axis" })
    parts[#parts + 1] = svg.text(at, area.bottom + 16, tick.text, "muted", "middle")
  end
  parts[#parts + 1] = svg.shape("line", { x1 = area.left, x2 = area.right, y1 = area.bottom, y2 = area.bottom, class = "axis" })
  parts[#parts + 1] = svg.text(area.right, area.bottom + 31, names.x, "muted", "end")
  parts[#parts + 1] = svg.text(area.left, area.top - 7, names.y, "muted")
  return table.concat(parts, "\n")
end

return chart
