--- insight.leep: how well a network's own classes foretell those of a data set.
local check = require "scion.check"
local core = require "scion.core"
local gathered = require "scion.insight.gathered"
local leep_score = require "scion.insight.leep_score"
local targets = require "scion.train.targets"

local where = "scion.insight.leep"

--- What a classifier's own classes say of other classes, without training: LEEP (Nguyen, Hassner, Seeger and Archambeau, ICML 2020). Each of its
--- classes stands for the data set's classes with which it comes; LEEP is the mean log of the probability that the true class then gets. 0 is the
--- best. The second result is what a network gets that says the same of all images: only what lies above it is worth anything. Of a network with
--- many classes and few images LEEP is too high, since the same images are counted and told. Raises on data that do not fit, and unless the
--- network ends in a softmax, as one with top = true does.
---@param model scion.Model with its top
---@param data scion.Dataset
---@return number leep
---@return number guess
---@example print(scion.insight.leep(model, train))
return function(model, data)
  check.argument(where, "the first argument", model, check.instance("scion.Model", "a model"))
  local activation, logits = targets.activation(model)
  if activation ~= "softmax" or logits then
    check.raise(where .. ": the network ends in no softmax, and so has no classes of its own: give it with its top, such as scion.models.resnet50{ top = true, … }")
  end
  local p, classes = gathered.set(where, model, data, { { node = model.output } }, { cache = true })
  local count, guess = data.labels and #data.labels or classes:max(), 0
  for _, n in ipairs(core.count(classes - 1, count)) do guess = guess + (n > 0 and n / #classes * math.log(n / #classes) or 0) end
  return leep_score(p, classes, count), guess
end
