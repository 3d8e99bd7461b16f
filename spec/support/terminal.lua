--- A terminal of some size, by tmux: what is typed into it, and what it shows.
local core = require "scion.core"
local files = dofile "spec/support/files.lua"

local terminal = {}
terminal.__index = terminal

local deadline = 300 -- seconds that anything may take, also under sanitizers

local quoted = files.quoted
local preload = os.getenv "LD_PRELOAD" -- sanitizers are for what runs in the terminal, and not for tmux

--- Whether tmux is here; a test without it is pending, and ends.
function terminal.there(pending)
  local _, status = files.shell "command -v tmux"
  if status ~= 0 then pending "tmux is not installed" end
  return status == 0
end

local count = 0

--- Opens one that runs a command, which begins as soon as everything that is written to the terminal is kept in the file `raw`.
---@param width integer columns
---@param command string
---@param folder string where it runs
function terminal.open(width, command, folder)
  count = count + 1
  local self = setmetatable({ name = ("scion-%s-%d"):format(folder:match "[^/]*$", count), raw = ("%s/raw-%d"):format(folder, count) }, terminal)
  local config = files.spit(folder .. "/tmux.conf", "set -g history-limit 50000\nset -g remain-on-exit on\n")
  local run = ("tmux wait-for begin; cd %s; %s exec %s"):format(quoted(folder), preload and "LD_PRELOAD=" .. quoted(preload) or "", command)
  self:tmux(("-f %s new-session -d -x %d -y 50 %s"):format(quoted(config), width, quoted(run)))
  self:tmux("pipe-pane -o " .. quoted("cat >" .. quoted(self.raw)))
  self:tmux "wait-for -S begin"
  return self
end

function terminal:tmux(arguments)
  local out, status = files.shell(("env -u LD_PRELOAD LC_ALL=C.UTF-8 tmux -u -L %s %s"):format(self.name, arguments))
  assert(status == 0, out)
  return out
end

--- Ends what runs in it: at the end of a test, by <close>.
function terminal:__close() files.shell(("env -u LD_PRELOAD tmux -L %s kill-server"):format(self.name)) end

--- All lines so far, from the first: those that were longer than the terminal as one line each.
function terminal:lines()
  local lines = {}
  for line in self:tmux "capture-pane -p -J -S -":gmatch "([^\n]*)\n" do lines[#lines + 1] = line:match "^(.-)%s*$" end
  while lines[#lines] == "" do lines[#lines] = nil end
  return lines
end

--- Waits until a function of all lines gives something other than nil or false, and returns that. Raises what the terminal shows if that
--- takes too long.
function terminal:wait(what, f)
  local start = core.clock()
  while true do
    local lines = self:lines()
    local found = f(lines)
    if found then return found end
    local ended = (lines[#lines] or ""):find "^Pane is dead"
    if ended or core.clock() - start > deadline then
      error(("no %s %s; the terminal shows\n%s"):format(what, ended and "before it ended" or ("within %d s"):format(deadline), table.concat(lines, "\n")), 0)
    end
  end
end

--- Presses keys, by tmux's names of them.
function terminal:press(key) self:tmux("send-keys " .. key) end

--- Types a line.
function terminal:type(line)
  self:tmux("send-keys -l " .. quoted(line))
  self:press "Enter"
end

return terminal
