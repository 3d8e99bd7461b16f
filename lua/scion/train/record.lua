--- What a fit notes for its report: its settings, in words; the stages of its epochs with what was frozen in each; and the last evaluation.
---
--- The notes belong to a history, the fit's and the model's, and to the entries of their epochs; they go when these go. The model and its
--- data sets are remembered only as long as somebody else keeps them: a list of histories must not keep the networks of all its runs.
local blocks = require "scion.report.blocks"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local events = require "scion.train.events"
local metrics = require "scion.train.metrics"
local pipeline = require "scion.data.pipeline"
local printable = require "scion.printable"
local random = require "scion.random"
local schedule = require "scion.train.schedule"
local text = require "scion.report.text"

local record = {}

--- A part of a fit in which the same layers train: a stage of its schedule, or all of a fit without one.
---@class scion.StageRecord
---@field stage integer its number in the fit, from 1
---@field first integer its first epoch
---@field last integer its last one
---@field trains string in the words of the schedule: "train = 'head'"; "what was not frozen" where it says nothing
---@field optimizer string as it was when the stage began
---@field parameters integer of the network
---@field trainable integer how many of them the stage changes
---@field blocks scion.BlockRow[] the network when it began

local weak_values, weak_keys = { __mode = "v" }, { __mode = "k" }

local notes = setmetatable({}, weak_keys) -- by history: see record.of
local stage_of = setmetatable({}, weak_keys) -- by entry

-- ---- settings -------------------------------------------------------------------------------------------------------

local function one_line(value) return (tostring(value):gsub("%s*\n%s*", " ")) end

local function data_text(data)
  if not data then return "none" end
  if not dataset.is(data) then return ("%s examples of a data set of the script's own"):format(text.grouped(#data)) end
  local words = one_line(data)
  return data.path and ("%s; in %s"):format(words, data.path) or words
end

local function augmentation_text(data)
  if not dataset.is(data) or not data.augment then return "none" end
  local words = {}
  for i, change in ipairs(pipeline.list(data.augment)) do words[i] = one_line(change) end
  return table.concat(words, ", ")
end

local function clip_text(clip)
  local words = {}
  for _, name in ipairs { "norm", "value" } do words[#words + 1] = clip and clip[name] and ("%s %g"):format(name, clip[name]) or nil end
  return words[1] and table.concat(words, ", ") or "none"
end

local most_weights = 20 -- of classes that are told

local function weights_text(weights)
  if not weights then return "none" end
  local words, count = {}, #weights
  for i = 1, math.min(count, most_weights) do words[i] = ("%.3g"):format(weights:get(i)) end
  return table.concat(words, ", ") .. (count > most_weights and (" and %d more"):format(count - most_weights) or "")
end

local function cache_text(cache)
  if not cache then return "off" end
  return ("on, for what frozen layers give%s%s"):format(cache.variants and (", %d variants of each image"):format(cache.variants) or "",
                                                      cache.upto and ", up to " .. cache.upto or "")
end

local function callbacks_text(list)
  local words = {}
  for i, callback in ipairs(list) do words[i] = events.text(callback) end
  return words[1] and table.concat(words, ", ") or "none"
end

--- The settings of a fit as pairs of words.
local function settings_of(run, callbacks)
  local model = run.model
  local parameters = blocks.totals(model:layers())
  local list = {
    { "network", ("%s: %d layers, %s parameters"):format(model.name or "without a name", #model.order, text.grouped(parameters)) },
    { "training set", data_text(run.data) }, { "augmentation", augmentation_text(run.data) }, { "validation set", data_text(run.validate) },
  }
  for i, stage in ipairs(run.by_schedule and run.stages or {}) do list[#list + 1] = { "stage " .. i, schedule.identity(stage) } end
  local function add(name, value) list[#list + 1] = { name, value } end
  if not run.by_schedule then add("epochs", tostring(run.stages[1].epochs)) end
  if not run.by_schedule or not run.stages[1].optimizer then add("optimizer", tostring(run.first_optimizer)) end
  add("loss", tostring(run.loss_kind))
  add("metrics", metrics.names(run.metrics))
  add("precision", run.precision)
  add("batches in a step", tostring(run.accumulate))
  add("limits of gradients", clip_text(run.clip))
  add("class weights", weights_text(run.class_weights))
  add("cache", cache_text(run.given_cache))
  add("callbacks", callbacks_text(callbacks))
  add("resumes from", run.resume and run.resume.path or "nothing")
  add("seed", tostring(random.current()))
  add("instructions", core.isa())
  add("threads", tostring(core.threads()))
  local team = run.team
  if team then
    add("processes", tostring(team.comm.size))
    add("shards of a batch", tostring(team.parts))
    add("gradients are sent as", team.halves and "bf16" or "f32")
  end
  return list
end

-- ---- during a fit ---------------------------------------------------------------------------------------------------

--- Notes what a fit is of, for its history and the model's.
---@param run scion.Run before its first epoch
---@param callbacks scion.Callback[] the script's
function record.begin(run, callbacks)
  local note = { network = run.model.name, settings = printable.records(settings_of(run, callbacks)), metrics = run.metrics, loss = run.loss_kind, precision = run.precision,
                 references = setmetatable({ model = run.model, data = run.data, validate = run.validate }, weak_values) }
  notes[run.history], notes[run.model.history] = note, note
end

--- Notes what was found with the ranges of precision int8, among the settings.
---@param run scion.Run
---@param found scion.Int8Report?
function record.int8(run, found)
  local settings = found and notes[run.history] and notes[run.history].settings or {}
  for i, pair in ipairs(settings) do
    if pair[1] == "precision" then
      local words = ("ranges from %d images; least cosine to f32 at %s %.4f, where %.3f is enough; in f32 for that: %d convolutions"):format(
        found.images, found.layer, found.cosine, found.bound, #found.wide)
      table.insert(settings, i + 1, printable.table { "int8", words })
      return
    end
  end
end

--- Notes that a stage begins, once its layers are frozen.
---@param run scion.Run
function record.stage(run)
  local stage, layers = run.stages[run.stage], run.model:layers()
  local parameters, trainable = blocks.totals(layers)
  run.stage_record = { stage = run.stage, trains = run.by_schedule and schedule.choice(stage) or "what was not frozen", optimizer = tostring(run.optimizer),
                       parameters = parameters, trainable = trainable, blocks = printable.records(blocks.of(layers)) }
end

--- Notes that an epoch belongs to the stage that runs.
---@param run scion.Run
---@param entry scion.Epoch
function record.epoch(run, entry) stage_of[entry] = run.stage_record end

--- Notes what the validation after an epoch has given.
---@param run scion.Run
---@param evaluation scion.Evaluation
function record.evaluation(run, evaluation)
  local note = notes[run.history]
  note.evaluation, note.evaluated = evaluation, run.entry.epoch
end

-- ---- checkpoints ----------------------------------------------------------------------------------------------------

--- What a checkpoint holds of the stages: the records, and the number of the record of each epoch.
---@param run scion.Run
---@return { records: table[], of: integer[], now: integer? }
function record.state(run)
  local records, number, of = {}, {}, {}
  local function add(of_stage)
    if not of_stage then return 0 end
    if not number[of_stage] then records[#records + 1], number[of_stage] = of_stage, #records + 1 end
    return number[of_stage]
  end
  for i, entry in ipairs(run.history) do of[i] = add(stage_of[entry]) end
  return { now = add(run.stage_record), of = of, records = records }
end

--- Takes that back.
---@param run scion.Run whose history is restored
---@param state { records: table[], of: integer[], now: integer? }?
function record.restore(run, state)
  if not state then return end
  for i, entry in ipairs(run.history) do stage_of[entry] = state.records[state.of[i]] end
  run.stage_record = state.records[state.now]
end

-- ---- afterwards -----------------------------------------------------------------------------------------------------

--- The stages of a history's epochs, in order. Epochs of which nothing is known, as of a loaded model, have none.
---@param history scion.History
---@return scion.StageRecord[]
function record.stages(history)
  local list, latest = {}, nil
  for _, entry in ipairs(history) do
    local of = stage_of[entry]
    if of and of ~= latest then
      local copy = { first = entry.epoch }
      for key, value in pairs(of) do copy[key] = value end
      list[#list + 1] = copy
    end
    if of then list[#list].last = entry.epoch end
    latest = of
  end
  return printable.records(list)
end

--- What was noted of the last fit: the network's name, the settings, the last evaluation with the epoch that it is of, and the model and the
--- data sets that are still there; nil of a history from a file.
---@param history scion.History
---@return { network: string?, settings: { [1]: string, [2]: string }[], evaluation: scion.Evaluation?, evaluated: integer?, metrics: table, loss: scion.Loss,
--- precision: string, references: { model: scion.Model?, data: scion.Dataset?, validate: scion.Dataset? }, running: boolean?, failure: string?,
--- pages: table<string, { history: scion.History, given: scion.ReportOptions }>? }?
function record.of(history) return notes[history] end

return record
