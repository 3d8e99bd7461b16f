--- Architectures. scion.models.X is what the file models/X.lua returns. A file may also return a family of architectures by name: resnet50
--- is in resnet.lua, the longest file name that its own name begins with.
local builder = require "scion.models.builder"
local class = require "scion.class"

local models = {}

--- What the file that defines an architecture returns: the architecture itself, or a table of its family by name. nil where there is no
--- such file.
local function open(name)
  for length = #name, 1, -1 do
    local path = "scion.models." .. name:sub(1, length)
    if package.searchpath(path, package.path) then return require(path) end
  end
end

--- A list of all architectures, with their sizes and costs; prints as a table. A single one, such as scion.models.resnet50, prints with the
--- addresses and hashes of its weights.
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
