--- model:predict: labels and confidences for files, tensors and data sets.
local check = require "scion.check"
local core = require "scion.core"
local options = require "scion.options"
local pass = require "scion.cache.pass"
local results = require "scion.report.results"

local predict = {}

--- Runs the model over batches of images and calls emit(output, n, indices, failures) for each; output is a view that holds until
--- the next batch. cache: as pass.options gives it; nil: none.
---@param model scion.Model
---@param data scion.Dataset
---@param given { batch: integer?, cache: scion.CacheOptions|false|nil }
---@param emit fun(output: scion.Tensor?, n: integer, indices: scion.Tensor?, failures: table?, labels: scion.Tensor?)
function predict.run(model, data, given, emit)
  local as_they_are = { shuffle = false, augment = false, batch = given.batch, whole = true }
  for images, labels, indices, failures, from in pass.batches(model, data, 0, given.cache or false, as_they_are) do
    local n = images and images:shape()[1] or 0
    if n == 0 then
      emit(nil, 0, indices, failures, labels)
    elseif from == model.output then
      emit(images, n, indices, failures, labels)
    else
      local plan = model:plan_for { mode = "infer", batch = math.max(n, given.batch or data.batch or n), input_dtype = images:dtype(), from = from }
      if not model:execute(plan, { images = images }) then return end
      emit(core.place(model.arena, plan.output, n), n, indices, failures, labels)
    end
  end
end

--- A data set over whatever a user gives: a file, a list of files, a tensor of images, or a data set.
---@param model scion.Model
---@param x string|string[]|scion.Tensor|scion.Dataset
---@param batch integer?
---@return scion.Dataset
function predict.dataset(model, x, batch)
  if type(x) == "table" and x.batches then return x end
  local data = require "scion.data"
  local size = { model.input.shape[1], model.input.shape[2] }
  if type(x) == "string" then x = { x } end
  if type(x) == "userdata" then return data.tensors(x, nil, { batch = batch or 32 }) end
  if type(x) ~= "table" then check.raise("predict takes a file, a list of files, a tensor of images or a data set, not a " .. type(x)) end
  return data.files(x, { size = size, batch = batch or 32 })
end

--- The `top` most probable classes of one row of probabilities.
local function ranked(probabilities, label_of, top)
  local list = {}
  for i, p in ipairs(probabilities) do list[i] = { label = label_of(i), confidence = p } end
  table.sort(list, function(a, b) return a.confidence > b.confidence end)
  for i = #list, top + 1, -1 do list[i] = nil end
  return list
end

--- One entry from the outputs of one example.
local function entry_of(model, row, top)
  local function label_of(i) return model.labels and model.labels[i] or i end
  local activation = model.output.layer.options.activation
  if activation ~= "softmax" and activation ~= "sigmoid" then return { output = row } end
  if #row == 1 and activation == "sigmoid" then row = { 1 - row[1], row[1] } end
  local best = ranked(row, label_of, top or 1)
  return { label = best[1].label, confidence = best[1].confidence, top = top and best or nil }
end

--- A list with an entry for each image: file (where there is one), label and confidence, `top` on request; or error, for a file
--- that cannot be read. A network that ends in neither softmax nor sigmoid gives `output`, the numbers.
---@param model scion.Model
---@param x string|string[]|scion.Tensor|scion.Dataset
---@param given { batch: integer?, top: integer? }
---@return { file: string?, label: string|integer, confidence: number, error: string?, top: table?, output: number[]? }[]
function predict.predict(model, x, given)
  options.check("predict", given, { batch = false, top = false })
  local data, list = predict.dataset(model, x, given.batch), {}
  predict.run(model, data, { batch = given.batch }, function(output, n, indices, failures)
    local rows = n > 0 and output:totable() or {}
    local positions = n > 0 and indices:totable() or {}
    for i, row in ipairs(rows) do list[positions[i] + 1] = entry_of(model, row, given.top) end
    for _, failure in ipairs(failures or {}) do list[failure.index] = { error = failure.message } end
  end)
  for i, entry in pairs(list) do entry.file = data.files and data.files[i] end
  return results.predictions(list)
end

return predict
