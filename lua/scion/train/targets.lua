--- Which loss a network is trained with, and whether a data set fits it.
local check = require "scion.check"
local core = require "scion.core"

local targets = {}

local by_activation = { softmax = "categorical", sigmoid = "binary" }
local losses = { categorical = true, binary = true, mse = true }

--- The loss that follows from the last layer, unless one is given: softmax, "categorical"; sigmoid, "binary"; linear, "mse".
---@param model scion.Model
---@param given string?
---@return "categorical"|"binary"|"mse"
function targets.loss(model, given)
  if given then
    if not losses[given] then check.raise(("loss is 'categorical', 'binary' or 'mse', not '%s'"):format(tostring(given))) end
    return given
  end
  return by_activation[model.output.layer.options.activation or "linear"] or "mse"
end

--- Raises if images of the data set do not fit the model's input, or its classes the output.
---@param model scion.Model
---@param data scion.Dataset
---@param loss string
function targets.check(model, data, loss)
  local shape, size = model.input.shape, data.size
  if size and (size[1] ~= shape[1] or size[2] ~= shape[2]) then
    check.raise(("the data set has images of %dx%d, but the model takes %dx%d"):format(size[1], size[2], shape[1], shape[2]))
  end
  if not data.labels or loss == "mse" then return end
  local outputs = model.output.shape[#model.output.shape]
  local classes = (loss == "binary" and outputs == 1) and 2 or outputs
  if #data.labels ~= classes then
    check.raise(("%s: the model's last layer distinguishes %d classes, but the data set has %d (%s)"):format(
      model.output.layer.name, classes, #data.labels, table.concat(data.labels, ", ")))
  end
end

--- Raises if two lists of labels do not mean the same by class 1, 2, …; where one is absent there is nothing to compare.
---@param one string[]?
---@param of_one string "in the training set"
---@param other string[]?
---@param of_other string
function targets.same_labels(one, of_one, other, of_other)
  if not one or not other then return end
  local function name(label) return label and ("'%s'"):format(label) or "absent" end
  for i = 1, math.max(#one, #other) do
    if one[i] ~= other[i] then
      check.raise(("labels disagree: class %d is %s %s, but %s %s; give one data set the labels of the other (labels = train.labels)"):format(
        i, name(one[i]), of_one, name(other[i]), of_other))
    end
  end
end

--- The labels of a batch as the loss kernel takes them: class indices from 0, or f32 targets of the output's shape.
---@param labels scion.Tensor?
---@param loss string
---@param outputs integer[] shape of the output
---@return scion.Tensor
function targets.tensor(labels, loss, outputs)
  if not labels then check.raise("the data set has no labels, so there is no loss to compute") end
  if loss == "categorical" then return labels end
  local shape = { labels:shape()[1], table.unpack(outputs) }
  local target = core.new(shape, "f32")
  core.copy(labels, target)
  return target
end

return targets
