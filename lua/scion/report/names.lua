--- Tables of functions, such as scion.optim, print as the names they hold.
local lfs = require "lfs"
local text = require "scion.report.text"

local names = {}

--- A __tostring that gives "scion.optim: adam, adamw, rmsprop, sgd".
---@param title string
---@param list? fun(): string[] where names are loaded at first use
---@return fun(self: table): string
function names.printer(title, list)
  return function(self)
    local found = list and list() or {}
    if not list then
      for name in pairs(self) do found[#found + 1] = name end
    end
    table.sort(found)
    return table.concat(text.wrap(title .. ": " .. table.concat(found, ", "), text.width(), 2), "\n")
  end
end

--- The names of the modules in the folder of a package, such as "scion.nn", without its init.
---@param package_name string
---@return string[]
function names.files(package_name)
  local folder, found = assert(package.searchpath(package_name, package.path)):match "^(.*)/[^/]*$", {}
  for file in lfs.dir(folder) do
    local name = file:match "^([%w_]+)%.lua$"
    if name and name ~= "init" then found[#found + 1] = name end
  end
  return found
end

return names
