--- The report's findings: warnings about the recipe, and what the doctor found in the data.
local html = require "scion.report.html"
local text = require "scion.report.text"

local columns = 90 -- of the doctor's text

return function(context)
  local parts = {}
  local warnings = rawget(context.history, "warnings")
  if warnings and warnings[1] then
    local items = {}
    for i, warning in ipairs(warnings) do items[i] = html.tag("li", nil, html.escape(warning.message)) end
    parts[1] = html.tag("h3", nil, "Warnings about the recipe") .. html.tag("ul", nil, table.concat(items, "\n"))
  elseif warnings then
    parts[1] = html.paragraph "fit found nothing odd in the recipe."
  end
  if context.diagnosis then
    local lines = {}
    for i, line in ipairs(text.at_width(columns, require "scion.report.diagnosis", context.diagnosis)) do lines[i] = html.escape(line) end
    parts[#parts + 1] = html.tag("h3", nil, "The doctor's findings") .. html.tag("pre", nil, table.concat(lines, "\n"))
  end
  return parts[1] and table.concat(parts, "\n") or nil, context.why_no_diagnosis
end
