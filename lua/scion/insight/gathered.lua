--- What the classifiers of a probe are given: the pooled features of every block from one pass, the classes, and the parts of a
--- cross-validation.
local blocks = require "scion.insight.blocks"
local check = require "scion.check"
local copies = require "scion.data.copies"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local features_of = require "scion.train.features"
local folds = require "scion.insight.folds"
local graph = require "scion.graph"
local inputs = require "scion.train.inputs"
local lint = require "scion.train.lint"
local notice = require "scion.report.notice"
local readable = require "scion.insight.readable"
local targets = require "scion.train.targets"

local gathered = {}

local usual_folds = 5

---@class scion.Gathered
---@field where string the name of the function that the user called, for messages
---@field list scion.Block[]
---@field classifier { node: scion.Node, features: integer }? the network's own softmax, whose outputs are the last columns of the features
---@field features scion.Tensor f32 [images, features of all blocks], in the order of the parts
---@field classes scion.Tensor i32 [images], from 1, in that order
---@field count integer of classes
---@field parts scion.Folds what is told: all images, in parts; or the validation set, as one part before the training set
---@field guess number the share of what is told that is of the training set's largest class
---@field seconds number that it took
local methods = {}

--- The features of a block.
---@param of scion.Gathered
---@param number integer of the block in the list
---@return scion.Tensor f32 [images, features]
function methods.block(of, number)
  local column = 1
  for i = 1, number - 1 do column = column + of.list[i].features end
  return of.features:slice(2, column, column + of.list[number].features - 1):copy()
end

--- What the network's own softmax says of the images: f32 [images, its classes]; nil of a network without one.
---@param of scion.Gathered
---@return scion.Tensor?
function methods.own_classes(of)
  if not of.classifier then return nil end
  local columns = of.features:shape()[2]
  return of.features:slice(2, columns - of.classifier.features + 1, columns):copy()
end

--- The number of a block in the list. Raises on an unknown name.
---@param of scion.Gathered
---@param name string
---@return integer
function methods.position(of, name)
  local names = {}
  for i, block in ipairs(of.list) do
    if block.name == name then return i end
    names[i] = block.name
  end
  check.raise(("%s: the network cannot be cut at a block %s (%s)"):format(of.where, check.show(name), check.suggestion(name, names)))
end

--- How many images are told.
---@param of scion.Gathered
---@return integer
function methods.told(of) return of.parts.last[#of.parts.last] end

--- The numbers of the images that count: those that can be read, and of copies only the first one. What is learned from one copy tells the other, and
--- says nothing of new images.
local function counted(where, data, count, failures)
  local keys, seen, kept, left_out = dataset.is(data) and copies.keys { data } or {}, {}, {}, {}
  for _, i in ipairs(readable(count, failures)) do
    local key = keys[i]
    if key and seen[key] then left_out[#left_out + 1] = i else kept[#kept + 1] = i end
    seen[key or i] = true
  end
  if left_out[1] then
    notice.once(("scion: %s: %d of %d images are copies of others, such as %s, and are left out: each picture counts once; " ..
                 "scion.data.doctor lists them"):format(where, #left_out, count, data.files and data.files[left_out[1]] or "image " .. left_out[1]))
  end
  return kept
end

--- What a network gives for the images of a data set that count. What it gives is kept, as what is frozen is; the network stays as it is.
---@param where string the name of the function that the user called, for messages
---@param part scion.Model
---@param data scion.Dataset
---@param o { cache: boolean, distributed: scion.DistributedOptions? }
---@return scion.Tensor f32 [images, features]
---@return scion.Tensor classes i32 [images], from 1
function gathered.outputs(where, part, data, o)
  inputs.dataset(where, data)
  inputs.fits(where, part, data)
  if not data.classes then check.raise(where .. ": the data set has no classes, one an image, which could be told apart") end
  local all, labels, failures = graph.keep_freezing(part.order, function()
    part:freeze()
    return features_of(part, data, part.output.layer.name, { cache = o.cache, distributed = o.distributed }, notice.once)
  end)
  local kept = counted(where, data, #all, failures)
  if #kept < #all then all, labels = all:gather(1, kept), labels:gather(1, kept) end
  return all, labels
end

--- The output of a network that ends in a softmax, as a block.
local function softmax_of(model)
  local activation, logits = targets.activation(model)
  return activation == "softmax" and not logits and { node = model.output, features = model.output.shape[#model.output.shape] } or nil
end

--- The places whose features are gathered: the blocks, and the network's own softmax.
local function places_of(made) return made.classifier and table.move(made.list, 1, #made.list, 1, { [#made.list + 1] = made.classifier }) or made.list end

--- The pooled features of all blocks, likewise.
---@param where string
---@param model scion.Model
---@param data scion.Dataset
---@param list scion.Block[]
---@param o { cache: boolean, precision: string?, distributed: scion.DistributedOptions? }
---@return scion.Tensor features f32 [images, features of all blocks]
---@return scion.Tensor classes i32 [images], from 1
function gathered.set(where, model, data, list, o)
  local part = blocks.pooled(list)
  part.precision = o.precision or model.precision
  local all, classes = gathered.outputs(where, part, data, o)
  if #classes == 0 then check.raise(where .. ": none of the images can be read") end
  if not core.finite(all) then check.raise(where .. ": what the network gives for these images holds numbers that are NaN or infinite: see to its weights") end
  return all, classes
end

local function largest(counts)
  local at = 1
  for c, n in ipairs(counts) do at = n > counts[at] and c or at end
  return at
end

--- Says once how many images of the validation set the classifiers learn from, too, whatever their files are called.
local function tell_shared(where, data, val)
  local keys = dataset.is(data) and dataset.is(val) and copies.keys { data, val } or {}
  local learned, count = {}, data == val and #val or 0
  for i = 1, #data do learned[keys[i] or 0] = keys[i] ~= nil end
  for i = #data + 1, data ~= val and #data + #val or 0 do count = count + (learned[keys[i] or 0] and 1 or 0) end
  if count > 0 then notice.once(("scion: %s: %s"):format(where, lint.shared(count, #val))) end
end

--- Says once that a network that has been trained may know these images.
local function tell_trained(where, model)
  if #model.history == 0 and model.epoch == 0 then return end
  notice.once(("scion: %s: the network has been trained on labels before: if these images were among those that it learned from, what its features tell " ..
               "here is more than they tell of new ones; give images that it has not seen"):format(where))
end

--- How many parts there are: as many as asked for, or one for each image. Says so where that is not what was asked for.
local function parts_of(where, wanted, counts, images)
  local parts = math.min(wanted or usual_folds, images)
  local most = counts[largest(counts)]
  if wanted and wanted > most then
    notice.once(("scion: %s: folds = %d, and no class has more than %d image%s: the %d images are told in %d parts, not all of which hold every class"):format(
      where, wanted, most, most == 1 and "" or "s", images, parts))
  end
  return parts
end

--- Raises unless there are classes to tell by cross-validation.
local function check_within(where, data, counts)
  local several, alone = 0, {}
  for c, n in ipairs(counts) do
    if n > 1 then several = several + 1 elseif n == 1 then alone[#alone + 1] = data.labels and data.labels[c] or tostring(c) end
  end
  if several < 2 then
    check.raise(("%s: two classes with two images each are the least that can be told apart; %d of %d classes have two or more"):format(where, several, #counts))
  end
  if alone[1] then
    local verb = #alone == 1 and "has" or "have"
    notice.once(("scion: %s: %s %s one image alone, which nothing can be learned from and be told by: it counts as wrong"):format(
      where, table.concat(alone, ", "), verb))
  end
end

--- Raises unless there are classes to tell in a validation set.
local function check_between(where, counts, told)
  local both = 0
  for c, n in ipairs(counts) do both = both + (n > 0 and told[c] > 0 and 1 or 0) end
  if both < 2 then
    check.raise(("%s: two classes with an image in both sets are the least that can be told apart; %d of %d classes have one in both"):format(where, both, #counts))
  end
end

--- One set, in parts that tell each other.
local function within(where, model, data, o, made)
  local all, classes = gathered.set(where, model, data, places_of(made), o)
  made.count = data.labels and #data.labels or classes:max()
  local counts = core.count(classes - 1, made.count)
  check_within(where, data, counts)
  made.parts = folds.of(classes:totable(), parts_of(where, o.folds, counts, #classes), data.seed or 0)
  made.features, made.classes, made.guess = all:gather(1, made.parts.order), classes:gather(1, made.parts.order), counts[largest(counts)] / #classes
end

--- A set that is told by what another one teaches.
local function between(where, model, data, val, o, made)
  inputs.dataset(where, val)
  targets.same_labels(where, data.labels, "in the training set", val.labels, "in the validation set")
  local all, classes = gathered.set(where, model, data, places_of(made), o)
  local told, told_classes = gathered.set(where, model, val, places_of(made), o)
  made.count = data.labels and #data.labels or math.max(classes:max(), told_classes:max())
  local counts, told_counts = core.count(classes - 1, made.count), core.count(told_classes - 1, made.count)
  check_between(where, counts, told_counts)
  tell_shared(where, data, val)
  made.parts = { first = { 1 }, last = { #told } }
  made.features, made.classes, made.guess = core.concat { told, all }, core.concat { told_classes, classes }, told_counts[largest(counts)] / #told
end

--- Gathers what a probe needs. Raises on data that do not fit the network or that cannot be told apart.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param o scion.ProbeOptions as check.options reads them
---@param val scion.Dataset? what is told; without it the data set itself, in parts
---@return scion.Gathered
function gathered.new(where, model, data, o, val)
  local began, made = core.clock(), setmetatable({ where = where, list = blocks.of(model), classifier = softmax_of(model) }, { __index = methods })
  if not made.list[1] then check.raise(where .. ": the network has no layer with weights after which it can be cut, beside its classifier") end
  tell_trained(where, model)
  if val then between(where, model, data, val, o, made) else within(where, model, data, o, made) end
  made.seconds = core.clock() - began
  return made
end

return gathered
