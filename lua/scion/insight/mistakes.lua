--- insight.mistakes: what a model is most wrong about.
local check = require "scion.check"
local inputs = require "scion.train.inputs"
local mistake_list = require "scion.insight.mistake_list"
local told = require "scion.insight.told"

local where = "scion.insight.mistakes"

---@class scion.MistakesOptions
---@field batch? integer (the data set's)

--- Finds the images that a model is most wrong about. Raises on options or data that do not fit, and unless each image has one class.
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.MistakesOptions?
---@return scion.Mistakes
---@example print(scion.insight.mistakes(model, val))
return function(model, data, given)
  check.argument(where, "the first argument", model, check.instance("scion.Model", "a model"))
  inputs.dataset(where, data)
  return mistake_list(model, data, told.of(where, model, data, check.options(where, given, { batch = { inputs.batch } }).batch))
end
