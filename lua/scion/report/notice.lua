--- What users should know and need not be stopped for: a line on standard error.
local notice = {}

local said = {}

--- Writes the line, unless this process did so before.
---@param line string
function notice.once(line)
  if said[line] then return end
  said[line] = true
  io.stderr:write(line, "\n")
end

return notice
