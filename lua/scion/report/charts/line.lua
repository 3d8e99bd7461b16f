--- Curves: numbers over the epochs, with places marked at which something changed.
local chart = require "scion.report.chart"
local svg = require "scion.report.svg"

local height = 230
local least_left = 54
local right, top, bottom = chart.width - 12, 46, height - 38
local letter = 6 -- about as wide as one of an axis is
local most_dots = 60
local steep = 50 -- numbers that differ by this factor are drawn on a logarithmic scale

---@class scion.LineChart
---@field title string
---@field text string what it shows, in words
---@field x string name of the axis
---@field series { name: string, points: { [1]: integer, [2]: number }[] }[] one or two
---@field marks? { at: number, text: string }[]
---@field share? boolean whether the numbers lie between 0 and 1
---@field gaps? boolean whether whole numbers on the x axis that have no point leave a gap, as epochs do

--- The parts of a series between numbers that cannot be drawn and, if there are gaps, between neighbours that are more than 1 apart.
local function runs(points, x, y, gaps)
  local list, run = {}, nil
  for i, point in ipairs(points) do
    if gaps and i > 1 and point[1] > points[i - 1][1] + 1 then run = nil end
    local good = chart.finite(point[2]) and not (y.log and point[2] <= 0)
    if good and not run then
      run = {}
      list[#list + 1] = run
    elseif not good then
      run = nil
    end
    if good then run[#run + 1] = { x.place(point[1]), y.place(point[2]) } end
  end
  return list
end

local function draw_series(number, points, x, y, gaps)
  local parts = {}
  for _, run in ipairs(runs(points, x, y, gaps)) do
    if #run > 1 then parts[#parts + 1] = svg.polyline(run, "line-" .. number) end
    for _, place in ipairs((#run == 1 or #points <= most_dots) and run or {}) do
      parts[#parts + 1] = svg.shape("circle", { cx = place[1], cy = place[2], r = 2.5, class = "dot-" .. number })
    end
  end
  return table.concat(parts)
end

--- The smallest and the largest number that can be drawn in one of two places of the points, and whether there are others.
local function range(series, place)
  local low, high, left_out
  for _, one in ipairs(series) do
    for _, point in ipairs(one.points) do
      local value = point[place]
      if chart.finite(value) then low, high = math.min(low or value, value), math.max(high or value, value) else left_out = (left_out or 0) + 1 end
    end
  end
  return low, high, left_out or 0
end

local function legend(series, at)
  local parts = {}
  for i, one in ipairs(series) do
    parts[#parts + 1] = svg.polyline({ { at, 14 }, { at + 24, 14 } }, "line-" .. i)
    parts[#parts + 1] = svg.shape("circle", { cx = at + 12, cy = 14, r = 2.5, class = "dot-" .. i })
    parts[#parts + 1] = svg.text(at + 30, 18, one.name)
    at = at + 30 + 7 * #one.name + 18
  end
  return table.concat(parts)
end

local function marks(list, x)
  local parts, free = {}, -math.huge
  for _, mark in ipairs(list or {}) do
    local at = x.place(mark.at)
    parts[#parts + 1] = svg.shape("line", { x1 = at, x2 = at, y1 = top, y2 = bottom, class = "mark" })
    if at >= free then
      parts[#parts + 1] = svg.text(at, top - 7, mark.text, "muted small", at < right - 24 and "middle" or "end")
      free = at + 10 + 5 * #mark.text
    end
  end
  return table.concat(parts)
end

--- Draws curves; nothing if none of the numbers can be drawn.
---@param of scion.LineChart
---@return scion.Drawing?
return function(of)
  local first, last = range(of.series, 1)
  local low, high, left_out = range(of.series, 2)
  if not low then return nil end
  local log = not of.share and low > 0 and high / low > steep
  local room = log and 0 or (high - low) * 0.05
  local y = chart.scale(log and low or math.max(low - room, low >= 0 and 0 or -math.huge), of.share and math.min(high + room, 1) or high + room, bottom, top,
                        { log = log, ticks = 5 })
  local area = { left = least_left, right = right, top = top, bottom = bottom }
  for _, tick in ipairs(y.ticks) do area.left = math.max(area.left, 12 + letter * #tick.text) end
  local x = chart.scale(first, last, area.left, area.right, { whole = true, ticks = 6 })
  local parts = { chart.axes(x, y, area, { x = of.x, y = "" }), marks(of.marks, x), legend(of.series, area.left),
                  log and svg.text(right, 18, "logarithmic scale", "muted", "end") or "" }
  for i, one in ipairs(of.series) do parts[#parts + 1] = draw_series(i, one.points, x, y, of.gaps) end
  local others = left_out > 0 and (" %d of the numbers %s not finite and left out."):format(left_out, left_out == 1 and "is" or "are") or ""
  return { width = chart.width, height = height, title = of.title, text = of.text .. others, body = table.concat(parts, "\n") }
end
