--- Calibration: how often predictions are right, by how sure they are; below it, how many predictions there are.
local chart = require "scion.report.chart"
local svg = require "scion.report.svg"

local height = 290
local upper = { left = 54, right = chart.width - 12, top = 26, bottom = 196 }
local lower = { top = 222, bottom = height - 38 }

---@class scion.ReliabilityChart
---@field title string
---@field text string
---@field bins scion.CalibrationBin[]

--- Draws a bar for each bin that has predictions.
---@param of scion.ReliabilityChart
---@return scion.Drawing
return function(of)
  local x, y = chart.scale(0, 1, upper.left, upper.right, { ticks = 5 }), chart.scale(0, 1, upper.bottom, upper.top)
  local most = 1
  for _, bin in ipairs(of.bins) do most = math.max(most, bin.examples) end
  local count = chart.scale(0, most, lower.bottom, lower.top, { whole = true, ticks = 2 })
  local parts = { chart.axes({ ticks = {}, place = x.place }, y, upper, { x = "", y = "share that is right" }),
                  chart.axes(x, count, { left = upper.left, right = upper.right, top = lower.top, bottom = lower.bottom }, { x = "confidence", y = "predictions" }) }
  for _, bin in ipairs(of.bins) do
    if bin.examples > 0 then
      local left, width = x.place(bin.from) + 1, x.place(bin.to) - x.place(bin.from) - 2
      local top = y.place(bin.accuracy)
      parts[#parts + 1] = svg.shape("rect", { x = left, y = top, width = width, height = math.max(upper.bottom - top, 1), class = "bar" })
      top = count.place(bin.examples)
      parts[#parts + 1] = svg.shape("rect", { x = left, y = top, width = width, height = math.max(lower.bottom - top, 1), class = "count" })
    end
  end
  parts[#parts + 1] = svg.shape("line", { x1 = x.place(0), y1 = y.place(0), x2 = x.place(1), y2 = y.place(1), class = "ideal" })
  return { width = chart.width, height = height, title = of.title, text = of.text, body = table.concat(parts, "\n") }
end
