--- Architectures: scion.models.X is the file models/X.lua.
return setmetatable({}, {
  __index = function(self, name)
    local path = "scion.models." .. tostring(name)
    if not package.searchpath(path, package.path) then
      error(("scion.models has no architecture '%s'"):format(tostring(name)), 2)
    end
    local builder = require(path)
    rawset(self, name, builder)
    return builder
  end,
})
