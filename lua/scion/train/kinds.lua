--- Kinds (see check.lua) of options of training.
local check = require "scion.check"
local rate = require "scion.rate"

local kinds = {}

local an_optimizer = check.instance("scion.Optimizer", "an optimizer")

--- An optimizer.
kinds.optimizer = check.kind("an optimizer, such as scion.optim.adam()", function(value)
  if an_optimizer.read(value) then return true, value end
  for name, constructor in pairs(require "scion.optim") do
    if value == name then return false, nil, ("is an optimizer, such as scion.optim.%s(), not %s"):format(name, check.show(value)) end
    if value == constructor then return false, nil, ("is an optimizer: scion.optim.%s is the function that makes one, scion.optim.%s()"):format(name, name) end
  end
  return false
end)

--- A learning rate.
kinds.rate = rate.any

return kinds
