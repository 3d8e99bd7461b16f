--- model:predict: labels and confidences for files, tensors and data sets.
local batches = require "scion.data.batch"
local cached = require "scion.cache.cached"
local check = require "scion.check"
local core = require "scion.core"
local inputs = require "scion.train.inputs"
local interrupts = require "scion.interrupts"
local losses = require "scion.ir.losses"
local paths = require "scion.data.paths"
local precision = require "scion.precision"
local printable = require "scion.printable"
local progress = require "scion.report.progress"
local results = require "scion.report.results"
local targets = require "scion.train.targets"

local predict = {}

--- What is said where outputs are NaN or infinite.
predict.no_number = "the network's output is no number: its weights, or this image, are beyond what it can compute with"

--- Runs the model on batches of images and calls emit(output, indices) for each batch. `output` is a view that is valid until the next
--- batch; `indices` is a list of the images' numbers, from 1. Returns the reasons why the other images have no output. Raises after an
--- interrupt.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param given { batch: integer?, cache: scion.CacheOptions|false|nil, augment: scion.Augment|false|nil, epoch: integer?, share: scion.Share?,
--- precision: string|scion.PrecisionOptions|nil } cache, augment: nil is false; epoch: of which the augmentation is drawn (0); share: what this
--- process sees of the pass (all); precision replaces the model's
---@param emit fun(output: scion.Tensor, indices: integer[])
---@return table<integer, { index: integer, file: string?, message: string }> failures by the image's number, from 1
function predict.run(where, model, data, given, emit)
  local failures, seen, done = {}, {}, 0
  local bar <close> = progress.counter(where, #data)
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  local source, as = cached.over(model, data, given.cache or false, { where = where, shuffle = false, augment = given.augment or false, batch = given.batch,
                                                     whole = true, share = given.share, precision = given.precision })
  for batch in source:pass(given.epoch or 0) do
    for _, failure in ipairs(batches.failures_for_user(batch.failed)) do
      failure.message = paths.explain(where, failure.file, failure.message)
      failures[failure.index] = failure
    end
    local n, output = #batch, batch.x
    if n > 0 and batch.node ~= model.output then
      local plan = model:plan_for { mode = "infer", batch = inputs.capacity(data, given.batch, n), input_dtype = batch.x:dtype(), from = batch.node,
                                   precision = as }
      if not model:execute(plan, { images = batch.x }) then break end
      output = core.place(model.arena, plan.output, n)
    end
    local numbers = batches.numbers(where, batch)
    for _, number in ipairs(numbers) do seen[number] = true end
    if n > 0 then emit(output, numbers) end
    done = done + n + #batch.failed
    bar.tell(done)
  end
  interrupts.check(where)
  for i = 1, given.share and 0 or #data do
    if not seen[i] and not failures[i] then
      failures[i] = { index = i, file = data.files and data.files[i], message = "the data set left it out" }
    end
  end
  return failures
end

--- The names with their probabilities, the most probable first.
local function ranked(probabilities, label_of)
  local list = {}
  for i, p in ipairs(probabilities) do list[i] = { label = label_of(i), confidence = p } end
  table.sort(list, function(a, b) return a.confidence > b.confidence end)
  return list
end

local function finite(row)
  for _, value in ipairs(row) do
    if value ~= value or math.abs(value) == math.huge then return false end
  end
  return true
end

--- The entry for one image. `row`: the outputs; `told`, `count`: what they tell, as of targets.told; nil if they are no probabilities.
local function entry_of(model, row, told, count, top)
  if not told then return { output = printable.table(row) } end
  if not finite(row) then return { error = predict.no_number } end
  if told == "classes" and #row < count then row = { 1 - row[1], row[1] } end
  local best = ranked(row, function(i) return model.labels and model.labels[i] or i end)
  local entry = { label = best[1].label, confidence = best[1].confidence, top = top and table.move(best, 1, top, 1, {}) }
  if told == "labels" then
    entry.labels = {}
    for i, one in ipairs(best) do entry.labels[i] = one.confidence > 0.5 and one or nil end
  end
  return entry
end

--- How the outputs become probabilities. Returns what they tell, and how many; and a function from outputs to probabilities, which applies the
--- activation if the network ends in logits. Returns nil if the outputs are no probabilities.
---@param model scion.Model
---@return "classes"|"labels"|nil told
---@return integer? count
---@return (fun(output: scion.Tensor): scion.Tensor)? apply
function predict.probabilities(model)
  local activation, logits = targets.activation(model)
  if activation ~= "softmax" and activation ~= "sigmoid" or model.loss and losses.of(model.loss):of_numbers() then return nil end
  if #model.output.shape ~= 1 then return nil end
  local told, count = targets.told(model, losses.of(losses.following(activation)), model.labels)
  if not logits then return told, count, function(output) return output end end
  return told, count, function(output)
    local applied = core.new(output:shape(), "f32")
    core.run { activation == "softmax" and "softmax_forward" or "activation_forward", x = output, y = applied,
               activation = activation == "sigmoid" and activation or nil }
    return applied
  end
end

local schema = { batch = { inputs.batch }, top = { check.whole(1) }, tta = { check.whole(1, 1000), 1 }, precision = { precision.kind } }

-- What views of an image are drawn from where the data set has no augmentation of its own: as much as leaves most objects whole.
local small_changes = { flip = "horizontal", width_shift = 0.05, height_shift = 0.05, zoom = { 0.9, 1.1 } }

--- What views of a data set's images are drawn from: its own augmentation, but for changes of whole batches, which bring in other images.
local function view_changes(data)
  local own = data.augment
  if type(own) ~= "table" or rawlen(own) == 0 then return own or small_changes end
  local list = {}
  for _, each in ipairs(own) do
    if each.kind ~= "batch" then list[#list + 1] = each end
  end
  return list[1] and list or small_changes
end

--- The mean outputs over views of each image, by the image's number: the image as it is, and `views - 1` augmented ones. Returns the
--- failures, too.
local function mean_of_views(model, data, o, apply)
  local sums, counts, first = {}, {}, nil
  for view = 0, o.tta - 1 do
    local augment = view > 0 and view_changes(data)
    local failures = predict.run("predict", model, data, { batch = o.batch, augment = augment, epoch = view, precision = o.precision }, function(output, indices)
      local values = apply and apply(output) or output
      for i, index in ipairs(indices) do
        sums[index] = sums[index] and sums[index] + values:slice(1, i, i) or values:slice(1, i, i):copy()
        counts[index] = (counts[index] or 0) + 1
      end
    end)
    first = first or failures
  end
  for index, sum in pairs(sums) do
    sums[index] = sum / counts[index]
    first[index] = nil -- read in another view
  end
  return sums, first
end

--- A list with an entry for each image: its file, if there is one, label and confidence, and on request `top`; or the error if the image
--- cannot be read. An entry has `labels`, too, if the network tells of several labels an image (it ends in sigmoid, with more than one
--- unit or with one name). If the network ends in neither softmax nor sigmoid and was not fitted with their losses, an entry has `output`, the
--- numbers, in place of label and confidence.
---@param model scion.Model
---@param x string|string[]|scion.Tensor|scion.Dataset
---@param given { batch: integer?, top: integer?, tta: integer?, precision: string|scion.PrecisionOptions|nil } tta: over how many views of each
--- image outputs are averaged: the image as it is and others as the data set augments them, else flipped, shifted and zoomed a little (1)
---@return { file: string?, label: string|integer, confidence: number, labels: table?, error: string?, top: table?, output: number[]? }[]
---Raises if the images do not fit the model, on unknown options and invalid values, and if there are fewer than `top` classes.
function predict.predict(model, x, given)
  local data = inputs.any("predict", x, model, type(given) == "table" and inputs.batch.read(given.batch) and given.batch or nil)
  local o = check.options("predict", given, schema)
  inputs.fits("predict", model, data, nil, type(x) == "userdata")
  inputs.tell_reading("predict", model, data)
  local told, count, apply = predict.probabilities(model)
  if o.top and not told then
    check.raise(("predict: top ranks classes, but %s gives no probabilities of them: it ends in neither softmax nor sigmoid"):format(model.output.layer.name))
  end
  if o.top and o.top > count then check.raise(("predict: top is %d, but the model tells %d %s"):format(o.top, count, told)) end
  local list, failures = {}
  if o.tta == 1 then
    failures = predict.run("predict", model, data, { batch = o.batch, precision = o.precision }, function(output, indices)
      for i, row in ipairs((apply and apply(output) or output):totable()) do list[indices[i]] = entry_of(model, row, told, count, o.top) end
    end)
  else
    local means
    means, failures = mean_of_views(model, data, o, apply)
    for index, mean in pairs(means) do list[index] = entry_of(model, mean:totable()[1], told, count, o.top) end
  end
  for i, failure in pairs(failures) do list[i] = { error = failure.message } end
  for i, entry in ipairs(list) do entry.file = data.files and data.files[i] end
  return results.predictions(list)
end

return predict
