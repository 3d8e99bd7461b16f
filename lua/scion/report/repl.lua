--- What `make repl` begins with: the globals `scion` and `help`, a print that shows what tables hold, and two lines that say so.
local core = require "scion.core"
local show = require "scion.report.show"

--- What `help` is at the prompt: it prints the list of topics, and is called with one of them.
local help = setmetatable({}, {
  __name = "scion.Help",
  __call = function(_, topic) return require("scion").help(topic) end,
  __tostring = function() return require("scion").help() end,
})

--- A prompt that keeps Ctrl-C from ending Lua, and with it what was trained: pressed a moment after a fit has ended, it finds nothing to end. The
--- interpreter asks for its text before it reads each line.
local function prompt(text)
  return setmetatable({}, { __tostring = function()
    core.keep_prompt()
    return text
  end })
end

--- Sets the globals of the prompt, and greets.
return function()
  _G.scion, _G.help, _G.print = require "scion", help, show.print
  _G._PROMPT, _G._PROMPT2 = prompt "> ", prompt ">> "
  show.print(("Scion %s: %d thread%s, %s"):format(core.version, core.threads(), core.threads() == 1 and "" or "s", core.isa()))
  show.print 'help lists topics, help "fit" shows one'
end
