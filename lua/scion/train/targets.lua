--- The loss of a network, and checks whether network, loss and data set fit together.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local inputs = require "scion.train.inputs"
local losses = require "scion.ir.losses"
local shapes = require "scion.shape"

local targets = {}

--- A loss as users give it, as a kind for checks.
targets.kind = losses.kind

--- The activation of the last layer.
local function activation_of(model) return model.output.layer.options.activation or "linear" end

--- The loss: the given one; else the one that was given to fit before; else the one that follows from the last layer's activation: softmax
--- "categorical", sigmoid "binary", all others "mse".
---@param model scion.Model
---@param given string|scion.Loss|nil
---@return scion.Loss
function targets.loss(model, given)
  local activation = activation_of(model)
  return losses.for_activation(given or model.loss or losses.following(activation) or "mse", activation, model.output.layer.name)
end

--- The activation of the network's outputs. If the network has no last activation but was fitted with a loss on logits, it is the one that
--- this loss applies.
---@param model scion.Model
---@return "softmax"|"sigmoid"|"linear"|string activation
---@return boolean logits whether the network's outputs are logits, to which the activation is yet to be applied
function targets.activation(model)
  local own = activation_of(model)
  local left_out = model.loss and losses.of(model.loss).activation
  if own ~= "linear" or not left_out then return own, false end
  return left_out, true
end

--- What is told of an image: "classes", one of several, or "labels", of which it can have several or none; and how many of them there are.
--- nil if the network gives numbers, or the loss compares them. A loss of the user's own is about what the last layer's activation gives.
--- Outputs of a sigmoid are labels, except that a single one tells two classes apart
--- unless it has one name.
---@param model scion.Model
---@param loss scion.Loss
---@param names string[]? of the classes or labels
---@return "classes"|"labels"|nil
---@return integer? count
function targets.told(model, loss, names)
  local activation, outputs = loss.activation or loss.own and activation_of(model), model.output.shape[#model.output.shape]
  if activation ~= "softmax" and activation ~= "sigmoid" then return nil end
  if activation == "sigmoid" and (outputs > 1 or names and #names == 1) then return "labels", outputs end
  return "classes", activation == "sigmoid" and 2 or outputs
end

--- The last layer that would fit a data set, as code for messages.
local function head_for(data)
  if data.labels then return ("nn.dense(%d, '%s')"):format(#data.labels, data.multi and "sigmoid" or "softmax") end
  if not data.targets then return "nn.dense(…)" end
  local shape = data.targets:shape()
  return ("nn.dense(%d)"):format(shapes.elements(shape) // math.max(shape[1], 1))
end

--- What the data set has: "3 classes (a, b, c)", or "2 labels (a, b), of which an image can have several".
local function names_text(data)
  local labels, what = data.labels, data.multi and "label" or "class"
  local shown = table.concat(labels, ", ", 1, math.min(#labels, 8))
  return ("%d %s%s (%s%s)%s"):format(#labels, what, #labels == 1 and "" or data.multi and "s" or "es", shown, #labels > 8 and ", …" or "",
                                     data.multi and #labels > 1 and ", of which an image can have several" or "")
end

--- Raises: the loss compares numbers, but each image of the data set has a class, or labels.
local function refuse_numbers(raise, model, data, loss)
  local name, activation, outputs, k = model.output.layer.name, activation_of(model), model.output.shape[1], #data.labels
  local follows = losses.following(activation)
  if follows == "binary" or follows and not data.multi then
    raise("the loss '%s' compares numbers, but the data set has %s; without the option loss, '%s' follows from %s's %s", loss.name, names_text(data),
          follows, name, activation)
  end
  local told = data.multi and outputs == k and "binary" or not data.multi and (outputs == k and k > 1 and "categorical" or outputs == 1 and k == 2 and "binary")
  local other = told and not follows and (", or loss = '%s' be given if its outputs are logits"):format(told) or ""
  local numeric, counted = true, true -- names that are numbers, but not 1, 2, …, which class numbers are called
  for i, label in ipairs(data.labels) do numeric, counted = numeric and tonumber(label) ~= nil, counted and label == tostring(i) end
  if numeric and not counted then
    other = "; where these are numbers to predict they are an f32 tensor, or a list for each, label = { 20 }, and of a CSV file label = { 'column' }"
  end
  raise("%s has %s, and so is trained to give numbers (loss '%s'), but the data set has %s: the network should end in %s%s", name,
        activation == "linear" and "no activation" or "the activation " .. activation, loss.name, names_text(data), head_for(data), other)
end

--- Whether the network ends in what the data set's labels need, so that only the option `loss` is wrong.
local function right_head(model, data)
  return activation_of(model) == (data.multi and "sigmoid" or "softmax") and model.output.shape[1] == #data.labels
end

--- Raises if the last layer's activation is not the one of the loss.
local function check_activation(raise, model, data, loss)
  local activation = activation_of(model)
  if loss.activation and activation ~= loss.activation and activation ~= "linear" then
    if right_head(model, data) then
      raise("the loss '%s' goes with %s, but %s ends in %s, as the data set needs; without the option loss, '%s' follows from it", loss.name,
            loss.activation, model.output.layer.name, activation, losses.following(activation))
    end
    raise("the loss '%s' goes with %s or, for logits, no activation, but %s ends in %s: the network should end in %s", loss.name, loss.activation,
          model.output.layer.name, activation, head_for(data))
  end
end

--- Checks a data set with a class of each image or shares of the classes, and a loss on probabilities.
local function check_classes(raise, model, data, loss)
  local name, outputs, classes = model.output.layer.name, model.output.shape[1], #data.labels
  if classes < 2 then raise("the data set has %s, and nothing to tell it from: two or more are needed", names_text(data)) end
  check_activation(raise, model, data, loss)
  local sigmoid = (loss.activation or activation_of(model)) == "sigmoid"
  if sigmoid and outputs > 1 then
    raise("%s gives %d probabilities that do not add up to 1, as for several labels an image, but each image of the data set has one class: the network should end in %s%s",
          name, outputs, head_for(data), outputs == classes and ", or, where an image can have several, the data set is made with multi = true" or "")
  end
  local distinguished = sigmoid and 2 or outputs
  if distinguished ~= classes then
    raise("%s: the model's last layer distinguishes %d class%s, but the data set has %s: the network should end in %s", name, distinguished,
          distinguished == 1 and "" or "es", names_text(data), head_for(data))
  end
end

--- Checks a data set with labels of which an image can have several, and a loss on probabilities.
local function check_labels(raise, model, data, loss)
  local name, outputs = model.output.layer.name, model.output.shape[1]
  if (loss.activation or activation_of(model)) == "softmax" then
    if right_head(model, data) then check_activation(raise, model, data, loss) end
    raise("%s is for probabilities that add up to 1, one class an image, but the data set has %s: the network should end in %s",
          loss.own and "softmax" or ("the loss '%s'"):format(loss.name), names_text(data), head_for(data))
  end
  check_activation(raise, model, data, loss)
  if outputs ~= #data.labels then
    raise("%s gives %d probabilit%s, but the data set has %s: the network should end in %s", name, outputs, outputs == 1 and "y" or "ies", names_text(data),
          head_for(data))
  end
end

--- Why rows of f32 are no shares of classes, which add up to 1, or no labels, which are numbers from 0 to 1; nil if they are.
---@param kind "classes"|"labels"
---@param y scion.Tensor
---@param count integer of numbers in a row
---@return string?
local function misfit(kind, y, count)
  local _, outside, odd, sum = core.row_facts(y:reshape(-1):reshape(-1, count), 0.01)
  if outside then return ("a row with a number that is not from 0 to 1, as %s are"):format(kind == "classes" and "shares of classes" or "labels") end
  if not odd or kind == "labels" then return nil end
  return ("shares of the classes that add up to %g, not 1; of an image with several labels the network ends in sigmoid"):format(sum)
end

--- Checks a data set with targets, numbers to predict. The loss says what they are: with one of softmax or sigmoid, shares of classes
--- or labels without names. What they are for a loss of the user's own is its affair.
local function check_numbers(raise, model, data, loss)
  local shape, name = data.targets:shape(), model.output.layer.name
  local n = shapes.elements(shape) // math.max(shape[1], 1)
  if loss.activation then
    local kind, count = targets.told(model, loss)
    local why = n == count and misfit(kind, data.targets, n)
    if n == count and not why then return end
    raise("the loss '%s' takes %s, but the data set gives %s", loss.name, kind == "labels" and ("%d labels of each image"):format(count) or
          ("a class of each image or the shares of %d"):format(count), why or ("%d number%s of each%s"):format(n, n == 1 and "" or "s",
          n == 1 and "; class numbers are a list or i32, and count from 1" or ""))
  end
  if n ~= shapes.elements(model.output.shape) then
    raise("%s gives %s number%s an image, but the data set has %d to predict: the network should end in %s", name, shapes.text(model.output.shape),
          shapes.elements(model.output.shape) == 1 and "" or "s", n, head_for(data))
  end
end

--- Checks a data set with classes or labels, and a loss of the user's own on a network that gives numbers.
local function check_own(raise, model, data)
  local outputs, n = model.output.shape[1], #data.labels
  if outputs == n or outputs == 1 and n == 2 and not data.multi then return end
  raise("%s gives %d number%s, but the data set has %s: a loss of your own gets a target for each number, so the network should end in nn.dense(%d)",
        model.output.layer.name, outputs, outputs == 1 and "" or "s", names_text(data), n)
end

--- Raises if a data set does not fit the model: its images, its labels, the network's last layer and the loss. Returns the loss.
---@param where string
---@param model scion.Model
---@param data scion.Dataset
---@param given string|scion.Loss|nil as for targets.loss
---@return scion.Loss
function targets.fits(where, model, data, given)
  local loss = targets.loss(model, given)
  inputs.fits(where, model, data)
  -- before targets.check, which would blame the network's last layer
  targets.same_labels(where, model.labels, "in the model", data.labels, "in the data set")
  targets.check(where, model, data, loss)
  return loss
end

--- Raises if the network's last layer, the loss and the labels of the data set do not fit together. A user's own data set may have no field
--- `labels`; then targets.tensor checks its batches.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param loss scion.Loss
function targets.check(where, model, data, loss)
  local function raise(message, ...) check.raise(where .. ": " .. message:format(...)) end
  if loss.own and not loss.compute then
    raise("the model was trained with a loss of your own, a %s, and its file holds no more of it: give it again, or another one, with the option loss", loss.name)
  end
  local scions = dataset.is(data)
  local numbers = scions and data.targets ~= nil
  if scions and not data.labels and not numbers then
    raise("the data set has no labels, so there is no loss to compute; scion.data.folder takes them from its folders, scion.data.tensors as its second argument")
  end
  if not numbers and data.labels and #model.output.shape ~= 1 then
    raise("the network ends in %s, which gives %s numbers an image, but one row is needed: model:graft{ nn.global_avg_pool(), %s } puts a head onto it",
          model.output.layer.name, shapes.text(model.output.shape), head_for(data))
  end
  if numbers then return check_numbers(raise, model, data, loss) end
  if not data.labels then return end
  if loss:of_numbers() then return refuse_numbers(raise, model, data, loss) end
  if not targets.told(model, loss, data.labels) then return check_own(raise, model, data) end
  (data.multi and check_labels or check_classes)(raise, model, data, loss)
end

--- Whether `names` are ImageNet's class names and `numbers` are WordNet ids (n01440764) in ascending order, as ImageNet's folders have.
local function same_in_wordnet(names, numbers)
  local known = require "scion.models.imagenet_labels"
  for i = 1, math.max(#known, #names, #numbers) do
    local number, before = numbers[i], numbers[i - 1]
    if names[i] ~= known[i] or not number or not number:find "^n%d%d%d%d%d%d%d%d$" or (before and number <= before) then return false end
  end
  return true
end

--- Raises if two lists of labels have different names for a class number. If one of them is nil there is nothing to compare.
---@param where string
---@param one string[]?
---@param of_one string where the first list is from, for messages: "in the training set"
---@param other string[]?
---@param of_other string the same for the second list
function targets.same_labels(where, one, of_one, other, of_other)
  if not one or not other or same_in_wordnet(one, other) then return end
  local function name(label) return label and check.show(label) or "absent" end
  local remedy = of_one == "in the model" and "make the data set with the model's labels (labels = model.labels)" or
    "give one data set the labels of the other (labels = train.labels)"
  for i = 1, math.max(#one, #other) do
    if one[i] ~= other[i] then
      check.raise(("%s: labels disagree: class %d is %s %s, but %s %s; %s"):format(where, i, name(one[i]), of_one, name(other[i]), of_other, remedy))
    end
  end
end

--- Raises if only one of two data sets has labels of which an image can have several.
---@param where string
---@param train scion.Dataset
---@param validate scion.Dataset
function targets.same_kind(where, train, validate)
  if not (dataset.is(train) and dataset.is(validate) and train.labels and validate.labels) or not train.multi == not validate.multi then return end
  local several, one = "the training set", "the validation set"
  if validate.multi then several, one = one, several end
  check.raise(("%s: an image of %s can have several labels, but each of %s has one class: make it with multi = true"):format(where, several, one))
end

-- What a batch gives of each image for a loss, for messages.
local wanted = {
  classes = "the i32 class number, from 1, or the f32 shares of its %d classes,", labels = "%d f32 numbers from 0 to 1, one a label,", numbers = "%d f32 numbers",
}

--- Converts what a batch gives of its images to what the loss takes: i32 class numbers from 0 or f32 rows for kernels of softmax, else an f32
--- tensor of the output's shape. Raises if it does not fit the loss or the batch.
---@param where string
---@param y scion.Tensor? i32 classes from 0, or f32 rows
---@param loss scion.Loss
---@param model scion.Model
---@param names string[]? of the data set's classes or labels
---@param n integer how many images the batch has
---@return scion.Tensor
function targets.tensor(where, y, loss, model, names, n)
  if not check.tensor.read(y) then check.raise(where .. ": the data set gave a batch without labels, so there is no loss to compute") end
  local kind, count = targets.told(model, loss, names)
  local shape, outputs = y:shape(), model.output.shape
  count = count or shapes.elements(outputs)
  local rows = y:dtype() == "f32" and shape[1] == n and shapes.elements(shape) == n * count
  local numbered = kind == "classes" or loss.own and kind == nil and names ~= nil
  if not rows and not (numbered and y:dtype() == "i32" and shape[1] == n and shapes.elements(shape) == n) then
    check.raise(("%s: the data set gave labels that are %s for %d images; the loss '%s' takes %s of each"):format(where, check.show(y), n, loss.name,
      wanted[kind or "numbers"]:format(count)))
  end
  local why = rows and kind and n > 0 and (loss.activation or names) and misfit(kind, y, count)
  if why then check.raise(("%s: the data set gave %s"):format(where, why)) end
  if not loss.own and loss:kernels().i32 then return y end
  if loss.own and not rows and outputs[1] > 1 then y = core.one_hot(y, outputs[1]) end
  local target = core.new({ n, table.unpack(outputs) }, "f32")
  local second = rows and count == 2 and outputs[1] == 1 -- of two classes, the probability of the second is wanted
  core.copy(second and y:slice(2, 2, 2) or y, target)
  return target
end

return targets
