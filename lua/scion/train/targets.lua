--- The loss of a network, and checks whether network, loss and data set fit together.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local losses = require "scion.ir.losses"
local shapes = require "scion.shape"

local targets = {}

local by_activation = {} -- the name of the loss for each activation of the last layer
for name, loss in pairs(losses) do
  if loss.activation then by_activation[loss.activation] = name end
end

--- The name of a loss, as a kind for checks.
targets.kind = check.name_in(losses)

--- The activation of the last layer.
local function activation_of(model) return model.output.layer.options.activation or "linear" end

--- The loss: the given one; else the one that was given to fit before; else the one that follows from the last layer's activation: softmax
--- "categorical", sigmoid "binary", all others "mse".
---@param model scion.Model
---@param given string?
---@return "categorical"|"binary"|"mse"
function targets.loss(model, given) return given or model.loss or by_activation[activation_of(model)] or "mse" end

--- The activation of the network's outputs. If the network has no last activation but was fitted with a loss on logits, it is the one that
--- this loss applies.
---@param model scion.Model
---@return "softmax"|"sigmoid"|"linear"|string activation
---@return boolean logits whether the network's outputs are logits, to which the activation is yet to be applied
function targets.activation(model)
  local own = activation_of(model)
  local left_out = model.loss and losses[model.loss].activation
  if own ~= "linear" or not left_out then return own, false end
  return left_out, true
end

--- The last layer that would fit a data set, as code for messages.
local function head_for(data)
  if data.labels then return ("nn.dense(%d, 'softmax')"):format(#data.labels) end
  if not data.targets then return "nn.dense(…)" end
  local shape = data.targets:shape()
  return ("nn.dense(%d)"):format(shapes.elements(shape) // math.max(shape[1], 1))
end

local function classes_text(labels)
  local shown = table.concat(labels, ", ", 1, math.min(#labels, 8))
  return ("%d class%s (%s%s)"):format(#labels, #labels == 1 and "" or "es", shown, #labels > 8 and ", …" or "")
end

--- Raises: the loss is "mse", but each image of the data set has a class.
local function check_mse_on_classes(raise, model, data)
  local name, activation, k = model.output.layer.name, activation_of(model), #data.labels
  local told = model.output.shape[1] == k and k > 1 and "categorical" or model.output.shape[1] == 1 and k == 2 and "binary" or nil
  if by_activation[activation] then
    raise("the loss 'mse' compares numbers, but the data set has %s; without the option loss, %s follows from %s's %s", classes_text(data.labels),
          "'" .. by_activation[activation] .. "'", name, activation)
  end
  local other = told and (", or loss = '%s' be given if its outputs are logits"):format(told) or ""
  raise("%s has %s, and so is trained to give numbers (loss 'mse'), but the data set has %s: the network should end in %s%s", name,
        activation == "linear" and "no activation" or "the activation " .. activation, classes_text(data.labels), head_for(data), other)
end

--- Checks a data set with a class for each image, and a loss on probabilities.
local function check_classes(raise, model, data, loss)
  local name, outputs, classes = model.output.layer.name, model.output.shape[1], #data.labels
  local activation, own = activation_of(model), losses[loss].activation
  if classes < 2 then raise("the data set has %s, and nothing to tell it from: two or more are needed", classes_text(data.labels)) end
  if activation ~= own and activation ~= "linear" then
    raise("the loss '%s' goes with %s or, for logits, no activation, but %s ends in %s: the network should end in %s", loss, own, name, activation, head_for(data))
  end
  if loss == "binary" and outputs > 1 then
    raise("%s gives %d probabilities that do not add up to 1, as for several labels an image, but each image of the data set has one class: the network should end in %s",
          name, outputs, head_for(data))
  end
  local distinguished = loss == "binary" and 2 or outputs
  if distinguished ~= classes then
    raise("%s: the model's last layer distinguishes %d class%s, but the data set has %s: the network should end in %s", name, distinguished,
          distinguished == 1 and "" or "es", classes_text(data.labels), head_for(data))
  end
end

--- Checks a data set with targets, numbers to predict.
local function check_numbers(raise, model, data, loss)
  local shape, name = data.targets:shape(), model.output.layer.name
  local n = shapes.elements(shape) // math.max(shape[1], 1)
  if loss ~= "mse" then
    local remedy = n > 1 and ("one-hot rows become class numbers by rows:argmax(2); several labels an image are trained with loss = 'mse'")
      or "class numbers are a list or i32: numbers:to 'i32'"
    raise("the loss '%s' takes a class of each image, but the data set gives %d number%s of each; %s", loss, n, n == 1 and "" or "s", remedy)
  end
  if n ~= shapes.elements(model.output.shape) then
    raise("%s gives %s number%s an image, but the data set has %d to predict: the network should end in %s", name, shapes.text(model.output.shape),
          shapes.elements(model.output.shape) == 1 and "" or "s", n, head_for(data))
  end
end

--- Raises if the network's last layer, the loss and the labels of the data set do not fit together. A user's own data set may have no field
--- `labels`; then targets.tensor checks its batches.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param loss string
function targets.check(where, model, data, loss)
  local function raise(message, ...) check.raise(where .. ": " .. message:format(...)) end
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
  if loss == "mse" then return check_mse_on_classes(raise, model, data) end
  check_classes(raise, model, data, loss)
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

--- Converts the labels of a batch to what the kernel of the loss takes: i32 class numbers from 0 for "categorical", else an f32 tensor of
--- the output's shape. Raises if they do not fit the loss or the batch.
---@param where string
---@param labels scion.Tensor?
---@param loss string
---@param outputs integer[] shape of the output, without the batch
---@param n integer how many images the batch has
---@return scion.Tensor
function targets.tensor(where, labels, loss, outputs, n)
  if not check.tensor.read(labels) then check.raise(where .. ": the data set gave a batch without labels, so there is no loss to compute") end
  local dtype, given = loss == "mse" and "f32" or "i32", labels:shape()
  if labels:dtype() ~= dtype or given[1] ~= n or shapes.elements(given) ~= (loss == "mse" and n * shapes.elements(outputs) or n) then
    check.raise(("%s: the data set gave labels that are %s for %d images; the loss '%s' takes %s of each"):format(where, check.show(labels), n, loss,
      loss == "mse" and ("%d f32 numbers"):format(shapes.elements(outputs)) or "the i32 class number, from 1,"))
  end
  if loss == "categorical" then return labels end
  local target = core.new({ n, table.unpack(outputs) }, "f32")
  core.copy(labels, target)
  return target
end

return targets
