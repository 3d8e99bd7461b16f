--- Architectures: scion.models.X is the file models/X.lua, or is defined in the file of its family: the one that X's name begins
--- with, as resnet50's does with resnet.
local check = require "scion.check"

local models = {}

--- What the file that defines an architecture returns: itself, or its family by name.
local function open(name)
  for length = #name, 1, -1 do
    local path = "scion.models." .. name:sub(1, length)
    if package.searchpath(path, package.path) then return require(path) end
  end
end

--- Every architecture there is, by name, with what is known of it; prints as a table. One of them, as scion.models.resnet50, prints
--- with the addresses and hashes of its weights.
---@return scion.ModelList
function models.list() return require("scion.report.models").list() end

return setmetatable(models, {
  __index = function(self, name)
    local found = type(name) == "string" and name:find "^[%w_]+$" and open(name)
    local made = found and (found.name == name and found or found[name])
    if not require("scion.models.builder").is(made) then
      local names = {}
      for i, known in ipairs(models.list()) do names[i] = known.name end
      check.raise(("scion.models has no architecture '%s' (the nearest: %s)"):format(tostring(name), table.concat(check.nearest(tostring(name), names), ", ")))
    end
    rawset(self, name, made)
    return made
  end,
})
