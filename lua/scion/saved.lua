--- Saved models. A model is saved as one safetensors file. Its metadata holds a format version and, as JSON, the architecture with its
--- preprocessing, the labels and the history (see plain.lua). Loading executes nothing from the file: a layer is rebuilt by looking up
--- its kind among the files of nn/, and everything else is checked before it is used.
local calibration = require "scion.calibration"
local check = require "scion.check"
local core = require "scion.core"
local format = require "scion.weights.format"
local graph = require "scion.graph"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local losses = require "scion.ir.losses"
local match = require "scion.weights.match"
local metrics = require "scion.train.metrics"
local model = require "scion.model"
local nn = require "scion.nn"
local notice = require "scion.report.notice"
local plain = require "scion.plain"
local plan = require "scion.plan"
local reading = require "scion.data.reading"
local results = require "scion.report.results"
local array = require "scion.weights.array"
local safetensors = require "scion.weights.safetensors"

local saved = {}

local format_version = "1"

-- ---- kinds of what is in the file -------------------------------------------------------------------------------------

local counter = check.whole(0, 1 << 53)
local any_text = { what = "a string", read = function(value) return type(value) == "string", value end } -- may be empty, unlike check.text
local draws = check.table_of { seed = { check.whole(), required = true }, stream = { check.whole(), required = true } }

local described_layer = { kind = { check.text, required = true }, name = { check.text, required = true }, options = { check.table, required = true },
                          inputs = { any_text, "" }, origin = { check.table }, frozen = { check.boolean, false }, draws = { draws } }

local described_model = { name = { any_text, "" }, variant = { kinds.variant }, loss = { losses.described }, metrics = { metrics.filed },
                          reading = { reading.kind }, trunk = { check.text },
                          output = { check.text, required = true }, layers = { check.list(check.table), required = true } }

-- unlike check.number, also NaN and infinity
local measured = { what = "a number", read = function(value) return type(value) == "number", value end }

--- The fields that fit writes into an entry of the history. Fields that users add may be of any kind.
local entry_fields = { epoch = counter, loss = measured, accuracy = measured, val_loss = measured, val_accuracy = measured, seconds = measured,
                       images_per_second = measured, lr = measured }

local at_most_zero, at_least_zero = check.number { to = 0 }, check.number { from = 0 }
local measured_range = { node = { check.text, required = true }, channels = { check.whole(1, 1 << 31), required = true }, low = { at_most_zero },
                         high = { at_least_zero }, images = { counter }, wide = { check.boolean } }
local int8_report = { images = { counter, required = true }, compared = { counter, required = true }, cosine = { check.number(), required = true },
                      bound = { check.number(), required = true }, layer = { check.text, required = true }, wide = { check.list(check.text), required = true },
                      convolutions = { counter }, flat = { check.boolean }, seconds = { measured } }
local measured_ranges = { report = { check.table, required = true }, ranges = { check.list(check.table), required = true },
                          means = { check.text, required = true } }

local past = { epoch = { counter, required = true }, steps = { counter, required = true }, entries = { check.table, {} } }

--- Bytes of memory that a byte of a described network may take when the network is rebuilt.
local cost_of_layers = 128

--- Bytes of memory that decoding the metadata may take.
local function cost_of(metadata)
  local described, told, names, found = metadata.architecture or "", metadata.history or "", metadata.labels or "", metadata.int8 or ""
  return math.max(cost_of_layers * #described, core.json_cost(told) + core.json_cost(names) + core.json_cost(found))
end

-- ---- saving ---------------------------------------------------------------------------------------------------------

-- file endings of other formats, and how to get them
local elsewhere = {
  h5 = "model:export writes Keras's .h5", hdf5 = "model:export writes Keras's .h5", keras = "model:export writes Keras's .h5",
  pth = "for PyTorch, model:export writes .safetensors", pt = "for PyTorch, model:export writes .safetensors",
  th = "for PyTorch, model:export writes .safetensors", onnx = "Scion does not write ONNX; model:export writes .safetensors and .h5",
  tflite = "Scion does not write TFLite; model:export writes the .h5 that TensorFlow's converter takes by way of Keras",
}

--- Raises if a path's ending is that of another format.
---@param where string for messages
---@param path string
function saved.check_ending(where, path)
  local ending = path:match "%.(%w+)$"
  local instead = ending and elsewhere[ending:lower()]
  if instead then check.raise(("%s: %s: saved models are .safetensors files, which scion.load reads; %s"):format(where, path, instead)) end
end

--- The graph as plain data: the layers in order, each with the names of its inputs, one per line.
local function architecture(m)
  local layers = {}
  for i, node in ipairs(m.order) do
    local l, inputs = node.layer, {}
    if not utf8.len(l.name) then check.raise(("model:save: the name of layer %s is not UTF-8, which files need"):format(check.show(l.name))) end
    for j, input in ipairs(node.inputs) do inputs[j] = input.layer.name end
    layers[i] = { kind = l.kind, name = l.name, origin = l.origin, options = l.options, inputs = table.concat(inputs, "\n"), frozen = l.frozen,
                  draws = l.kind == "dropout" and { seed = l.seed, stream = l.stream } or nil }
  end
  return { name = m.name or "", variant = m.variant, loss = losses.describe(m.loss), metrics = metrics.in_file(m.metrics), reading = m.reading,
           trunk = m.trunk, output = m.output.layer.name, layers = layers }
end

--- The history, without what a file cannot hold; the names of that are added to `lost`.
local function history(m, lost)
  local entries = {}
  for i, entry in ipairs(type(m.history) == "table" and m.history or {}) do
    local where = ("history[%d]"):format(i)
    local written = plain.write(entry, where, lost)
    if type(entry) ~= "table" then
      lost[#lost + 1] = where
      written = {}
    end
    for key, kind in pairs(entry_fields) do
      if written[key] ~= nil and not kind.read(entry[key]) then
        lost[#lost + 1], written[key] = ("%s.%s"):format(where, key), nil
      end
    end
    entries[i] = written
  end
  local function count(key)
    local ok, n = counter.read(m[key])
    if not ok then lost[#lost + 1] = key end
    return ok and n or 0
  end
  return { epoch = count "epoch", steps = count "steps", entries = entries }
end

--- The labels, or nil if there are none or a file cannot hold them; then `lost` names them.
local function labels(m, lost)
  local ok, list = model.labels_kind(m).read(m.labels)
  for _, label in ipairs(ok and list or {}) do ok = ok and utf8.len(label) ~= nil end
  if m.labels ~= nil and not ok then lost[#lost + 1] = "labels" end
  return ok and { labels = list } or nil
end

--- The ranges that were found for precision int8, and the means of channels, as hexadecimal digits of their bytes; nil where none hold for the
--- weights as they are.
local function int8_state(m)
  local state = calibration.state(m)
  if not state then return nil end
  return { report = state.report, ranges = state.ranges, means = state.means:bytes():gsub(".", function(c) return ("%02x"):format(c:byte()) end) }
end

--- Writes the file. Raises, with the path, if that fails; an old file then remains. Parts of history and labels that a file cannot hold
--- are left out, and a line on standard error says so.
---@param m scion.Model
---@param path string raises if its ending is that of another format, such as .h5 or .pth
function saved.save(m, path)
  saved.check_ending("model:save", path)
  local tensors, lost = {}, {}
  for name, p in graph.parameters(m.order) do tensors[#tensors + 1] = { name = name, tensor = p.tensor } end
  local metadata = { format = "scion", version = format_version, architecture = core.json_encode(architecture(m)) }
  local names = labels(m, lost)
  metadata.history = core.json_encode(history(m, lost))
  local found = int8_state(m)
  metadata.int8 = found and core.json_encode(found)
  for _, name in ipairs(metrics.functions_in(m.metrics)) do lost[#lost + 1] = "metrics." .. name end
  metadata.labels = names and core.json_encode(names)
  local ok, message = safetensors.write(path, tensors, metadata, cost_of(metadata))
  if not ok then check.raise(message) end
  if m.loss and losses.of(m.loss).own then
    notice.once(("%s: the loss, a %s, is remembered by that name alone: give it again to fit and evaluate of the loaded model"):format(path, m.loss.name))
  end
  if #lost > 0 then
    table.sort(lost)
    local shown = table.concat(lost, ", ", 1, math.min(#lost, 8)) .. (#lost > 8 and (" and %d more"):format(#lost - 8) or "")
    notice.once(("%s: left out, as a file cannot hold it or another kind is expected: %s"):format(path, shown))
  end
end

-- ---- loading --------------------------------------------------------------------------------------------------------

--- One part of the metadata, decoded. Raises, with the path, if it is missing or damaged.
local function part(metadata, key, path)
  local text = metadata[key]
  if not text then check.raise(("%s: not a model saved by Scion ('%s' is missing)"):format(path, key)) end
  local value, message = core.json_decode(text)
  if type(value) ~= "table" then check.raise(("%s: the metadata's '%s' is damaged: %s"):format(path, key, message or "not an object")) end
  return value
end

--- An error that was raised while a file was read, in words for users. Messages of Lua itself, and those with a position in the code, come
--- from values that the checks let pass, and would not help users.
local function reason(raised)
  local message = tostring(raised)
  local own = message:find "%.lua:%d+: " or message:find "^attempt to " or message:find "^bad argument "
  return own and "what the file describes makes no sense" or message
end

-- Makes the layer from its description, and adds its node to `nodes` by its name. Its inputs must be there already.
local function rebuild_layer(description, nodes)
  local kind, name = description.kind, description.name
  if not kind:find "^[a-z][a-z0-9_]*$" then check.raise(("scion.nn has no layer %s"):format(check.show(kind))) end
  if nodes[name] then check.raise(("two layers are named %s"):format(check.show(name))) end
  local given = { name = name, origin = description.origin }
  for key, value in pairs(description.options) do given[key] = value end
  local known, constructor = check.try(function() return nn[kind] end)
  if not known or not check.callable.read(constructor) then check.raise(("scion.nn has no layer %s"):format(check.show(kind))) end
  local made = constructor(given)
  if kind ~= "input" then
    local inputs = {}
    for input in description.inputs:gmatch "[^\n]+" do
      inputs[#inputs + 1] = nodes[input] or check.raise(("its input %s is not described before it"):format(check.show(input)))
    end
    made = made(inputs)
  end
  -- a block: `made` is the node of its last layer, of another kind
  if made.layer.kind ~= kind then check.raise(("%s is no kind of layer"):format(check.show(kind))) end
  made.layer.frozen = description.frozen
  if kind == "dropout" and description.draws then made.layer.seed, made.layer.stream = description.draws.seed, description.draws.stream end
  nodes[name] = made
end

--- Rebuilds the model. plan.operations runs the analysis of an inference, so that a graph that cannot be computed raises here.
local function rebuild(given)
  local description, nodes = check.options("the model", given, described_model), {}
  for i, l in ipairs(description.layers) do
    local title = type(l.name) == "string" and "layer " .. check.show(l.name) or ("layer %d"):format(i)
    local read = check.options(title, l, described_layer)
    local ok, message = check.try(rebuild_layer, read, nodes)
    if not ok then check.raise(("%s: %s"):format(title, reason(message))) end
  end
  local output = nodes[description.output] or check.raise("the output layer is not described")
  local made = model.new { output = output, name = description.name ~= "" and description.name or nil }
  made.variant, made.loss, made.reading, made.trunk = description.variant, description.loss, description.reading, description.trunk
  made.metrics = description.metrics
  plan.operations(made.order, made.output)
  return made
end

--- A network of the same architecture as a model, with new initial weights, drawn as if it were built by a script.
---@param m scion.Model
---@return scion.Model
function saved.anew(m) return rebuild(core.json_decode(core.json_encode(architecture(m)))) end

--- The entries of the history, checked. Raises without the path, which the caller adds.
local function read_entries(entries)
  local list = check.argument("the history", "entries", entries, check.list(check.table))
  for i, entry in ipairs(list) do
    list[i] = plain.read(entry)
    for key, kind in pairs(entry_fields) do
      if list[i][key] ~= nil then check.argument(("the history's entry %d"):format(i), key, list[i][key], kind) end
    end
  end
  return list
end

local function read_history(m, given)
  local read = check.options("the history", given, past)
  m.epoch, m.steps, m.history = read.epoch, read.steps, results.history(read_entries(read.entries))
end

--- Takes back the ranges for precision int8. Raises without the path.
local function read_int8(m, given)
  local read, nodes, total = check.options("what was found for int8", given, measured_ranges), {}, 0
  for _, node in ipairs(m.order) do nodes[node.layer.name] = node end
  for i, each in ipairs(read.ranges) do
    local range = check.options(("its range %d"):format(i), each, measured_range)
    local node = nodes[range.node] or check.raise(("its range %d is of layer %s, which there is not"):format(i, check.show(range.node)))
    if #node.shape ~= 3 or node.shape[3] ~= range.channels or (range.low == nil) ~= (range.high == nil) then
      check.raise(("the range of layer %s does not fit it"):format(range.node))
    end
    read.ranges[i], total = range, total + range.channels
  end
  local bytes = #read.means == 8 * total and not read.means:find "%X" and read.means:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)
  local means = bytes and core.from_bytes(bytes, { total }, "f32")
  if not means or not core.finite(means) then check.raise("the means of channels are damaged") end
  calibration.restore(m, { report = check.options("its report", read.report, int8_report), ranges = read.ranges, means = means })
end

--- Calls f, which reads a part of a file. If it raises, the message is raised again with the path and `what` in front.
local function of_file(path, what, f, ...)
  local ok, result = check.try(f, ...)
  if not ok then check.raise(("%s: %s: %s"):format(path, what, reason(result))) end
  return result
end

local names = { hdf5 = "weights of Keras (HDF5)", zip = "weights in an archive (.keras or .pth)", pickle = "weights of PyTorch (.pth)",
                safetensors = "weights without a model (safetensors)" }

local function refuse_weights(path, kind)
  check.raise(("%s: these are %s, not a model saved by Scion; give the file to scion.models.*{ weights = %s } or model:load_weights(%s)"):format(
    path, names[kind], check.show(path), check.show(path)))
end

--- Reads the arrays of the open file into the model's tensors. Raises, with the path, unless the file has exactly the arrays that the model
--- needs.
local function load_arrays(m, path, arrays)
  local report, matched = match.compare(path, arrays, safetensors.expected(graph.layers(m.order)))
  local problem = report:problem()
  if problem then check.raise(("%s: %s"):format(path, problem)) end
  local read, message = match.read(matched)
  if not read then check.raise(message) end
end

--- Reads a file that model:save wrote. Raises, with the path, if the file is missing or damaged, or if the model could not be used: options
--- of layers, labels and history must be valid, and an inference must be possible.
---@param path string
---@return scion.Model
function saved.load(path)
  path = check.argument("scion.load", "its argument", path, check.path)
  local kind = format.of(path)
  if kind ~= "safetensors" then refuse_weights(path, kind) end
  -- one open file for metadata and arrays: another process may replace the file while it is read
  local arrays <close>, message = safetensors.arrays(path)
  if not arrays then check.raise(message) end
  local metadata = arrays.metadata
  format.refuse_checkpoint(path, metadata)
  if metadata.format ~= "scion" then refuse_weights(path, kind) end
  if metadata.version ~= format_version then
    check.raise(("%s: format version %s is not known to this version of Scion, which reads %s"):format(path, tostring(metadata.version), format_version))
  end
  if cost_of(metadata) > array.allowance_of(arrays.bytes) then
    check.raise(("%s: damaged, or forged: what it describes would take more than twice the memory of the file"):format(path))
  end
  local description, history_of = part(metadata, "architecture", path), part(metadata, "history", path)
  local function build() return rebuild(description) end
  local m = of_file(path, "the architecture cannot be rebuilt", layer.without_initial_values, build, array.allowance_of(arrays.bytes))
  load_arrays(m, path, arrays)
  for _, name in ipairs(metrics.functions_in(description.metrics)) do
    notice.once(("%s: it was trained with the metric '%s', a function, which a file cannot hold: give it again with the option metrics"):format(path, name))
  end
  of_file(path, "the history cannot be used", read_history, m, history_of)
  if metadata.labels then
    m.labels = of_file(path, "the labels cannot be used", check.argument, "the model", "labels", part(metadata, "labels", path).labels, model.labels_kind(m))
  end
  if metadata.int8 then of_file(path, "what was found for precision \"int8\" cannot be used", read_int8, m, part(metadata, "int8", path)) end
  m.trained_before = m.steps > 0
  return m
end

return saved
