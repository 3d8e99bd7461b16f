-- A side of the bench: a program that measures when it is asked to. It is sent lines and answers each with a line of JSON:
--   at its start   -> { name =, version = }
--   prepare WORK   -> { variants = { .. }, flops = in one round }, or { no = why it cannot }: builds it and runs it once
--   round VARIANT  -> { wall =, cpu = }: seconds of one round of what was prepared
--   bytes          -> { bytes = }: the most memory it ever had
--   end            -> nothing: it ends, also where a side started later holds a copy of its pipe
-- Between two questions it waits in a read, so that the sides of one run take turns on an idle machine. What it writes to standard error is
-- added to build/bench.log.
local core = require "scion.core"

local side = {}
side.__index = side
side.log = "build/bench.log"

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
side.quote = quote

local function answer(self)
  local line = self.answers:read "l"
  if not line then error(("the side %s ended; the end of %s tells why"):format(self.command, side.log), 0) end
  return core.json_decode(line)
end

--- Starts a program in a shell and waits until it is there.
function side.start(command)
  local pipe = os.tmpname()
  os.remove(pipe)
  assert(os.execute("mkfifo -m 600 " .. quote(pipe)))
  local self = setmetatable({ command = command }, side)
  self.answers = assert(io.popen(("%s < %s 2>> %s"):format(command, quote(pipe), side.log)))
  self.questions = assert(io.open(pipe, "w"))
  os.remove(pipe)
  self.questions:setvbuf "line"
  local hello = answer(self)
  self.name, self.version = hello.name, hello.version
  return self
end

function side:ask(question)
  self.questions:write(question, "\n")
  return answer(self)
end

--- Its variants of that work, or nil and why it has none.
function side:prepare(work)
  local told = self:ask("prepare " .. work)
  self.flops = told.flops
  return told.variants, told.no
end

function side:stop()
  self.questions:write "end\n"
  self.questions:close()
  self.answers:close()
end

return side
