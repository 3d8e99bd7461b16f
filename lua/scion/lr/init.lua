--- Learning rates that change with the step or with a layer's depth: scion.optim.sgd{ lr = scion.lr.cosine(1e-4) }.
---
--- A rate knows how many steps a fit has, epochs times batches, and so needs no number of its own for that. Where it counts in epochs it
--- counts from the first of the fit. In a schedule the steps are those of the stages that have the optimizer, and its rate, one after the
--- other. A rate by depth can be what another begins at: cosine(by_depth(1e-3, 1e-5)).
local class = require "scion.class"
local modules = require "scion.modules"

return class.names("scion.lr", {}, {
  find = function(name) return modules.open("scion.lr", name) end,
  list = function() return modules.list "scion.lr" end,
})
