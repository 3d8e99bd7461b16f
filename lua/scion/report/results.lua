--- Metatables for the tables that public functions return, so that they print as readable text.
local check = require "scion.check"
local class = require "scion.class"
local confusion = require "scion.report.confusion"
local shape = require "scion.shape"
local printable = require "scion.printable"
local text = require "scion.report.text"

local results = {}

local function duration(seconds)
  if seconds ~= seconds or seconds == math.huge then return "?" end
  seconds = math.floor(seconds + 0.5)
  if seconds < 60 then return ("%ds"):format(seconds) end
  if seconds < 3600 then return ("%d:%02d min"):format(seconds // 60, seconds % 60) end
  return ("%d:%02d:%02d h"):format(seconds // 3600, seconds % 3600 // 60, seconds % 60)
end
results.duration = duration

--- How long a recipe of a comparison took; "" of a model that was trained before.
---@param row scion.Compared
---@return string
function results.time_of(row) return row.seconds > 0 and duration(row.seconds) .. (row.cached and ", cached" or "") or "" end

--- What "cached" says there.
results.cached = "cached: it took outputs of frozen layers that were kept before, and so less time."

--- What the intervals and p-values of a comparison leave out.
results.once = "Each was trained once: what chance in training would change is not in the intervals and p."

--- The test set's images that a comparison could not read, in words; "" without any.
---@param count integer
---@return string
function results.unread(count) return count > 0 and ("; %d more image%s could not be read"):format(count, count == 1 and "" or "s") or "" end

--- Declares a kind of result. Returns a function that sets the metatable of a table, which then prints as `words`.
---@param name string __name of the metatable
---@param words fun(self: table): string
---@param o? { title: string, fields: string[], add: boolean?, instead: string?, advice: (fun(name: string): string?)?, computed: table<string, function>?,
--- length: (fun(self: table): integer)?, methods: table<string, function>? } with it, reading a name that is not in `fields` raises, and so does setting it
--- unless `add` is true; title: the table in messages; instead, advice: advice in messages about other names; computed: fields that are functions of the table
local function kind(name, words, o)
  local meta, declared = { __name = name }, {}
  function meta.__tostring(self)
    local whole, printed = pcall(words, self)
    return whole and printed or ("%s: %s that was changed, so that it cannot be printed"):format(printed, o and o.title or name)
  end
  if not o then return function(t) return setmetatable(t, meta) end end
  for _, field in ipairs(o.fields) do declared[field] = true end
  local names, methods = table.move(o.fields, 1, #o.fields, 1, {}), o.methods or {}
  for method in pairs(methods) do names[#names + 1] = method end
  local function unknown(key)
    if type(key) ~= "string" or declared[key] then return end
    local remedy = o.instead or o.advice and o.advice(key) or check.suggestion(key, names, "it has")
    check.raise(("%s has no field %s: %s"):format(o.title, check.show(key), remedy))
  end
  meta.__len = o.length
  meta.__title, meta.__plain = o.title, true -- tells plain.lua that this is a table of data in spite of __index
  meta.__methods = methods
  meta.__index = function(self, key)
    if methods[key] then return methods[key] end
    if o.computed and o.computed[key] then return o.computed[key](self) end
    return unknown(key)
  end
  meta.__newindex = not o.add and function(self, key, value)
    if methods[key] then check.raise(("%s: %s is a method and cannot be set"):format(o.title, check.show(key))) end
    unknown(key)
    rawset(self, key, value)
  end or nil
  return function(t) return setmetatable(t, meta) end
end

local function lines(list) return table.concat(list, "\n") end

--- The texts of all elements, each on lines of its own.
local function lines_of(list)
  local shown = {}
  for i, entry in ipairs(list) do shown[i] = tostring(entry) end
  return lines(shown)
end

local function number(format, value)
  if value ~= value then return (format:gsub("%%[%d.]*f", "NaN")) end
  return value and format:format(value) or ""
end

--- The parts, joined by commas and wrapped to the terminal's width.
local function sentence(parts, indent) return lines(text.wrap(table.concat(parts, ", "), text.width(), indent or 2)) end

-- ---- layers ---------------------------------------------------------------------------------------------------------

local function layer_text(self)
  local parts = { ("%d: %s"):format(self.index, self.name), self.kind, shape.text(self.shape), text.grouped(self.parameters) .. " parameters" }
  if self.frozen then parts[#parts + 1] = "frozen" end
  local names, rows = {}, {}
  for name in pairs(self.weights) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do rows[i] = { name, shape.text(self.weights[name]:shape()) } end
  return lines { sentence(parts), table.unpack(text.table({ {}, {} }, rows, "  ")) }
end

local function table_of_layers(self)
  local rows = {}
  for i, layer in ipairs(self) do
    rows[i] = { tostring(layer.index), layer.name, layer.kind, shape.text(layer.shape), text.grouped(layer.parameters), layer.frozen and "frozen" or "" }
  end
  return lines(text.table({ { right = true }, { least = 6 }, { least = 8, optional = "kinds" }, {}, { right = true }, {} }, rows, "  "))
end

--- The advice in messages about setting `trainable` or `frozen`.
results.freezing = "use model:freeze{ layers = … } and model:thaw{ layers = … }"

--- A description of a layer, as it was at the time of the call. Its fields cannot be set.
---@class scion.LayerDescription
---@field index integer its position in Keras's order, from 1
---@field name string
---@field kind string snake_case: `conv2d`, `batch_norm`
---@field shape integer[] of its output, without the batch
---@field parameters integer how many numbers its weights and moving averages have
---@field trainable integer how many of them a training step would change by gradients
---@field frozen boolean
---@field weights table<string, scion.Tensor> the model's own tensors: writing to them changes the model
local description = class.define {
  name = "scion.LayerDescription", title = "a layer's description",
  locked = { "index", "name", "kind", "shape", "parameters", "trainable", "frozen", "weights" },
  instead = { frozen = results.freezing, trainable = results.freezing }, meta = { __tostring = layer_text },
}
local layers = kind("scion.LayerDescriptions", table_of_layers)

--- A table of a layer's weights by name, which prints as names and shapes. Its entries cannot be replaced.
local function weights_by_name(weights)
  return setmetatable({}, {
    __name = "scion.LayerWeights", __title = "a layer's weights", __index = weights,
    __newindex = function(_, name)
      check.raise(("a layer's weights: %s cannot be replaced; change the tensor itself, by fill or set"):format(check.show(name)))
    end,
    __pairs = function() return next, weights, nil end,
    __tostring = function()
      local names = {}
      for name, tensor in pairs(weights) do names[#names + 1] = name .. " " .. shape.text(tensor:shape()) end
      table.sort(names)
      return #names > 0 and sentence(names) or "no weights"
    end,
  })
end

--- Makes a layer's description, for model:layer.
---@param values table its fields
---@return scion.LayerDescription
function results.layer(values)
  values.weights, values.shape = weights_by_name(values.weights), printable.table(values.shape)
  return description.new(values)
end

--- Makes a table print as a list of layers' descriptions.
results.layers = layers

-- ---- training -------------------------------------------------------------------------------------------------------

--- A list of epochs.
---@class scion.History
---@field [integer] scion.Epoch
---@field cache { hits: integer, misses: integer, bytes: integer }? how many outputs of frozen layers were read and how many computed, in
--- training and validation, and the bytes of all of them; nil if none were kept
---@field interrupted boolean? true if Ctrl-C ended the fit
---@field warnings scion.Warning[] what is likely a mistake in the recipe
---@field stages scion.StageRecord[] in which epochs which layers were frozen; those of a loaded model are not known
---@field settings { [1]: string, [2]: string }[]|nil what the last fit was given, in words; nil for a loaded model
---@field evaluation scion.Evaluation? that of the last fit's last validation; nil without any
---@field int8 scion.Int8Report? of a fit in precision "int8": how the ranges were found, and what they lose

--- What is likely a mistake in a recipe.
---@class scion.Warning
---@field rule string "frozen_random", "rescaled_twice", "fresh_head", "learning_rate", "zero_rate", "frozen_group", "doubled_callback", "undistributed",
--- "shear", "augmented_validation", "test_set", "shared_examples", "unshuffled" or "few_images"
---@field message string what is odd, why, and what to do

--- It has the metrics that were asked for as well, by their names, such as top_3 and val_top_3. Users may add fields.
---@class scion.Epoch
---@field epoch integer from 1; the next fit continues the numbers
---@field loss number mean over the examples, each with the weights of its step
---@field accuracy number? the same for the share of correct predictions; nil without classes
---@field val_loss number? on the validation set, after the epoch
---@field val_accuracy number? on the validation set, after the epoch
---@field lr number the learning rate at the end of the epoch
---@field seconds number without the validation
---@field images_per_second number
---@field cached boolean? true if what the frozen layers give for the epoch's images was all kept, so that they did not run; a speed means
--- nothing then, and "cached" is printed in place of it

--- The argument of the step callback.
---@class scion.Step
---@field epoch integer from 1
---@field step integer from 1 in each epoch
---@field loss number mean over the step's batch
---@field model scion.Model
---@field optimizer scion.Optimizer

local of_epoch = { "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds", "images_per_second", "cached" }

--- The names of what epochs tell of training and validation, in the order of their columns: metrics and other numbers that were added stand
--- after the accuracy, by name.
local function told_of(entries)
  local train, val, known, seen = {}, {}, {}, {}
  for _, name in ipairs(of_epoch) do known[name] = true end
  for _, entry in ipairs(entries) do
    for name, value in next, entry do
      if type(value) == "number" and type(name) == "string" and not known[name] then table.insert(name:find "^val_" and val or train, name) end
      known[name], seen[name] = true, true
    end
  end
  table.sort(train)
  table.sort(val)
  local names = { "loss" }
  local function add(list)
    for _, name in ipairs(list) do names[#names + 1] = seen[name] and name or nil end
  end
  add { "accuracy" }
  add(train)
  add { "val_loss", "val_accuracy" }
  add(val)
  return names
end

--- The epochs as a table.
local function history_lines(self)
  local names = told_of(self)
  local columns, rows = { { title = "epoch", right = true } }, {}
  for _, name in ipairs(names) do columns[#columns + 1] = { title = name, right = true } end
  table.move({ { title = "images/s", right = true }, { title = "time", right = true } }, 1, 2, #columns + 1, columns)
  for i, e in ipairs(self) do
    local row = { tostring(e.epoch) }
    for _, name in ipairs(names) do row[#row + 1] = number("%.4f", rawget(e, name)) end
    row[#row + 1], row[#row + 2] = e.cached and "cached" or number("%.1f", e.images_per_second), duration(e.seconds or 0 / 0)
    rows[i] = row
  end
  return text.table(columns, rows)
end

local function of_record(name) return function(self) return require("scion.train.record")[name](self) end end

local function noted(name) return function(self) return (require("scion.train.record").of(self) or {})[name] end end

local history = kind("scion.History", function(self)
  if #self == 0 then return self.interrupted and "interrupted in the first epoch" or "no epochs yet" end
  local shown = history_lines(self)
  if self.interrupted then shown[#shown + 1] = "interrupted" end
  return lines(shown)
end, { title = "a history", fields = { "interrupted", "cache", "warnings", "stages", "settings", "evaluation", "int8" }, methods = require "scion.report.history",
       computed = { stages = of_record "stages", settings = noted "settings", evaluation = noted "evaluation" } })

local warning = kind("scion.Warning", function(self) return sentence { self.message } end, { title = "a warning", fields = { "rule", "message" } })
local warnings = kind("scion.Warnings", lines_of)

--- Makes a list of what is likely a mistake in a recipe, for a history.
---@param list table
---@return scion.Warning[]
function results.warnings(list)
  for _, entry in ipairs(list) do warning(entry) end
  return warnings(list)
end

--- The parts on a line, with two spaces between them, or on several if they do not fit a width.
local function fitted(parts, width)
  local shown, column = parts[1], #parts[1]
  for i = 2, #parts do
    local fits = not width or column + 2 + #parts[i] <= width
    shown = shown .. (fits and "  " or "\n  ") .. parts[i]
    column = (fits and column or 0) + 2 + #parts[i]
  end
  return shown
end

--- A line about a finished epoch, or several if it does not fit the width.
---@param entry scion.Epoch
---@param last? integer number of the last epoch, for "epoch 3/5"
---@param width? integer columns (any number)
---@return string
function results.epoch_text(entry, last, width)
  local parts = { ("epoch %d%s"):format(entry.epoch, last and "/" .. last or "") }
  for _, name in ipairs(told_of { entry }) do parts[#parts + 1] = number(name .. " %.4f", entry[name]) end
  parts[#parts + 1] = entry.cached and "cached" or ("%.1f images/s"):format(entry.images_per_second)
  parts[#parts + 1] = duration(entry.seconds)
  return fitted(parts, width)
end

--- The advice about a field that would be a metric, if it had been asked for.
local function not_asked(name)
  local metric = name:gsub("^val_", "")
  if require("scion.train.metrics").kind.read { metric } then return ("it is there if it is asked for: metrics = { %s }"):format(check.show(metric)) end
end

--- Makes a table an epoch of a history. Users may add fields.
results.epoch = kind("scion.Epoch", function(self) return results.epoch_text(self, nil, text.width()) end, {
  title = "an epoch of a history", add = true, fields = of_epoch, advice = not_asked,
})

local curve_rows = 12

--- Losses by the learning rate: what model:lr_find gives.
---@class scion.RateCurve
---@field [integer] { lr: number, loss: number } a step: its rate, and the running mean of the losses up to it
---@field suggested number? a rate to begin with: a tenth of `lowest`; nil if the loss did not fall by a tenth
---@field lowest number the rate at which it is lowest, which is too high already

--- What is to be done where the loss has not fallen by as much as it takes to tell that from the chance of the batches: it only rises if the
--- rates were too high from the first one on.
local function not_fallen(curve)
  local at = 1
  for i, point in ipairs(curve) do at = point.loss < curve[at].loss and i or at end
  local rises, begun = curve[#curve].loss > 1.1 * curve[at].loss, at <= math.max(#curve // 10, 1)
  if rises and begun then return "the loss has not fallen: begin with a lower `from`" end
  if rises then return "it has fallen by too little to tell that from the chance of the batches: give it more `steps`, or a data set with a larger batch" end
  return "it has hardly fallen: end with a higher `to`"
end

--- Makes a list of steps such a curve.
results.rate_curve = kind("scion.RateCurve", function(self)
  local rows, every = {}, math.max(1, (#self + curve_rows - 1) // curve_rows)
  for i = every, #self, every do rows[#rows + 1] = { ("%.1e"):format(self[i].lr), ("%.4f"):format(self[i].loss) } end
  local shown = text.table({ { title = "lr", right = true }, { title = "loss", right = true } }, rows)
  shown[#shown + 1] = sentence { ("the loss is lowest at %.1e"):format(self.lowest),
                                 self.suggested and ("a rate to begin with is a tenth of that, %.1e"):format(self.suggested) or not_fallen(self) }
  return lines(shown)
end, { title = "a curve of rates", fields = { "suggested", "lowest" } })

--- Makes a list of epochs a history.
---@param entries table
---@return scion.History
function results.history(entries)
  for _, entry in ipairs(entries) do results.epoch(entry) end
  return history(entries)
end

--- Makes a table the argument of the step callback.
results.step = kind("scion.Step", function(self) return ("epoch %d, step %d: loss %.4f"):format(self.epoch, self.step, self.loss) end,
                    { title = "a step", fields = { "epoch", "step", "loss", "model", "optimizer" } })

-- ---- evaluation and prediction --------------------------------------------------------------------------------------

--- How well a class is predicted.
---@class scion.Score
---@field label string
---@field precision number 0 if the class was never predicted
---@field recall number 0 if there are no examples
---@field f1 number harmonic mean of precision and recall
---@field support integer how many examples of the class there are

---@class scion.Prediction
---@field file string? if the image is from a file
---@field label string|integer|nil the most probable class, or its number if the model has no labels
---@field confidence number? its probability
---@field labels scion.Prediction[]? where an image can have several labels: label and confidence of each over 0.5, the most probable first;
--- empty if there is none
---@field top scion.Prediction[]? label and confidence of the most probable classes, on request
---@field output number[]? in place of a label, if the network gives no probabilities of classes
---@field error string? in place of a label, if the image cannot be read or the outputs are not finite

--- What a pass over a data set gives at a time. `#batch` is the number of its examples.
---@class scion.Batch
---@field x scion.Tensor the images, u8 n x H x W x 3; n may be 0
---@field y scion.Tensor? their classes, i32 from 1; or f32 n x K targets; nil without labels
---@field weight scion.Tensor? f32: factors of the examples' losses
---@field index scion.Tensor? i32: the images' numbers, from 1
---@field files string[]? their paths; nil for images in memory
---@field failed scion.Failure[] the images of this batch that could not be read, and were left out
---@field private node scion.Node? the node whose values x holds; nil for images

--- An image that could not be read.
---@class scion.Failure
---@field index integer in the data set, from 1
---@field file string?
---@field message string

local score_columns = { { least = 12 }, { title = "precision", right = true }, { title = "recall", right = true }, { title = "f1", right = true },
                        { title = "support", right = true } }

local function scores_text(self)
  local rows = {}
  for i, c in ipairs(self) do rows[i] = { c.label, number("%.4f", c.precision), number("%.4f", c.recall), number("%.4f", c.f1), ("%d"):format(c.support) } end
  return lines(text.table(score_columns, rows))
end

local score = kind("scion.Score", function(self)
  return sentence { ("%s: precision %.4f"):format(self.label, self.precision), ("recall %.4f, f1 %.4f"):format(self.recall, self.f1), "support " .. self.support }
end, { title = "a class's score", fields = { "label", "precision", "recall", "f1", "support" } })
local scores = kind("scion.Scores", scores_text, {
  title = "a list of scores", fields = {}, instead = "its entries are in the labels' order, each with its label, as in classes[1].label",
})

local of_evaluation = { "loss", "accuracy", "exact_match", "examples", "left_out", "classes", "confusion", "not_finite", "confusion_table", "calibration" }

local evaluation = kind("scion.Evaluation", function(self)
  local parts, known = { number("loss %.4f", self.loss) }, {}
  for _, name in ipairs(of_evaluation) do known[name] = true end
  if self.accuracy then parts[#parts + 1] = number("accuracy %.4f", self.accuracy) end
  if self.exact_match then parts[#parts + 1] = number("exact_match %.4f", self.exact_match) end
  local names = {}
  for name, value in next, self do names[#names + 1] = not known[name] and type(value) == "number" and name or nil end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = number(name .. " %.4f", self[name]) end
  parts[#parts + 1] = ("(%d examples%s)"):format(self.examples, (self.left_out or 0) > 0 and (", %d left out"):format(self.left_out) or "")
  local shown = { fitted(parts, text.width()) }
  if self.classes then shown[2] = scores_text(self.classes) end
  if self.classes and self.confusion then
    for _, line in ipairs(confusion.lines(self.confusion, self.classes)) do shown[#shown + 1] = line end
  end
  if (self.not_finite or 0) > 0 then shown[#shown + 1] = ("%d of the outputs are no numbers"):format(self.not_finite) end
  return lines(shown)
end, { title = "an evaluation", fields = of_evaluation, advice = not_asked, computed = {
  confusion_table = function(self) return self.confusion and confusion.table(self.confusion, self.classes) end,
} })

--- Makes the result of model:evaluate.
---@param values table its fields
---@return scion.Evaluation
function results.evaluation(values)
  for _, c in ipairs(values.classes or {}) do score(c) end
  if values.calibration then printable.records(values.calibration) end
  if values.classes then scores(values.classes) end
  return evaluation(values)
end

local most_shown = 4 -- numbers that are shown of an output

--- The numbers themselves if they are few; else "of 5 numbers", or "of 2x2x512 numbers" for nested lists.
local function numbers_text(list)
  local sizes = {}
  if #list <= most_shown and type(list[1]) == "number" then
    local shown = {}
    for i, value in ipairs(list) do shown[i] = ("%.4g"):format(value) end
    return table.concat(shown, " ")
  end
  while type(list) == "table" do
    sizes[#sizes + 1] = #list
    list = list[1]
  end
  return ("of %s number%s"):format(shape.text(sizes), #sizes == 1 and sizes[1] == 1 and "" or "s")
end

local function said(entry)
  if entry.error then
    local start = entry.file and entry.file .. ": " or ""
    -- the file is printed in front: it is removed from the message
    return "error: " .. (entry.error:sub(1, #start) == start and entry.error:sub(#start + 1) or entry.error)
  end
  if entry.output then return "output " .. numbers_text(entry.output) end
  if not entry.labels then return tostring(entry.label) end
  local names = {}
  for i, one in ipairs(entry.labels) do names[i] = ("%s %.4f"):format(one.label, one.confidence) end
  return names[1] and table.concat(names, ", ") or ("no label (%s %.4f)"):format(entry.label, entry.confidence)
end

-- The confidence in a column of its own; those of several labels stand beside them.
local function confidence(entry) return entry.confidence and not entry.labels and ("%.4f"):format(entry.confidence) or nil end

local prediction = kind("scion.Prediction", function(self)
  return sentence { (self.file and self.file .. ": " or "") .. said(self), confidence(self) }
end, { title = "a prediction", fields = { "file", "label", "confidence", "labels", "top", "output", "error" } })

local predictions = kind("scion.Predictions", function(self)
  local rows = {}
  for i, entry in ipairs(self) do rows[i] = { entry.file or tostring(i), confidence(entry) or "", said(entry) } end
  return lines(text.table({ { least = 16 }, { right = true }, { wraps = true } }, rows))
end, { title = "a list of predictions", fields = {}, instead = "its entries have fields, one entry for each image, as in predictions[1].label" })
--- Makes the result of model:predict: a list with an entry for each image. An entry may have lists of classes, `top` and `labels`.
---@param entries table
---@return scion.Prediction[]
function results.predictions(entries)
  for _, entry in pairs(entries) do
    for _, list in pairs { entry.top or nil, entry.labels or nil } do
      for _, one in ipairs(list) do prediction(one) end
      predictions(list)
    end
    prediction(entry)
  end
  return predictions(entries)
end

local failure = kind("scion.Failure", function(self) return sentence { ("image %d: %s"):format(self.index, self.message) } end)
local failures = kind("scion.Failures", lines_of)

--- Makes a list of images that could not be read, for data:batches.
---@param list table
---@return scion.Failure[]
function results.failures(list)
  for _, entry in ipairs(list) do failure(entry) end
  return failures(list)
end

--- Makes a table a batch of a data set.
results.batch = kind("scion.Batch", function(self)
  local parts = { ("batch of %d: x %s %s"):format(#self, self.x:dtype(), shape.text(self.x:shape())) }
  for _, name in ipairs { "y", "weight", "index" } do
    if self[name] then parts[#parts + 1] = ("%s %s %s"):format(name, self[name]:dtype(), shape.text(self[name]:shape())) end
  end
  if self.failed[1] then parts[#parts + 1] = ("%d left out"):format(#self.failed) end
  return sentence(parts)
end, { title = "a batch", fields = { "x", "y", "weight", "index", "files", "failed", "node" }, length = function(self) return self.x:shape()[1] end })

-- ---- the doctor -----------------------------------------------------------------------------------------------------

--- Images of one content, or that look alike.
---@class scion.CopyGroup
---@field files string[]
---@field labels string[] the classes that they are in
---@field exact boolean whether their bytes are the same

--- What scion.data.doctor found.
---@class scion.Diagnosis
---@field images integer how many the data set has
---@field bytes integer of its files
---@field against { name: string?, images: integer, bytes: integer }[] the sets that it is compared with
---@field folder string in which all files are, those of `against` too; or ""
---@field classes { label: string, images: integer }[] how many images of each class can be read; empty without labels
---@field broken { file: string, message: string }[] files that cannot be read, of all sets
---@field passed_over { file: string, reason: string }[] the data set's
---@field copies scion.CopyGroup[] files with the same bytes
---@field alike scion.CopyGroup[] different files that look the same: resized, encoded again, brightened, cropped by a few percent
---@field two_classes scion.CopyGroup[] those of copies and alike that are in more than one class
---@field leaks { file: string, set: string?, copy_of: string, of_set: string?, exact: boolean }[] images of a set in `against` that are in
--- an earlier set too, with the names that `against` gives the two; no name: the data set itself
---@field blank string[] of one colour all over
---@field small { file: string, height: integer, width: integer }[] smaller than the data set's size, and thus enlarged
---@field misnamed { file: string, format: string }[] whose content is of another format than the name says
---@field grey string[] grey ones, where others are coloured
---@field deep string[] grey ones of 16 bits, which are cut off at 255
---@field cmyk string[] of four inks
---@field transparent string[] whose transparent pixels hide colours that show, since opacity is dropped: with `background` they look otherwise
---@field turned string[] that EXIF turns upright
---@field similar_names { labels: string[] }[] classes whose names differ in case, accents, spaces or a plural's ending only
---@field few { label: string, images: integer }[] classes of fewer than 10 images
---@field imbalance { most: table, least: table }[] one entry if the largest class has more than 3 times the images of the smallest

--- Makes a table of findings the result of scion.data.doctor.
results.diagnosis = kind("scion.Diagnosis", function(self) return lines(require("scion.report.diagnosis")(self)) end, {
  title = "a diagnosis", fields = { "images", "bytes", "against", "folder", "classes", "broken", "passed_over", "copies", "alike", "two_classes", "leaks", "blank", "small",
                                    "misnamed", "grey", "deep", "cmyk", "transparent", "turned", "similar_names", "few", "imbalance" },
})

-- ---- architectures --------------------------------------------------------------------------------------------------

local file = kind("scion.WeightsFile", function(self) return self.url end)
local files = kind("scion.WeightsFiles", function(self)
  local urls = {}
  for i, entry in ipairs(self) do urls[i] = entry.url end
  return #urls > 0 and lines(urls) or "no files are published"
end)
local variant = kind("scion.Variant", function(self)
  return sentence { self.name .. ": inputs from " .. self.smallest .. " up",
                    "preprocessing " .. (type(self.preprocess) == "string" and self.preprocess or "within the network"), #self.weights .. " files of weights" }
end)
local variants = kind("scion.Variants", lines_of)

--- Makes a list of the variants of an architecture, each with its files.
---@param list scion.Variant[]
---@return scion.Variant[]
function results.variants(list)
  for _, entry in ipairs(list) do
    for _, weights in ipairs(entry.weights) do file(weights) end
    files(entry.weights)
    variant(entry)
  end
  return variants(list)
end

return results
