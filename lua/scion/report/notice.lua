--- Notices: lines on standard error about what users should know but is no error.
local check = require "scion.check"

local notice = {}

local said = {}

--- Writes a line.
---@param line string begins with "scion: ", or with the path that it is about
function notice.line(line) io.stderr:write(check.escape(line), "\n") end

--- Writes a line, unless it was written before by notice.once in this process.
---@param line string
function notice.once(line)
  if said[line] then return end
  said[line] = true
  notice.line(line)
end

return notice
