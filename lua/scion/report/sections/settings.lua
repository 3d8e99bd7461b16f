--- The report's settings of the last fit, and the versions that wrote it.
local core = require "scion.core"
local html = require "scion.report.html"

return function(context)
  local versions = html.list { { "Scion", core.version }, { "Lua", (_VERSION:gsub("^Lua ", "")) } }
  if not context.note then return versions, "settings: the history is from a file, which does not hold them" end
  return html.paragraph "What the last fit was given." .. html.list(context.note.settings) .. html.tag("h3", nil, "Versions") .. versions
end
