--- Ctrl-C in training, in inference, and where images and weights are read and files written. While it is caught it only sets a flag, which is
--- read between kernels, images and steps, so that everything is whole when a function stops.
local check = require "scion.check"
local core = require "scion.core"

local interrupts = {}

--- Catches Ctrl-C until the returned object is closed or collected: at the end of a function, or if the coroutine in which it runs is
--- never resumed. Inside a function that catches it already this does nothing.
---@return { mine: boolean } caught closed by <close>; mine: no function further out catches it
function interrupts.catch()
  local mine = core.catch_interrupts()
  local function release()
    if mine then core.release_interrupts() end
    mine = false
  end
  return setmetatable({ mine = mine }, { __close = release, __gc = release })
end

-- An error of Lua's own kind is a string, to which the interpreter adds a traceback. It adds none to an object that knows its text.
local raised = { __name = "scion.Interrupted", __tostring = function(self) return self.message end }

--- Begins a new line on a terminal, which shows ^C where the cursor was.
function interrupts.new_line()
  local out = core.terminal_width() and io.stdout or core.terminal_width "stderr" and io.stderr
  if out then out:write "\n" out:flush() end
end

local function fail(message)
  local _, positioned = pcall(check.raise, message)
  error(setmetatable({ interrupted = true, message = positioned }, raised), 0)
end

--- Raises that Ctrl-C ended a function: an object with `interrupted` = true and `message`, so that a script that catches errors can tell
--- it from others.
---@param message string
function interrupts.raise(message)
  interrupts.new_line()
  fail(message)
end

--- Whether a raised value is that of interrupts.raise.
---@param value any
---@return boolean
function interrupts.is(value) return getmetatable(value) == raised end

local no_result = "%s: Ctrl-C ended it, so that there is no result"

--- Raises if Ctrl-C was pressed since it is caught.
---@param where string the function that the user called
function interrupts.check(where)
  if core.interrupted() then interrupts.raise(no_result:format(where)) end
end

--- Calls a function that may take long, and raises behind it if Ctrl-C was pressed meanwhile, whatever it raised itself: that may name another
--- function, which the user did not call.
---@param where string the function that the user called
---@param f function
---@param ... any its arguments
---@return any ... its results
function interrupts.within(where, f, ...)
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  local function ended(ok, ...)
    if core.interrupted() then
      if ok or not interrupts.is(...) then interrupts.new_line() end
      fail(no_result:format(where))
    end
    if not ok then error((...), 0) end
    return ...
  end
  return ended(pcall(f, ...))
end

--- Calls a function that Ctrl-C must not cut in two, and raises behind it if that was pressed meanwhile, unless a function further out hears it.
---@param done string what is said then: "model:save: interrupted when pets.safetensors was written"
---@param f function
---@param ... any its arguments
function interrupts.hear_after(done, f, ...)
  local caught <close> = interrupts.catch()
  f(...)
  if caught.mine and core.interrupted() then interrupts.raise(done) end
end

--- Whether Lua reads its lines from someone who types them: `lua` without a script, or with -i.
local function someone_types()
  local given = rawget(_G, "arg")
  if type(given) ~= "table" then return false end
  for i, word in pairs(given) do
    if math.type(i) == "integer" and i ~= 0 and type(word) == "string" and word:find "^%-[^-]*i" then return true end
  end
  return given[-1] == nil and core.at_terminal()
end

--- Whether the function that is running was called from a line typed at Lua's prompt, and not from a script. What such a line calls may
--- return after Ctrl-C; a script would go on, and save what is half trained.
---@return boolean
function interrupts.at_prompt()
  local level, left = 2, false
  while true do
    local info = debug.getinfo(level, "St")
    -- a line such as model:fit(train), which the prompt runs as "return model:fit(train)", is left by a tail call: nothing comes after it
    if not info then return left and someone_types() end
    if info.what == "main" then return info.source == "=stdin" and someone_types() end
    left = info.istailcall or info.what == "C" and left
    level = level + 1
  end
end

return interrupts
