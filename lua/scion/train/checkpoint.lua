--- Checkpoints of a fit: one file from which the same call goes on, to the same bits. It holds all that changes while a fit runs: weights,
--- moving averages, what is frozen, the optimizers' state, where in the epoch the fit is, the sums of that epoch, the history, and the
--- state of callbacks. What a run is of (network, data, options) is noted, too, and compared.
local calibration = require "scion.calibration"
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local events = require "scion.train.events"
local pipeline = require "scion.data.pipeline"
local metrics = require "scion.train.metrics"
local folder = require "scion.folder"
local graph = require "scion.graph"
local plain = require "scion.plain"
local precision = require "scion.precision"
local reading = require "scion.data.reading"
local record = require "scion.train.record"
local results = require "scion.report.results"
local schedule = require "scion.train.schedule"
local shape = require "scion.shape"
local safetensors = require "scion.weights.safetensors"
local weights_format = require "scion.weights.format"

local checkpoint = {}

local format, version = weights_format.of_checkpoints, "2"

---@class scion.ResumeOptions
---@field [1] string the file
---@field every? integer after how many steps it is written, too; it always is after an epoch and after Ctrl-C (never)

local every = check.whole(1, (1 << 53))

--- The option `resume`.
checkpoint.kind = check.kind("the path of a file, or { path, every = steps }", function(value)
  if check.path.read(value) then return true, { path = value } end
  if type(value) ~= "table" or getmetatable(value) ~= nil then return false end
  local given, path = {}, rawget(value, 1)
  for key, v in next, value do given[key] = key ~= 1 and v or nil end
  local ok, o = check.try(check.options, "", given, { every = { every } })
  if not ok then return false, nil, o end
  if not check.path.read(path) then return false, nil, ("is the path of a file, or { path, every = steps }, and the path is %s"):format(check.show(path)) end
  o.path = path
  return true, o
end)

-- ---- plain data with tensors ----------------------------------------------------------------------------------------

local mark = "tensor of this file" -- the key that stands for a tensor in the JSON text

local deepest = 30 -- levels of nested tables

--- Raises that a callback tells of its state what a file cannot hold.
local function refuse(name)
  local number, rest = name:match "^state/callbacks/(%d+)(.*)$"
  check.raise(("fit: resume: callbacks: the state of callback %s holds what a file cannot keep%s: it may have numbers, UTF-8 strings, booleans, tensors, lists " ..
               "and tables with names of them"):format(number or "?", rest and rest ~= "" and " (" .. rest:sub(2) .. ")" or ""))
end

--- A copy for JSON, with names in place of tensors, which are added to a list.
local function pack(value, name, tensors, depth)
  if check.tensor.read(value) then
    tensors[#tensors + 1] = { name = name, tensor = value }
    return { [mark] = name }
  end
  if type(value) ~= "table" then
    local lost = {}
    local written = plain.write(value, name, lost)
    return lost[1] and refuse(name) or written
  end
  if depth > deepest or plain.is_object(value) then refuse(name) end
  local copy, listed = {}, rawlen(value) > 0
  for key, v in next, value do
    if listed and not (math.type(key) == "integer" and key >= 1 and key <= rawlen(value)) or not listed and type(key) ~= "string" then refuse(name) end
    copy[key] = pack(v, name .. "/" .. tostring(key), tensors, depth + 1)
  end
  return copy
end

local function unpack_from(value, tensors)
  if type(value) ~= "table" then return plain.read(value) end
  if value[mark] then return tensors[value[mark]] end
  local copy = {}
  for key, v in next, value do copy[key] = unpack_from(v, tensors) end
  return copy
end

-- ---- what a run is of -----------------------------------------------------------------------------------------------

--- Eight hexadecimal digits that tell texts from each other.
local function hash(text) return ("%08x"):format((string.unpack("<I4", core.hash(text)))) end

local function as_json(options) return core.json_encode(plain.write(options, "", {}) or {}) end

--- A data set's examples and how they are drawn: as words, and as hashes of what is too long for them.
local function of_data(data)
  if not dataset.is(data) then return ("%d examples of a data set of your own"):format(#data) end
  local words, root = { ("%d examples, batch %d, seed %d, shuffle = %s"):format(#data, data.batch, data.seed, tostring(data.shuffle)) }, data.path and #data.path or 0
  local function add(name, parts)
    if #parts > 0 then words[#words + 1] = ("%s %s"):format(name, hash(table.concat(parts, "\n"))) end
  end
  local files, changes, labels = {}, {}, table.move(data.labels or {}, 1, #(data.labels or {}), 1, {})
  for i, file in ipairs(data.files or {}) do files[i] = root > 0 and file:sub(root + 1) or file end
  for i, change in ipairs(data.augment and pipeline.list(data.augment) or {}) do changes[i] = change.name .. " " .. as_json(change.options) end
  local known = data.classes or data.soft or data.multi or data.targets
  labels[#labels + 1] = known and core.hash(known) or nil
  add("files", files)
  add("images", { not data.files and core.hash(data.values or data.images) or nil })
  add("labels", labels)
  add("augmentation", changes)
  return table.concat(words, ", ")
end

local function of_model(model)
  local parts, weights = {}, 0
  for _, node in ipairs(model.order) do parts[#parts + 1] = node.layer.kind .. " " .. node.layer.name .. " " .. as_json(node.layer.options) end
  for name, p in graph.parameters(model.order) do
    parts[#parts + 1], weights = name .. " " .. shape.text(p.tensor:shape()), weights + 1
  end
  return ("%d layers, %d weights (%s)"):format(#model.order, weights, hash(table.concat(parts, "\n")))
end

--- The callbacks that keep something, a line each: their state is given back to them by their order. Those that only write logs do not count.
local function of_callbacks(run)
  local texts = {}
  for _, callback in ipairs(run.callbacks) do
    if callback.state and not events.only_logs(callback) then texts[#texts + 1] = events.text(callback) end
  end
  return texts[1] and table.concat(texts, "\n") or "none"
end

--- How two such texts differ: what only one of them has, or that the order is another.
local function difference(noted, here)
  local count, parts = {}, {}
  local function add(text, step)
    for line in (text ~= "none" and text or ""):gmatch "[^\n]+" do
      if not count[line] then count[line], count[#count + 1] = 0, line end
      count[line] = count[line] + step
    end
  end
  add(noted, -1)
  add(here, 1)
  for _, line in ipairs(count) do
    if count[line] ~= 0 then parts[#parts + 1] = ("%s %s"):format(count[line] < 0 and "without" or "with", line) end
  end
  return parts[1] and "now " .. table.concat(parts, ", ") or "now in another order"
end

local shards_of_a_batch = "number of shards of a batch"
local list_of_callbacks = "list of callbacks that keep something"

--- What a run is of, but for its optimizers and stages, in the order in which it is compared: { name in messages, text }. It stays the same,
--- so that it is made once: the names of all files are in it.
local function of_run(run)
  run.identity = run.identity or {
    { "network", of_model(run.model) }, { "data set", of_data(run.data) }, { "loss", tostring(run.loss_kind) }, { "precision", run.precision },
    { "accumulate", tostring(run.accumulate) }, { "clip", run.clip and ("norm %s, value %s"):format(run.clip.norm or "-", run.clip.value or "-") or "none" },
    { "class_weights", run.class_weights and table.concat(run.class_weights:totable(), " ") or "none" },
    { "list of metrics", metrics.names(run.metrics) }, { "validation set", run.validate and of_data(run.validate) or "none" },
    { list_of_callbacks, of_callbacks(run) },
  }
  return run.identity
end

local function way_of_reading(data) return dataset.is(data) and reading.text(reading.of(data)) or "your own" end

--- Eight digits that tell a model's weights from others.
---@param model scion.Model
---@return string
function checkpoint.of_weights(model)
  local weights = {}
  for name, p in graph.parameters(model.order) do weights[#weights + 1] = name .. core.hash(p.tensor) end
  return hash(table.concat(weights))
end

local function fact_of_weights(model)
  return { "set of weights", checkpoint.of_weights(model), "scion.seed takes the same number on all of them, and so do they take the same file of weights",
           last_bits = true }
end

--- What all processes of a pass without training have to have in common, but for the instruction set.
---@param model scion.Model
---@param data scion.Dataset
---@param batch integer?
---@param as string the precision, as precision.in_use gives it
---@return { [1]: string, [2]: string }[]
function checkpoint.facts_of(model, data, batch, as)
  return { { "network", of_model(model) }, { "data set", of_data(data) }, { "way of reading images", way_of_reading(data) },
           { "batch", tostring(batch or data.batch) }, { "precision", as }, fact_of_weights(model) }
end

--- Into how many parts a batch is cut, and how their sums are sent.
local function shards_of(run)
  return run.team and run.team.parts .. (run.team.halves and ", sums in bf16" or "") or "none, since one process has computed it"
end

--- Of what an optimizer has gathered in steps before.
local function of_optimizer(run)
  local tensors = {}
  local words = { as_json(pack(run.first_optimizer:state(run.model.order), "optimizer", tensors, 0)) }
  for _, each in ipairs(tensors) do words[#words + 1] = core.hash(each.tensor) end
  return hash(table.concat(words, "\n"))
end

local function what_is_frozen(model)
  local words = {}
  for i, layer in ipairs(graph.layers(model.order)) do words[i] = ("%s %s"):format(layer.name, layer.frozen and "frozen" or "thawed") end
  return table.concat(words, ", ")
end

--- What all processes of a run have to have in common, but for the instruction set.
---@param run scion.Run
---@return { [1]: string, [2]: string }[]
function checkpoint.facts(run)
  local list = table.move(of_run(run), 1, #of_run(run), 1, {})
  for i = 1, #run.stages do list[#list + 1] = { run.by_schedule and "stage " .. i or "number of epochs, or optimizer", schedule.identity(run.stages[i]) } end
  list[#list + 1] = { "optimizer", run.first_optimizer.made }
  list[#list + 1] = { "way of reading images", way_of_reading(run.data) .. (run.validate and "; " .. way_of_reading(run.validate) or "") }
  list[#list + 1] = { shards_of_a_batch, tostring(run.team and run.team.parts) }
  list[#list + 1] = { "wire", run.team and run.team.halves and "bf16" or "f32" }
  list[#list + 1] = { "cache", as_json(run.given_cache or false) }
  list[#list + 1] = fact_of_weights(run.model)
  list[#list + 1] = { "optimizer's state", of_optimizer(run) }
  list[#list + 1] = { "state of training", ("epoch %d, step %d"):format(run.model.epoch, run.model.steps) }
  list[#list + 1] = { "choice of what is frozen", what_is_frozen(run.model) }
  list[#list + 1] = { "file in resume", run.resume and run.resume.path or "none" }
  return list
end

--- What a checkpoint is of that is written, or was, in a stage. The later ones may still be changed.
local function identity(run, stage)
  local list = table.move(of_run(run), 1, #of_run(run), 1, {})
  list[#list + 1] = { shards_of_a_batch, shards_of(run) }
  for i = 1, stage do
    list[#list + 1] = { run.by_schedule and "stage " .. i or "optimizer", run.by_schedule and schedule.identity(run.stages[i]) or run.first_optimizer.made }
  end
  return list
end

-- By model: which run has trained it last in this process, { path, first_epoch, entries }. It goes on, too, where it has come further than
-- the file, which could not be written.
local trained_by = setmetatable({}, { __mode = "k" })

--- Notes that another fit than that of a file trains a model.
---@param model scion.Model
function checkpoint.forget(model) trained_by[model] = nil end

--- Whether a model has been trained by the run of a file, in this process.
local function is_of_run(path, model, state)
  local last = trained_by[model]
  if last and last.path == path and last.first_epoch == state.first_epoch and last.entries == state.entries then return true end
  return model.epoch == state.epoch and #model.history == state.entries + #state.history
end

--- Whether stage number i is that of the file: as it is here it was given to the fit that wrote the file, and perhaps changed while that ran, as
--- by a callback; or it is as it was when the file was written. The one in which it was written may have been given more epochs since, or
--- fewer, if those are not over.
local function same_stage(i, of, was, here, state)
  local function without_epochs(text) return (text:gsub("^%d+ epochs?, ", "")) end
  if was == here or state.given and state.given[i] == here then return true end
  return i == state.run.stage and was ~= nil and without_epochs(was) == without_epochs(here) and
           of.epochs >= state.run.stage_epochs + (state.run.epoch_begun and 1 or 0)
end

--- What stages were changed to while the fit ran, by stage, where they are given as they were then. Raises if one had another optimizer, which no
--- file can hold.
local function changed_stages(run, state)
  local changed = {}
  for i, fields in ipairs(run.by_schedule and state.stages_now or {}) do
    local stage = run.stages[i]
    if stage and schedule.identity(stage) == state.given[i] then
      if (stage.optimizer and stage.optimizer.made) ~= fields.optimizer then
        check.raise(("fit: resume: stage %d had another optimizer, %s, which was given to it while the fit ran: make it with that one, and the fit goes on"):format(
          i, fields.optimizer or "that of the stage before"))
      end
      changed[stage] = fields
    end
  end
  return changed
end

--- Raises if a checkpoint is of another run.
local function compare(path, run, state)
  local noted, model, stage = state.of, run.model, math.min(state.run.stage or 1, #run.stages)
  if run.first_epoch ~= state.first_epoch and not is_of_run(path, model, state) then
    check.raise(("fit: resume: %s is of a model that had been trained for %d epochs before, and this one has been for %d: give this fit a file of " ..
                 "its own, or delete it to begin anew"):format(path, state.first_epoch, run.first_epoch))
  end
  for _, pair in ipairs(identity(run, stage)) do
    local name, here = pair[1], pair[2]
    local number = tonumber(name:match "^stage (%d+)$")
    local same = number and same_stage(number, run.stages[number], noted[name], here, state)
    if noted[name] ~= here and not same and not (name == shards_of_a_batch and not noted[name] and not run.team) then -- older files do not note it
      local was = tostring(noted[name] or "none")
      local how = name == shards_of_a_batch and not run.team and " (mpirun, with any number of processes, and distributed = comm)" or ""
      check.raise(("fit: resume: %s is of a run with another %s (%s): go on with what it is of%s, give this run a file of its own, or delete it to begin anew"):format(
        path, name, name == list_of_callbacks and difference(was, here) or ("%s; now %s"):format(was, here), how))
    end
  end
end

--- A hash of all that a file holds: a damaged one must not be gone on with.
local function hash_of(tensors, state)
  local parts, list = { state }, table.move(tensors, 1, #tensors, 1, {})
  table.sort(list, function(a, b) return a.name < b.name end)
  for _, each in ipairs(list) do parts[#parts + 1] = each.name .. "\0" .. core.hash(each.tensor) end
  return (core.hash(table.concat(parts, "\0")):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- ---- one fit at a time -----------------------------------------------------------------------------------------------

--- Sees that a run's file can be written, and keeps other fits from it, in this process and in others, until the result is closed.
---@param run scion.Run
---@return userdata? lock to be closed; nil of a run without a file
function checkpoint.lock(run)
  local path = run.resume and run.resume.path
  if not path or not folder.writes then return nil end
  local can, message = folder.can_write(path)
  if not can then check.raise("fit: resume: " .. message) end
  local lock, why = core.try_lock(path .. ".lock")
  if lock == nil then check.raise("fit: resume: " .. why) end
  if not lock then
    check.raise(("fit: resume: another fit goes on with %s now: wait until it ends, or give this fit a file of its own"):format(path))
  end
  return lock
end

-- ---- writing --------------------------------------------------------------------------------------------------------

--- Seeds and streams of layers that draw.
local function draws_of(model)
  local draws = {}
  for _, node in ipairs(model.order) do
    if node.layer.kind == "dropout" then draws[node.layer.name] = { node.layer.seed, node.layer.stream } end
  end
  return draws
end

--- All optimizers of the run, each once.
local function optimizers_of(run)
  local list, seen = { run.first_optimizer }, { [run.first_optimizer] = true }
  for _, stage in ipairs(run.stages) do
    local optimizer = stage.optimizer
    if optimizer and not seen[optimizer] then list[#list + 1], seen[optimizer] = optimizer, true end
  end
  return list
end

-- of the run itself: numbers, strings and booleans
local plain_fields = { "stage", "stage_begun", "stage_epochs", "stage_best", "stage_wait", "epoch", "epoch_begun", "step", "position", "seconds", "loss", "stopped",
                       "batch" }

local function state_of(run)
  local state = { first_epoch = run.first_epoch, entries = run.entries_before, run = {}, of = {},
                  epoch = run.model.epoch, steps = run.model.steps, frozen = run.model:freeze_state(),
                  draws = draws_of(run.model) }
  for _, field in ipairs(plain_fields) do state.run[field] = run[field] end
  if run.by_schedule then
    state.given, state.stages_now = run.stages_given, {}
    for i = 1, #run.stages do state.stages_now[i] = schedule.plain(run.stages[i]) end
  end
  for _, pair in ipairs(identity(run, run.stage)) do state.of[pair[1]] = pair[2] end
  state.history = {}
  for i, entry in ipairs(run.history) do state.history[i] = plain.write(entry, "history", {}) end
  state.stages = plain.write(record.state(run), "stages", {})
  state.sums = run.epoch_begun and run.sums:state() or nil
  state.optimizers = {}
  for i, optimizer in ipairs(optimizers_of(run)) do state.optimizers[i] = optimizer:state(run.model.order) end
  state.callbacks, state.logs = events.states(run)
  state.int8 = precision.parts(run.precision) == "int8" and calibration.state(run.model) or nil
  return state
end

--- Writes the file of a run. Raises if that fails; an older file then remains.
---@param run scion.Run
function checkpoint.write(run)
  if run.team and run.team.comm.rank > 0 then return end
  local path, tensors = run.context:path(run.resume.path), {}
  for name, p in graph.parameters(run.model.order) do tensors[#tensors + 1] = { name = "weights/" .. name, tensor = p.tensor } end
  local state = core.json_encode(pack(state_of(run), "state", tensors, 0))
  local ok, message = safetensors.write(path, tensors, { format = format, version = version, state = state, hash = hash_of(tensors, state) })
  if not ok then check.raise("fit: resume: " .. message) end
end

--- The callback that writes the file of a run: after each epoch and, if `every` is given, after so many steps. It has to be the last one.
---@param run scion.Run
---@return scion.Callback
function checkpoint.callback(run)
  local o, steps = run.resume, 0
  trained_by[run.model] = { path = o.path, first_epoch = run.first_epoch, entries = run.entries_before }
  local function write()
    steps = 0
    checkpoint.write(run)
  end
  local function count()
    steps = steps + 1
    if steps >= o.every then write() end
  end
  return { step_ends = o.every and count or nil, epoch_ends = write, only_tells = true }
end

-- ---- reading --------------------------------------------------------------------------------------------------------

local anew = "; delete it to begin anew"

local function damaged(path, what) check.raise(("fit: resume: %s is damaged: %s%s"):format(path, what, anew)) end

local no_such_file = 2 -- ENOENT: one that is there and cannot be opened now is not to be begun anew

--- Reads the file; nil if there is none. Raises if it cannot be read, and if it is no checkpoint.
local function read(path)
  local file, why, code = io.open(path, "rb")
  if not file and code == no_such_file then return nil end
  if not file then
    local limit = core.file_limit()
    check.raise("fit: resume: " .. (limit and ("%s: %s"):format(path, limit) or why))
  end
  file:close()
  local tensors, metadata = safetensors.read(path)
  if not tensors then check.raise(("fit: resume: %s; if it is a checkpoint, it is damaged: delete it to begin anew; else give another path"):format(
    (metadata:gsub("; download or copy it again$", "")))) end
  if metadata.format ~= format then
    local what = metadata.format == "scion" and ", but a saved model, which scion.load reads" or ""
    check.raise(("fit: resume: %s is no checkpoint of a fit%s; give another path, or delete it to begin anew"):format(path, what))
  end
  if metadata.version ~= version then
    check.raise(("fit: resume: %s: version %s of checkpoints is not known, only %s%s"):format(path, tostring(metadata.version), version, anew))
  end
  local state, message = core.json_decode(metadata.state or "")
  if type(state) ~= "table" then damaged(path, message or "it has no state") end
  local list = {}
  for name, tensor in pairs(tensors) do list[#list + 1] = { name = name, tensor = tensor } end
  if hash_of(list, metadata.state) ~= metadata.hash then damaged(path, "its contents are not those that were written") end
  return unpack_from(state, tensors), tensors
end

--- The same of rank 0's file, on all processes.
local function read_first(run, path)
  if not run.team then return read(path) end
  local there, done = run.team.comm:file_of_first(path)
  if not there then return nil end
  local ok, state, tensors = pcall(read, there)
  done()
  if not ok then error(state, 0) end
  return state, tensors
end

--- The tensors of the model with those of the file. Raises if one is missing or has another shape.
local function weights_of(path, model, tensors)
  local pairs_of = {}
  for name, p in graph.parameters(model.order) do
    local from = tensors["weights/" .. name]
    if not from or from:dtype() ~= "f32" or not shape.equal(from:shape(), p.tensor:shape()) then damaged(path, name .. " does not fit") end
    pairs_of[#pairs_of + 1] = { from, p.tensor }
  end
  return pairs_of
end

local function restore_model(run, state)
  local model = run.model
  run.first_epoch, run.entries_before = state.first_epoch, state.entries
  for i = #model.history, state.entries + 1, -1 do model.history[i] = nil end -- of the same run, in this process
  model.epoch, model.steps = state.epoch, state.steps
  for i, node in ipairs(model.order) do
    node.layer.frozen = state.frozen:sub(i, i) == "f"
    local draws = state.draws[node.layer.name]
    if draws then node.layer.seed, node.layer.stream = draws[1], draws[2] end
  end
  for _, entry in ipairs(state.history) do
    entry = results.epoch(entry)
    run.history[#run.history + 1], model.history[#model.history + 1] = entry, entry
  end
  record.restore(run, state.stages)
  run.entry = run.history[#run.history]
end

--- Takes a run back to where its file was written. Returns false if there is no such file. Raises, and changes nothing, if the file is
--- that of another run or is damaged.
---@param run scion.Run one that has not begun
---@return boolean resumed
function checkpoint.restore(run)
  local path = run.resume.path
  local state, tensors = read_first(run, path)
  if not state then return false end
  compare(path, run, state)
  local changed, weights, optimizers = changed_stages(run, state), weights_of(path, run.model, tensors), optimizers_of(run)
  for i, optimizer in ipairs(optimizers) do
    local good, complaint = optimizer:restore(run.model.order, state.optimizers[i])
    if not good then damaged(path, complaint) end
  end
  for stage, fields in pairs(changed) do schedule.set(stage, fields) end
  for _, pair in ipairs(weights) do core.copy(pair[1], pair[2]) end
  restore_model(run, state)
  if state.int8 then calibration.restore(run.model, state.int8) end
  for _, field in ipairs(plain_fields) do run[field] = state.run[field] end
  if state.sums then
    run.sums = run.new_sums()
    run.sums:restore(state.sums)
  end
  run.callback_states, run.log_states = state.callbacks, state.logs
  return true
end

return checkpoint
