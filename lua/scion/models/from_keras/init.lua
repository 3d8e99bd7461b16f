--- Builds a model from what a Keras file says of it, and loads its weights: see scion.models.from_keras.
local array = require "scion.weights.array"
local check = require "scion.check"
local core = require "scion.core"
local graph = require "scion.models.from_keras.graph"
local keras = require "scion.weights.keras"
local keras_config = require "scion.weights.keras_config"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local lfs = require "lfs"
local model = require "scion.model"
local notice = require "scion.report.notice"
local origin = require "scion.weights.origin"
local plan = require "scion.plan"
local preprocessing = require "scion.preprocessing"

local where = "scion.models.from_keras"

local schema = { input = { kinds.pair }, preprocess = { preprocessing.kind } }

local unchanged = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false }

--- The open file; raises, with the path, where it holds no model of Keras's.
local function open(path, told)
  if told.library ~= "keras" then
    check.raise(path .. ": this is no file of Keras's; scion.models.*{ weights = path } and model:load_weights(path) take weights of other libraries, and " ..
      "scion.load takes saved models")
  end
  if told.trouble then check.raise(told.trouble) end
  if told.keras.config then return told.keras end
  if told.keras.damaged then check.raise(("%s: %s; copy or download the file again"):format(path, told.keras.damaged)) end
  if told.keras.subclassed then check.raise(("%s: %s"):format(path, require("scion.weights.keras_own").described(told.keras))) end
  check.raise(path .. ": the file has weights but no description of a model; in Keras, " ..
    "model.save('net.keras') stores both, and scion.models.*{ weights = path } loads weights alone")
end

--- A preprocessing that the file's attribute tells, as model:export writes it; nil where there is none.
local function told_preprocessing(file)
  local text = file:has("/", "preprocessing") and file:attribute("/", "preprocessing")
  local value = type(text) == "string" and core.json_decode(text)
  local ok, read = preprocessing.kind.read(value or nil)
  return ok and read or nil
end

--- What is told once about a model that was built: sentences.
local function notes_of(built, assumed, rescaled)
  local notes = {}
  local function list(format, names)
    table.sort(names)
    if #names > 0 then notes[#notes + 1] = format:format(table.concat(names, ", ", 1, math.min(#names, 8)) .. (#names > 8 and (" and %d more"):format(#names - 8) or "")) end
  end
  list("left out, as they do nothing in a prediction: %s", built.left_out)
  list("options that are not known here are passed over: %s", built.unknown)
  if assumed then
    notes[#notes + 1] = "the model does not say how it was given images; values from 0 to 255 were assumed, and preprocess = 'tf', 'torch', 'caffe' or 'unit' says " ..
      "it otherwise"
  end
  if rescaled then notes[#notes + 1] = "the model rescales images itself, behind what the option preprocess does; leave the option out where that is once too often" end
  return notes
end

--- Builds the model and reads the weights into it.
local function build(opened, o)
  local path = opened.path
  local trained, in_predictions = require "scion.weights.keras_training"(opened)
  if in_predictions then check.raise(("%s: %s"):format(path, trained)) end
  local told = o.preprocess or told_preprocessing(opened.file)
  local function network()
    local output, built = graph(opened.config, { input = o.input and layer.pair(o.input), preprocess = told or unchanged, older = opened.older })
    local name = opened.config.name
    local made = model.new { output = output, name = name and check.text.read(name) and utf8.len(name) and name or nil }
    plan.operations(made.order, made.output) -- raises where the graph cannot be computed
    return { made, built }
  end
  local ok, result = check.try(layer.without_initial_values, network, array.allowance_of(lfs.attributes(path, "size") or 0))
  if not ok then check.raise(("%s: %s"):format(path, result)) end
  local made, built = table.unpack(result)
  local report, message = keras.load(opened, built.weighted, true, nil, built.described)
  if not report then check.raise(message) end
  local front = keras_config.front(opened.config)
  local notes = notes_of(built, not told and not built.reversed and not front, o.preprocess and front)
  notes[#notes + 1] = trained
  for _, line in ipairs(notes) do
    report:note(line)
    notice.once(("%s: %s"):format(path, line))
  end
  local labels = opened.file:has("/", "labels") and opened.file:attribute("/", "labels")
  local fits, read = model.labels_kind(made).read(labels or nil)
  made.labels = fits and read or nil
  return made, report
end

return function(path, given)
  path = check.argument(where, "its first argument", path, check.path)
  local o = check.options(where, given, schema)
  local told <close> = origin.of(path)
  return build(open(path, told), o)
end
