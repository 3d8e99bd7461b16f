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

--- The architecture of scion.models that a model is named after; nil where there is none.
local function architecture_of(model) return model.name and require("scion.models.builder").find(model.name) or nil end

--- Whether a model is a network of scion.models that by itself rescales images by its own layers.
local function rescales_itself(model)
  local architecture = architecture_of(model)
  for _, variant in ipairs(architecture and architecture.variants or {}) do
    local p = variant.name == model.variant and variant.preprocess
    if type(p) == "table" and p.scale and p.scale[1] == 1 then return true end
  end
  return false
end

--- How many layers rescale images in a network of scion.models that by itself has such layers; nil in any other.
---@param model scion.Model
---@return integer?
function keras_front.own_rescalings(model)
  local _, _, rescalings = our_front(model)
  return rescales_itself(model) and rescalings or nil
end

--- A sentence that a network was built without the layers that rescale images in the file's; nil where that is not so.
---@param model scion.Model
---@param theirs integer? how many such layers the file's network has, if that is told
---@return string?
function keras_front.built_without(model, theirs)
  if not theirs or theirs == 0 or keras_front.own_rescalings(model) ~= 0 then return nil end
  return "the file's network rescales images by layers of its own, and this one was built without them, as the option preprocess has it; leave preprocess out"
end

--- What takes images by an option preprocess, in words: another value where the model has no rescaling of its own, else the model built without.
local function by_option(model, value, rescalings)
  if rescalings > 0 and rescales_itself(model) then
    return ("scion.models.%s{ preprocess = %s } builds this network without its own rescaling, and takes images as it does"):format(model.name, value)
  end
  return ("preprocess = %s takes images as it does%s"):format(value, rescalings > 0 and ", without another layer nn.rescaling" or "")
end

--- A sentence that the file's model rescales images otherwise than ours, with a remedy; nil if it does not.
local function rescaled_otherwise(config, model)
  local theirs, ours, reverse, rescalings = keras_config.front(config), our_front(model)
  if not theirs or not ours then return end
  local same = #theirs == #ours and not reverse
  for i, part in ipairs(theirs) do same = same and agree(part, ours[i]) end
  if same then return end
  local remedy = #theirs > 1 and ("the option weights of scion.models%s, or scion.models.from_keras, builds the network that the file is of"):format(
    rescalings == 0 and " without preprocess" or "") or by_option(model, option_for(theirs[1]), rescalings)
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

--- A sentence that a network of scion.models rescales images by layers of its own, and the file's has none.
local function rescaled_here(model, parts)
  return ("the file's network has no layer that rescales images, as with include_preprocessing=False, and this one rescales them by %s; " ..
    "scion.models.%s{ preprocess = … } builds it without, where preprocess says how the file's images were rescaled"):format(parts_text(parts), model.name)
end

--- The same where a description tells it; nil if that is not so.
local function rescaled_alone(config, model)
  local theirs, unknown = keras_config.front(config)
  local parts, _, rescalings = our_front(model)
  if theirs or unknown or not parts or rescalings == 0 or not rescales_itself(model) then return end
  return rescaled_here(model, parts)
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
  local rescaled, other, certain = rescaled_otherwise(config, model) or rescaled_alone(config, model), nil, nil
  if #weighted > 0 then other, certain = require "scion.weights.keras_arithmetic"(opened, model, weighted, ends, whole) end
  local trained, in_predictions = require "scion.weights.keras_training"(opened)
  local refused = rescaled or in_predictions and trained or certain and other and other .. ", and strict = false loads the weights all the same"
  if refused and strict then check.raise(("%s: %s"):format(found.path, refused)) end
  local function note(line)
    if line then found:note(line) end
  end
  note(rescaled)
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

--- How the number of Rescaling layers in a file's network, if it is told, differs from a model's, in words; nil where it does not.
local function counted_otherwise(model, parts, ours, theirs)
  if theirs == 0 and ours > 0 and rescales_itself(model) then return rescaled_here(model, parts) end
  local without = keras_front.built_without(model, theirs)
  if without or not theirs or theirs == ours or #parts == 1 or ours == 0 then return without end
  return ("the file's network has %d of the layers Rescaling that EfficientNet begins with, this one %d; scion.models builds the file's with " ..
    "weights = path"):format(theirs, ours)
end

--- The same for a file of weights without a description. It tells at most the number of Rescaling layers, which is compared for networks
--- that rescale images themselves, such as Keras's EfficientNet.
---@param found scion.WeightsReport
---@param told fun(): integer? gives the number of Rescaling layers in the file's network; nil: not told
---@param model scion.Model
---@param strict boolean
function keras_front.compare_count(found, told, model, strict)
  local parts, _, ours = our_front(model)
  local standardizes = parts and #parts > 1 and ours > 0
  if not standardizes and not (parts and rescales_itself(model)) then return end
  local theirs = told()
  local line = counted_otherwise(model, parts, ours, theirs)
  if line then
    if strict then check.raise(("%s: %s"):format(found.path, line)) end
    found:note(line)
  elseif standardizes and not theirs and not keras_front.is_published(model, found.path) then
    found:note(("the file does not tell whether Keras built its network with the second layer Rescaling, as with weights='imagenet'; it is taken to %s it"):format(
      ours > 1 and "have" or "lack"))
  end
end

return keras_front
