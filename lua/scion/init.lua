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

-- The other public names, loaded at first use: where each is, and by which name in it.
local public = { data = { "scion.data" }, image = { "scion.image" }, models = { "scion.models" }, nn = { "scion.nn" }, optim = { "scion.optim" },
                 weights = { "scion.weights" } }
for _, name in ipairs { "tensor", "zeros", "ones", "full", "randn", "uniform", "arange" } do public[name] = { "scion.tensor", name } end

local function names()
  local list = {}
  for name in pairs(public) do list[#list + 1] = name end
  for name in next, scion do
    if not public[name] then list[#list + 1] = name end
  end
  return list
end

return setmetatable(scion, {
  __index = function(self, name)
    local where = public[name]
    if not where then
      local check = require "scion.check"
      check.raise(("scion has no %s (%s)"):format(check.show(name), check.suggestion(name, names(), "it has")))
    end
    local found = require(where[1])
    if where[2] then found = found[where[2]] end
    rawset(self, name, found)
    return found
  end,
  __tostring = function(self) return require("scion.report.names").printer("scion " .. self.version, names)(self) end,
})
