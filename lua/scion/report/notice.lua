--- Notices: lines on standard error about what users should know but is no error.
local check = require "scion.check"
local core = require "scion.core"
local text = require "scion.report.text"

local notice = {}

local said = {}

local standard_error = io.stderr

local silent = false

--- From here on lines are not written: another process, which computes the same, writes them.
function notice.silence() silent = true end

--- Writes a line; on a terminal it is broken between words where it is too long.
---@param line string begins with "scion: ", or with the path that it is about
---@param own? boolean whether it is about what this process alone has seen (false)
function notice.line(line, own)
  if silent and not own then return end
  line = check.escape(line)
  local width = io.stderr == standard_error and core.terminal_width "stderr"
  io.stderr:write((width and table.concat(text.wrap(line, width, 2), "\n") or line) .. "\n") -- at once, since other processes may write, too
end

--- Writes a line, unless it was written before by notice.once in this process.
---@param line string
function notice.once(line)
  if said[line] then return end
  said[line] = true
  notice.line(line)
end

return notice
