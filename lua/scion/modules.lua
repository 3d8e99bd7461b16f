--- Modules that are found by listing a folder, such as the layers in nn/: a new file needs no entry anywhere.
local core = require "scion.core"
local lfs = require "lfs"

local modules = {}

--- The names of the modules in the folder of parent's init.lua, sorted; init itself is not among them.
---@param parent string such as "scion.nn"
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

--- Loads one of them. Raises if no more files can be opened.
---@param parent string
---@param name string
---@return any module what its file returns; nil if there is no such file
function modules.open(parent, name)
  if name == "init" or not name:find "^[%w_]+$" then return nil end
  local path = parent .. "." .. name
  return (package.searchpath(path, package.path) or core.file_limit()) and require(path) or nil
end

return modules
