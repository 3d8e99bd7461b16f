--- Scion: fine-tunes pretrained image networks on a CPU. Everything is loaded at first use.
---@class scion
local core = require "scion.core"

local scion = { version = core.version }

--- Governs initial weights, dropout and random tensors from here on.
---@param n integer
function scion.seed(n) require("scion.random").seed(n) end

--- How many threads compute; with a number, sets it. Results do not depend on it.
---@param n integer?
---@return integer
function scion.threads(n) return core.threads(n) end

--- Seconds of a clock that never goes back.
---@return number
function scion.clock() return core.clock() end

--- A model from a graph: scion.model{ input = node, output = node }.
---@param given { input: scion.Node?, output: scion.Node }
---@return scion.Model
function scion.model(given) return require("scion.model").new(given) end

--- A model from a chain: scion.sequential{ nn.input(28, 28, 3), … }.
---@param layers table[]
---@return scion.Model
function scion.sequential(layers) return require("scion.model").sequential(layers) end

--- A model saved by model:save. Raises with the path when the file is none.
---@param path string
---@return scion.Model
function scion.load(path) return require("scion.saved").load(path) end

--- tensor zeros ones full randn uniform arange stand in tensor.lua, the other names are modules.
local constructors = { tensor = true, zeros = true, ones = true, full = true, randn = true, uniform = true, arange = true }

return setmetatable(scion, {
  __index = function(self, name)
    local found
    if constructors[name] then
      found = require("scion.tensor")[name]
    elseif type(name) == "string" and package.searchpath("scion." .. name, package.path) then
      found = require("scion." .. name)
    end
    rawset(self, name, found)
    return found
  end,
})
