--- A Python that answers: see answer.py. It is asked one thing after another, so that it imports its libraries once.
local core = require "scion.core"
local support = dofile "spec/support/files.lua"

local peer = {}
peer.__index = peer

--- Starts a script. nil and the reason where the interpreter lacks a module.
---@param python string the interpreter
---@param script string in spec/peers
---@param modules string that it imports, with commas
function peer.start(python, script, modules)
  local out, code = support.shell(("%s -c 'import %s'"):format(python, modules))
  if code ~= 0 then return nil, ("%s has no %s (%s)"):format(python, modules, out:match "([^\n]*)\n*$") end
  local folder = support.folder()
  local answers, errors = folder .. "/answers", folder .. "/errors"
  assert(select(2, support.shell("mkfifo " .. answers)) == 0)
  local requests = assert(io.popen(("%s spec/peers/%s > %s 2> %s"):format(python, script, answers, errors), "w"))
  return setmetatable({ requests = requests, answers = assert(io.open(answers)), errors = errors }, peer)
end

--- Asks. An answer with `error` raises.
---@param request table { call = NAME, … }
function peer:ask(request)
  self.requests:write(core.json_encode(request), "\n")
  self.requests:flush()
  local line = self.answers:read()
  local answer = line and core.json_decode(line)
  if not answer then error("the peer ended: " .. support.slurp(self.errors):sub(-2000), 0) end
  if answer.error then error(answer.error, 0) end
  return answer
end

--- max|a - b| / max|b| of two lists; a NaN is infinitely far.
---@param ours number[]
---@param theirs number[]
---@return number
function peer.distance(ours, theirs)
  local worst, largest = 0, 0
  for i, b in ipairs(theirs) do
    local a = ours[i] or 0 / 0
    worst, largest = math.max(worst, a == a and math.abs(a - b) or math.huge), math.max(largest, math.abs(b))
  end
  return worst / largest
end

-- ---- the table that is printed ---------------------------------------------------------------------------------------

local passed, failed = 0, 0

--- A row of the table: what was compared, how that was kept, whether all is well, and the distance or the sentence.
function peer.row(what, library, format, good, result)
  passed, failed = passed + (good and 1 or 0), failed + (good and 0 or 1)
  print(("%-6s %-32s %-11s %-34s %s"):format(good and "ok" or "FAILED", what, library, format, result))
  io.stdout:flush()
end

--- The last line of an error, which in Python tells what it is.
function peer.last_line(message) return tostring(message):match "([^\n]*)\n*$" end

function peer.skipped(what, reason) print(("skipped: %s: %s"):format(what, reason)) end

--- Whether a name was asked for, by itself or by its first words: without arguments all are.
function peer.wanted(name)
  for _, given in ipairs(arg) do
    if name:find("^" .. given:gsub("%W", "%%%0") .. "%f[^%w_]") then return true end
  end
  return #arg == 0
end

--- Ends the program, with an error if anything failed.
function peer.finish()
  print(("%d ok, %d failed"):format(passed, failed))
  os.exit(failed == 0, true)
end

function peer:close()
  self.requests:close()
  self.answers:close()
end

return peer
