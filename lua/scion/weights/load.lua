--- Reads a weights file of any format into a model's layers. Users call scion.weights.load (weights/init.lua) or model:load_weights.
local check = require "scion.check"
local graph = require "scion.graph"
local identify = require "scion.weights.identify"
local match = require "scion.weights.match"
local notice = require "scion.report.notice"
local origin = require "scion.weights.origin"
local own_norms = require "scion.weights.own_norms"
local prefix = require "scion.weights.prefix"
local preprocessing = require "scion.preprocessing"

--- Raises with the problem and, if the network in the file is known and another one than that of the layers, its name.
local function refuse(path, problem, arrays, publisher, layers)
  local known = identify.architecture(arrays, publisher)
  local other = known and known ~= identify.of_layers(layers, publisher)
  check.raise(("%s: %s%s"):format(path, problem, other and (" (the file looks like %s)"):format(known) or ""))
end

--- What to do where only the first kernel does not fit, since it is for grey images; "" where it does.
local function for_grey(report)
  local first = report.misfits[1]
  if #report.misfits ~= 1 or not first.model:find "^%d+x3x%d+x%d+$" or first.file ~= first.model:gsub("x3x", "x1x", 1) then return "" end
  return "; the file is of a network for grey images: channels = 1 builds scion.models.* for them"
end

--- Whether a weight's name, PyTorch's or our own, is that of a batch norm's variances.
local function is_variance(name) return name:find "%.running_var$" ~= nil or name:find "/moving_variance$" ~= nil end

--- Loads arrays that are matched by name: compares, raises where they do not fit, and reads. naming: fields for the report.
local function load_arrays(path, arrays, expected, o, layers, may_be_left, naming)
  local report, matched = match.compare(path, arrays, expected, may_be_left)
  for key, value in pairs(naming or {}) do report[key] = value end
  local refusal = report:refusal(o.strict)
  if refusal then refuse(path, refusal .. for_grey(report), arrays, "torchvision", layers) end
  check.need(match.read(matched))
  local read = {}
  for i, pair in ipairs(matched) do read[i] = { name = pair.array.name, tensor = pair.weight.tensor, variance = is_variance(pair.weight.name) } end
  report:note_numbers(read)
  report:tell()
  return report
end

local function load_torchvision(path, dicts, layers, o)
  local torchvision = require "scion.weights.torchvision"
  local timm = require "scion.weights.timm"
  local transformers = require "scion.weights.transformers"
  local by_naming = {} -- a hostile file has many prefixes, each of which is tried with weights of its own
  local function expected_of(arrays)
    local naming, copies = torchvision.naming(arrays), {}
    by_naming[naming] = by_naming[naming] or torchvision.expected(layers, naming)
    for i, w in ipairs(by_naming[naming]) do copies[i] = { name = w.name, shape = w.shape, axes = w.axes, tensor = w.tensor, implied = w.implied } end
    return transformers.rename(timm.rename(copies, arrays), arrays)
  end
  local arrays, expected, naming = prefix.choose(path, dicts, expected_of, o.prefix)
  return load_arrays(path, arrays, expected, o, layers, torchvision.may_be_left, naming), timm.named(arrays)
end

--- Raises where the option `prefix` is given for a file whose names never have one.
local function check_prefix(path, publisher, o)
  if o.prefix then check.raise(("%s: the option prefix is for PyTorch's names, and this file has %s"):format(path, publisher)) end
end

local function is_own(arrays)
  for _, a in ipairs(arrays) do
    if a.name:find("/", 1, true) then return true end
  end
  return false
end

local function load_keras(opened, layers, o, model)
  check_prefix(opened.path, "Keras's", o)
  local report, message, arrays = require("scion.weights.keras").load(opened, layers, o.strict, model)
  if report then return report end
  if arrays then refuse(opened.path, message:sub(#opened.path + 3), arrays, "keras", layers) end
  check.raise(message)
end

--- Reads the numbers. The second result tells whether the file has timm's names.
local function read_numbers(model, told, o)
  local path, layers, arrays = told.path, graph.layers(model.order), told.arrays
  if told.trouble then check.raise(told.trouble) end
  if told.keras then return load_keras(told.keras, layers, o, model) end
  if is_own(arrays) then
    check_prefix(path, "Scion's own", o)
    return load_arrays(path, arrays, require("scion.weights.safetensors").expected(layers), o, layers)
  end
  return load_torchvision(path, arrays.dicts or { arrays }, layers, o)
end

-- ---- what a file tells beside its numbers -------------------------------------------------------------------------------

--- The labels that come with a file: those in config.json, else those that Scion noted. nil where there are none.
local function labels_of(told) return told.config and told.config.labels or told.facts and told.facts.labels end

--- How a network that Scion saved or exported rescales images otherwise than the model, in words; nil where it does not.
local function rescaled_otherwise(model, told)
  local theirs = told.facts and not told.keras and told.facts.rescalings or nil -- of Keras's files keras_front.lua compares it
  local ours = theirs and require("scion.weights.facts").rescalings(model)
  if theirs == ours then return nil end
  return ("the file's network has %d of the layers nn.rescaling, and this one %d, so that it would take images otherwise; scion.load builds " ..
          "the file's own network where model:save wrote it"):format(theirs, ours)
end

--- Sets the model's labels to those that come with the file, if its classifier was loaded. Notes it in the report where they do not fit.
local function take_labels(model, told, report)
  local labels, outputs = labels_of(told), model.output.shape
  if not labels or #outputs ~= 1 or #report.missing > 0 or report:lacks_head() then return end
  local ok, read, complaint = require("scion.model").labels_kind(model).read(labels)
  if ok and (#read == outputs[1] or outputs[1] == 1) then
    model.labels = read
  else
    local why = ("the labels beside the weights are not used: they %s"):format((complaint or ("are %d"):format(#labels)):gsub("^is ", "are "))
    report:note(why)
    notice.once(("%s: %s"):format(told.path, why))
  end
end

local most_channels = 4 -- whose numbers are shown

--- A mean and a standard deviation in words.
local function statistics_text(c)
  local function list(numbers)
    local texts = {}
    for i, number in ipairs(numbers) do texts[i] = ("%.6g"):format(number) end
    return table.concat(texts, ", ", 1, math.min(#texts, most_channels)) .. (#texts > most_channels and ", …" or "")
  end
  return ("mean = { %s } and std = { %s }"):format(list(c.mean), list(c.std))
end

--- What became of config.json's mean and deviation, in words.
local function standardized(c, given, fits)
  local told = ("%s's %s"):format(c.statistics_in or "config.json", statistics_text(c))
  if given then return ("images are rescaled by the option preprocess, and not by %s"):format(told) end
  return (fits and "images are standardized by %s" or "%s are not used, since this network does not take such images"):format(told)
end

--- What is told where a file has the weights of a part of torchvision's network under a name of its own, and the network computes more behind that
--- part that has no weights; nil where that is not so, or where the model ends before.
local function outside_of_part(model, report)
  local architecture = model.name and require("scion.models.builder").find(model.name)
  local outside = architecture and architecture.outside
  local alone = outside and report.part == outside.part .. "."
  for _, placed in ipairs(outside and report.positions or {}) do alone = alone or placed.model == outside.part end
  for _, node in ipairs(alone and model.order or {}) do
    if node.layer.name == outside.layer then
      return ("the weights are those of torchvision's %s, a part without the last ReLU, which torchvision applies behind it: base:upto(%s) computes what " ..
        "the part does, unless the file's network applies that ReLU itself"):format(outside.part, check.show(outside.cut))
    end
  end
end

--- What is told where the option preprocess comes before layers by which a network of scion.models rescales images; nil where that is not so.
local function rescaled_twice(model, given)
  if not given or (require("scion.weights.keras_front").own_rescalings(model) or 0) == 0 then return nil end
  return ("the option preprocess comes before the layers by which this network rescales images itself; leave it out where that is once too often, and " ..
    "scion.models.%s{ preprocess = … } builds the network without them"):format(model.name)
end

--- Preprocessing depends on the weights: the model's input takes the option `preprocess`, else that of config.json, else what Scion noted in
--- the file, else keeps its own. What config.json tells is noted in the report.
local function take_preprocessing(model, told, given, report)
  local c, input = told.config, model.input
  local fits = c and c.mean and (#c.mean == input.shape[3] or #c.mean == 3) and preprocessing.image_shape(input.shape)[3] == 3
  if c and c.mean then report:note(standardized(c, given, fits)) end
  local known = fits and preprocessing.resolve { mean = c.mean, std = c.std }
  input.layer.options.preprocess = given or known or told.facts and told.facts.preprocess or input.layer.options.preprocess
end

--- Loads a file into a model's layers. Unless o.strict is false it raises, with the path and before a weight changes, where the weights do
--- not fit, and where they belong to a network that computes something else with them.
---@param model scion.Model
---@param told scion.WeightsOrigin what origin.of found in the file
---@param o { strict: boolean, prefix: string?, preprocess: any, variant: string? } options that were checked already: see scion.LoadOptions in
--- model.lua; variant: of the network, where the user named it
---@return scion.WeightsReport report what was loaded and what was not
return function(model, told, o)
  local path = told.path
  local differs = origin.disagreement(told, model.name, model.variant) or rescaled_otherwise(model, told)
  if differs and o.strict then check.raise(("%s: %s"):format(path, differs)) end
  local input = model.input.layer.options
  local before = input.preprocess
  input.preprocess = o.preprocess or before -- a file may tell how its images were rescaled, which is compared
  local norms = told.library == "pytorch" and not told.facts and own_norms(model)
  local ok, report, timms = check.try(read_numbers, model, told, o)
  if not ok then
    input.preprocess = before
    check.raise(report)
  end
  local assumed, hinted = origin.assumed(told, model, { timms = timms, preprocess = o.preprocess, variant = o.variant })
  report.config = told.config
  if told.arrays and told.arrays.script then report:note "a network of torch.jit: only its tensors are read, and its code, which tells what it computes, is not looked at" end
  for _, line in ipairs(differs and { differs } or assumed) do report:note(line) end
  local lines = { norms and norms() or nil }
  lines[#lines + 1] = outside_of_part(model, report)
  lines[#lines + 1] = rescaled_twice(model, o.preprocess)
  for _, line in ipairs(lines) do
    report:note(line)
    notice.once(("%s: %s"):format(path, line))
  end
  if differs or hinted then notice.once(("%s: %s"):format(path, differs or assumed[1])) end
  take_preprocessing(model, told, o.preprocess, report)
  take_labels(model, told, report)
  return report
end
