--- Architectures: scion.models.X is the file models/X.lua, or is defined in the file of its family: the one that X's name begins
--- with, as resnet50's does with resnet.
local builder = require "scion.models.builder"
local class = require "scion.class"

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

return class.names("scion.models", models, {
  find = function(name)
    local found = name:find "^[%w_]+$" and open(name)
    if builder.is(found) then return found.name == name and found or nil end
    return type(found) == "table" and builder.is(found[name]) and found[name] or nil
  end,
  list = function()
    local names = {}
    for i, architecture in ipairs(require("scion.report.models").list()) do names[i] = architecture.name end
    return names
  end,
})
