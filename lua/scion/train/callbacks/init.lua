--- Callbacks in Keras's names and meaning, for the option `callbacks` of fit: fit(data, { callbacks = { scion.callbacks.early_stopping() } }).
---
--- They are called in the order of the list, so one that others go by stands before them. Each fit begins them anew; a fit that is resumed
--- goes on with what they had found; one that only writes logs may then write others, or be left out.
local class = require "scion.class"
local modules = require "scion.modules"

return class.names("scion.callbacks", {}, {
  find = function(name) return modules.open("scion.train.callbacks", name) end,
  list = function() return modules.list "scion.train.callbacks" end,
})
