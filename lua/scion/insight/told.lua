--- What a model says of each image of a data set whose images have one class each.
local check = require "scion.check"
local core = require "scion.core"
local evaluate = require "scion.train.evaluate"
local inputs = require "scion.train.inputs"
local losses = require "scion.ir.losses"
local predict = require "scion.train.predict"
local targets = require "scion.train.targets"

---@class scion.Told
---@field class integer the image's class, from 1
---@field predicted integer the class with the highest probability
---@field confidence number that probability
---@field loss number as evaluate computes it, of the logits: for a softmax -ln of the probability of the image's class

local told = {}

--- What gathers it, batch by batch, from a pass over the data set. Raises unless the model tells classes, which are those of the data set.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@return { add: fun(output: scion.Tensor, indices: integer[], losses: scion.Tensor), ended: (fun(): table<integer, scion.Told>, scion.Tensor) } add: takes
--- what evaluate tells of a batch; ended: gives what `told.of` does, or raises if an output or a loss is NaN
function told.gathering(where, model, data)
  local kind, count, apply = predict.probabilities(model)
  if kind ~= "classes" or not data.classes then check.raise(where .. ": it is for classes, one an image, which the model tells and the data set has") end
  targets.same_labels(where, model.labels, "in the model", data.labels, "in the data set")
  if data.labels and #data.labels ~= count then check.raise(("%s: the model tells %d classes, and the data set has %d"):format(where, count, #data.labels)) end
  local found, all, finite = {}, core.full({ #data }, 0 / 0), true
  local function add(output, indices, of_batch)
    local rows, truth = apply(output), data.classes:gather(1, indices)
    finite = finite and core.finite(rows) and core.finite(of_batch)
    if rows:shape()[2] < count then rows = core.concat({ 1 - rows, rows }, 2) end -- one sigmoid output tells two classes
    local highest, best = rows:top_k(1, 2)
    for i, index in ipairs(indices) do
      local loss = of_batch:get(i)
      all:set(index, loss)
      found[index] = { class = truth:get(i), predicted = best:get(i, 1), confidence = highest:get(i, 1), loss = loss }
    end
  end
  local function ended()
    if not finite then check.raise(where .. ": " .. predict.no_number) end
    return found, all
  end
  return { add = add, ended = ended }
end

--- Has the model tell the images. Raises unless it tells classes, which are those of the data set; if no image can be read, or an output is NaN;
--- and after Ctrl-C.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param batch integer? (the data set's)
---@return table<integer, scion.Told> by the image's number, from 1; nil for those that could not be read
---@return scion.Tensor losses f32 [images], NaN for those
function told.of(where, model, data, batch)
  inputs.fits(where, model, data)
  local gathering = told.gathering(where, model, data)
  local lost = model.loss and losses.of(model.loss) -- a function of the user's own, which the model's file does not hold
  local loss = lost and lost.own and not lost.compute and losses.following(targets.activation(model)) or nil
  evaluate(model, data, { batch = batch, cache = false, metrics = {}, loss = loss }, where, { output = gathering.add, alone = true })
  return gathering.ended()
end

return told
