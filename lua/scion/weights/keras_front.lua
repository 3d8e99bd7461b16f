--- Compares a model with the description in a Keras file where weights tell nothing: how images are rescaled before the first layer with
--- weights, the activation of the classifier, and what keras_arithmetic.lua compares.
local check = require "scion.check"
local keras_config = require "scion.weights.keras_config"

local keras_front = {}

--- Layers that leave the values of an image as they are.
local passed_over = { zero_pad = true, dropout = true }

--- How our model rescales an image before its first layer with weights: the steps as keras_config.front gives them, whether the channels
--- are reversed, and the number of rescaling layers. nil where the input is no image of three channels.
local function our_front(model)
  local options = model.input.layer.options
  if #options.shape ~= 3 or options.shape[3] ~= 3 then return end
  local first, rescalings = keras_config.no_change(), 0
  local parts, reverse = { first }, options.preprocess.reverse
  keras_config.add_step(first, options.preprocess.scale, options.preprocess.shift)
  for i = 2, #model.order do
    local layer = model.order[i].layer
    if layer.kind == "normalization" then
      parts[#parts + 1] = keras_config.no_change()
    elseif layer.kind == "rescaling" then
      keras_config.add_step(parts[#parts], layer.options.scale, layer.options.offset)
      rescalings = rescalings + 1
    elseif not passed_over[layer.kind] then
      break
    end
  end
  return parts, reverse, rescalings
end

local function near(a, b) return math.abs(a - b) <= 1e-4 * math.max(math.abs(a), math.abs(b), 1e-3) end

--- Whether two steps are the same but for rounding.
local function agree(a, b)
  for c = 1, 3 do
    if not near(a.scale[c], b.scale[c]) or math.abs(a.shift[c] - b.shift[c]) > 1e-3 * math.max(math.abs(a.scale[c]) * 255, math.abs(a.shift[c])) then return false end
  end
  return true
end

--- Three numbers as text, or one if they are equal.
local function three(list)
  if list[1] == list[2] and list[2] == list[3] then return ("%.6g"):format(list[1]) end
  return ("{%.6g, %.6g, %.6g}"):format(table.unpack(list))
end

--- A step as text: "x * 0.00392157 - 1".
local function affine_text(affine)
  local shift = three(affine.shift)
  if shift == "0" then return "x * " .. three(affine.scale) end
  return ("x * %s%s"):format(three(affine.scale), shift:sub(1, 1) == "-" and " - " .. shift:sub(2) or " + " .. shift)
end

local function parts_text(parts)
  local texts = {}
  for i, part in ipairs(parts) do texts[i] = affine_text(part) end
  return table.concat(texts, ", normalized, then ")
end

--- The value of the option `preprocess` that rescales images by this step, as text.
local function option_for(affine)
  local named = require "scion.preprocessing"
  for _, name in ipairs { "unit", "tf", "torch" } do
    if agree(affine, named.resolve(name)) then return ("'%s'"):format(name) end
  end
  local mean, std = {}, {}
  for c = 1, 3 do
    std[c] = 1 / (255 * affine.scale[c])
    mean[c] = -affine.shift[c] * std[c]
  end
  return ("{ mean = {%.6g, %.6g, %.6g}, std = {%.6g, %.6g, %.6g} }"):format(mean[1], mean[2], mean[3], std[1], std[2], std[3])
end

--- A sentence that the file's model rescales images otherwise than ours, with a remedy; nil if it does not.
local function rescaled_otherwise(config, model)
  local theirs, ours, reverse, rescalings = keras_config.front(config), our_front(model)
  if not theirs or not ours then return end
  local same = #theirs == #ours and not reverse
  for i, part in ipairs(theirs) do same = same and agree(part, ours[i]) end
  if same then return end
  local remedy = #theirs > 1 and "the option weights of scion.models, or scion.models.from_keras, builds the network that the file is of" or
    ("preprocess = %s takes images as it does%s"):format(option_for(theirs[1]), rescalings > 0 and ", without another layer nn.rescaling" or "")
  return ("the file's model rescales images by %s, this one by %s%s; %s"):format(parts_text(theirs), parts_text(ours),
                                                                                reverse and " in the order BGR" or "", remedy)
end

--- The activation that the model ends in; nil where it ends in no classifier.
local function our_activation(node)
  while node.layer.kind == "dropout" do node = node.inputs[1] end
  return node.layer.options.activation or (node.layer.kind == "dense" and "linear") or nil
end

--- The activations that the file's model and ours end in; nil where one of them ends in no classifier.
local function last_activations(config, model)
  local theirs, ours = keras_config.activation(config), our_activation(model.output)
  theirs = keras_config.activations[theirs] or theirs
  return theirs and ours and { theirs, ours } or nil
end

--- A sentence that the file's model ends in another activation than ours.
local function activated_otherwise(theirs, ours)
  return ("the file's model ends in the activation '%s', this one in '%s', and will predict something else; give the last layer the file's"):format(theirs, ours)
end

--- The architecture of scion.models that a model is named after; nil where there is none.
local function architecture_of(model) return model.name and require("scion.models.builder").find(model.name) or nil end

--- A sentence that a network of scion.models rescales images by layers of its own, and the file's does not; nil if that is not so.
local function rescaled_alone(config, model)
  local theirs, unknown = keras_config.front(config)
  local parts, _, rescalings = our_front(model)
  if theirs or unknown or not parts or rescalings == 0 or not architecture_of(model) then return end
  return ("the file's model has no layer that rescales images, as with include_preprocessing=False, and this one rescales them by %s; %s"):format(
    parts_text(parts), "scion.models.from_keras with the option preprocess builds the file's own network")
end

--- Compares the file's description with our model. Where images are rescaled otherwise, batch norms use each batch's statistics, or
--- the two graphs compute something else, it raises or, with strict = false, adds a note to the report. All other differences only add a note.
---@param found scion.WeightsReport
---@param opened scion.KerasFile with a description
---@param model scion.Model
---@param strict boolean
---@param weighted { [1]: scion.KerasConfig, [2]: scion.Layer }[] layers of the description whose weights are read into ours
function keras_front.compare(found, opened, model, strict, weighted)
  local config = opened.config
  local whole = found:complete() and not found:lacks_head()
  local ends = whole and last_activations(config, model) or nil
  local rescaled, other, certain = rescaled_otherwise(config, model), nil, nil
  if #weighted > 0 then other, certain = require "scion.weights.keras_arithmetic"(opened, model, weighted, ends, whole) end
  local trained, in_predictions = require "scion.weights.keras_training"(opened)
  local refused = rescaled or in_predictions and trained or certain and other and other .. ", and strict = false loads the weights all the same"
  if refused and strict then check.raise(("%s: %s"):format(found.path, refused)) end
  local function note(line)
    if line then found:note(line) end
  end
  note(rescaled or rescaled_alone(config, model))
  note(ends and ends[1] ~= ends[2] and activated_otherwise(table.unpack(ends)))
  note(trained)
  note(other)
end

--- Whether the file has the name of one that is published for the model's network.
---@param model scion.Model
---@param path string
---@return boolean
function keras_front.is_published(model, path)
  local base, architecture = path:match "[^/]*$", architecture_of(model)
  for _, variant in ipairs(architecture and architecture.variants or {}) do
    for _, file in ipairs(variant.weights) do
      if file.url:match "[^/]*$" == base then return true end
    end
  end
  return false
end

--- The same for a file of weights without a description. It tells at most the number of Rescaling layers, which is compared for networks
--- that normalize images themselves, such as Keras's EfficientNet.
---@param found scion.WeightsReport
---@param told fun(): integer? gives the number of Rescaling layers in the file's network; nil: not told
---@param model scion.Model
---@param strict boolean
function keras_front.compare_count(found, told, model, strict)
  local parts, _, ours = our_front(model)
  if not parts or #parts == 1 or ours == 0 then return end
  local theirs = told()
  if theirs and theirs ~= ours then
    local line = ("the file's network has %d of the layers Rescaling that EfficientNet begins with, this one %d; scion.models builds the file's with weights = path"):format(
      theirs, ours)
    if strict then check.raise(("%s: %s"):format(found.path, line)) end
    found:note(line)
  elseif not theirs and not keras_front.is_published(model, found.path) then
    found:note(("the file does not tell whether Keras built its network with the second layer Rescaling, as with weights='imagenet'; it is taken to %s it"):format(
      ours > 1 and "have" or "lack"))
  end
end

return keras_front
