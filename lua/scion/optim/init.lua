--- Optimizers, with Keras's formulas and defaults. They are an option of model:fit.
local class = require "scion.class"
local modules = require "scion.modules"

return class.names("scion.optim", {}, {
  find = function(name) return modules.open("scion.optim", name) end,
  list = function() return modules.list "scion.optim" end,
})
