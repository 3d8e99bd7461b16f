--- The schema of the options of loading weights: see scion.LoadOptions in model.lua.
local check = require "scion.check"
local prefix = require "scion.weights.prefix"
local preprocessing = require "scion.preprocessing"

return { strict = { check.boolean, true }, prefix = { prefix.kind }, preprocess = { preprocessing.kind } }
