--- Layers: scion.nn.X is the file nn/X.lua; the activations have constructors of their own.
local check = require "scion.check"
local names = require "scion.report.names"
local nn = {}

local activations = { "relu", "relu6", "sigmoid", "tanh", "softmax", "swish", "hard_swish", "hard_sigmoid" }
for _, name in ipairs(activations) do
  nn[name] = function(options)
    local given = { activation = name }
    for k, v in pairs(options or {}) do given[k] = v end
    return nn.activation(given)
  end
end

return setmetatable(nn, {
  __tostring = names.printer("scion.nn", function() return table.move(activations, 1, #activations, #names.files "scion.nn" + 1, names.files "scion.nn") end),
  __index = function(self, name)
    local path = "scion.nn." .. tostring(name)
    if not package.searchpath(path, package.path) then
      check.raise(("scion.nn has no layer '%s'"):format(tostring(name)))
    end
    local constructor = require(path)
    rawset(self, name, constructor)
    return constructor
  end,
})
