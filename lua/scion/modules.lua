--- Modules that are found by looking into a folder, such as the layers in nn/.
local lfs = require "lfs"

local modules = {}

--- The names of the modules beside parent's init.lua.
---@param parent string "scion.nn"
---@return string[]
function modules.list(parent)
  local folder, names = assert(package.searchpath(parent, package.path)):match "^(.*)/[^/]*$", {}
  for file in lfs.dir(folder) do
    local name = file:match "^([%w_]+)%.lua$"
    if name and name ~= "init" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- One of them, or nil.
---@param parent string
---@param name string
---@return any
function modules.open(parent, name)
  if name == "init" or not name:find "^[%w_]+$" then return nil end
  local path = parent .. "." .. name
  return package.searchpath(path, package.path) and require(path) or nil
end

return modules
