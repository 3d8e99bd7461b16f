--- The report's curves.
local curves = require "scion.report.curves"
local html = require "scion.report.html"
local svg = require "scion.report.svg"

return function(context)
  local parts = {}
  for i, each in ipairs(curves(context.history)) do parts[i] = svg.figure(each.drawing, "curve-" .. i, html.details("Numbers", html.table(each.table))) end
  if not parts[1] then return nil, "curves: there are no epochs with numbers that can be drawn" end
  return html.tag("div", { class = "charts" }, table.concat(parts, "\n"))
end
