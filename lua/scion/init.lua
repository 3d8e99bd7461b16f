--- Scion: fine-tunes pretrained image networks on a CPU. This file lists the public names; what they are is loaded at first use.
--- Other versions of Lua than 5.4 and 5.5 can read it as far as the message that they get.
if _VERSION ~= "Lua 5.4" and _VERSION ~= "Lua 5.5" then error("Scion needs Lua 5.4, this is " .. _VERSION, 0) end

local core = require "scion.core"

---@class scion
local scion = { version = core.version }

--- Governs initial weights, dropout and random tensors from here on. Raises unless n is a whole number.
---@param n integer
function scion.seed(n) require("scion.random").seed(n) end

local most_threads = 256

--- How many threads compute; with a number, sets it. Results do not depend on it. Raises unless n is a whole number from 1 to 256.
---@param n integer?
---@return integer
function scion.threads(n)
  local check = require "scion.check"
  return core.threads(n ~= nil and check.argument("scion.threads", "the number", n, check.whole(1, most_threads)) or nil)
end

--- Seconds of a clock that never goes back.
---@return number
function scion.clock() return core.clock() end

--- A model from a graph: scion.model{ input = node, output = node }.
---@param given { input: scion.Node?, output: scion.Node, name: string? }
---@return scion.Model
function scion.model(given) return require("scion.model").new(given) end

--- A model from a chain: scion.sequential{ nn.input(28, 28, 3), … }.
---@param layers table[]
---@param ... nil nothing
---@return scion.Model
function scion.sequential(layers, ...) return require("scion.model").sequential(layers, ...) end

--- A model saved by model:save. Raises with the path when the file is none.
---@param path string
---@return scion.Model
function scion.load(path)
  local check = require "scion.check"
  return require("scion.saved").load(check.argument("scion.load", "the file", path, check.path))
end

--- Constructors that stand in tensor.lua, and modules.
local constructors = { tensor = true, zeros = true, ones = true, full = true, randn = true, uniform = true, arange = true }
local modules = { data = true, image = true, models = true, nn = true, optim = true, weights = true }

local more = {
  list = function()
    local names = {}
    for _, list in ipairs { constructors, modules } do
      for name in pairs(list) do names[#names + 1] = name end
    end
    return names
  end,
  find = function(name)
    if constructors[name] then return require("scion.tensor")[name] end
    local found = modules[name] and require("scion." .. name)
    if found and not getmetatable(found) then require("scion.class").names("scion." .. name, found) end
    return found or nil
  end,
}

--- What `require` gives: a table that becomes one of names, with all their checks, when it is first asked for anything. Loading the
--- checks takes longer than all else here, and nobody should wait for them at the start of a program.
local public = {}

local function first(again)
  return function(...)
    setmetatable(public, nil)
    for name, value in pairs(scion) do public[name] = value end
    require("scion.class").names("scion", public, more)
    return again(...)
  end
end

return setmetatable(public, {
  __index = first(function(_, name) return public[name] end),
  __newindex = first(function(_, name, value) public[name] = value end),
  __pairs = first(function() return pairs(public) end),
  __tostring = first(function() return tostring(public) end),
})
