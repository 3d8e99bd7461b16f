--- What users should know and need not be stopped for: a line on standard error.
local check = require "scion.check"

local notice = {}

local said = {}

--- Writes the line, which begins with "scion: " or the path that it is about.
---@param line string
function notice.line(line) io.stderr:write(check.escape(line), "\n") end

--- The same, unless this process wrote that line before.
---@param line string
function notice.once(line)
  if said[line] then return end
  said[line] = true
  notice.line(line)
end

return notice
