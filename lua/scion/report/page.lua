--- history:report: gathers what is known of a run, and lays its sections out as a page.
local check = require "scion.check"
local dataset = require "scion.data.dataset"
local document = require "scion.report.document"
local evaluate = require "scion.train.evaluate"
local html = require "scion.report.html"
local inputs = require "scion.train.inputs"
local interrupts = require "scion.interrupts"
local mistake_list = require "scion.insight.mistake_list"
local predict = require "scion.train.predict"
local record = require "scion.train.record"
local results = require "scion.report.results"
local text = require "scion.report.text"
local told = require "scion.insight.told"

local refresh = 5 -- seconds between two looks at a page of a fit that runs

-- The sections in order: the name of the file, and the title. Each gives its HTML, or nil; and what it leaves out, with the reason.
local sections = {
  { "curves", "Curves" }, { "evaluation", "Evaluation" }, { "mistakes", "Mistakes" }, { "plan", "Freeze plan" }, { "speed", "Speed and cache" },
  { "findings", "Findings" }, { "settings", "Settings" },
}

local schema = {
  model = { check.instance("scion.Model", "a model") }, data = { inputs.kind },
  diagnosis = { check.unless_false(check.instance("scion.Diagnosis", "what scion.data.doctor gives")) }, live = { check.boolean, false },
}

-- ---- what is known ----------------------------------------------------------------------------------------------------

--- Whether the model is as the last epoch of the history has left it, so far as can be told: it may have other weights where a callback has
--- put those of a better epoch back.
local function is_of(history, model) return #history > 0 and model.epoch == history[#history].epoch end

--- Measures a model on a data set in one pass: the evaluation, what the mistakes section is made of, and why there are no mistakes. fitted: the notes
--- of the fit whose model and set these are.
local function measure(model, data, fitted)
  local gathering = data.classes and predict.probabilities(model) == "classes" and told.gathering("history:report", model, data) or nil
  local found = evaluate(model, data, fitted and { loss = fitted.loss, metrics = fitted.metrics, precision = fitted.precision } or nil, nil,
                         gathering and { output = gathering.add })
  if not gathering then return found end
  local ok, list = check.try(function() return mistake_list(model, data, gathering.ended()) end)
  if not ok then return found, nil, "mistakes: " .. list:gsub("^history:report: ", "") end
  return found, { model = model, data = data, mistakes = list }
end

local function figures_of(evaluation)
  return ("loss %s%s"):format(text.number(evaluation.loss, 4), evaluation.accuracy and (", accuracy %.4f"):format(evaluation.accuracy) or "")
end

--- The evaluation of the last validation, and a sentence; or nil and why there is none.
local function kept_evaluation(note, o)
  local found = note and note.evaluation
  if found then
    return found, ("On %s images of the validation set, after epoch %d: %s."):format(text.grouped(found.examples), note.evaluated, figures_of(found))
  end
  if o.live then return nil, "there is no validation yet" end
  if note and not note.references.validate and not o.data then return nil, "there is no validation set; give one, data = …" end
  return nil, "the model or the validation set is not known; give both, model = …, data = …"
end

local no_mistakes = "mistakes: the model as the last epoch has left it, or the validation set, is not there any more; give both, model = …, data = …"

--- Adds the evaluation to what is known, a sentence that says what it is of, what is measured beside it, and why what is not there is not. The set of
--- the fit may have gone from the disk; what the user gives may not.
local function add_evaluation(known, history, note, o)
  local there = note and note.references or {}
  local model, data = o.model or there.model, o.data or there.validate
  local asked = o.model or o.data
  known.why_no_mistakes = not o.live and no_mistakes or nil
  if model and data and not o.live and (asked or is_of(history, model)) then
    local may_fail = not asked and note.evaluation
    local ok, found, measured, why = (may_fail and check.try or pcall)(measure, model, data, not o.model and note)
    if not ok and (not may_fail or interrupts.is(found)) then error(found, 0) end
    known.why_no_mistakes = why
    if ok then
      known.evaluation, known.measured = found, measured
      known.words = ("On %s images of the %s, as the model is now: %s."):format(text.grouped(found.examples), o.data and "data set given" or "validation set",
        figures_of(found))
      return
    end
    known.why_no_mistakes = "mistakes: the validation set cannot be read any more: " .. found:gsub("^evaluate: ", "")
  end
  known.evaluation, known.words = kept_evaluation(note, o)
end

--- The doctor's findings; or nil and why there are none.
local function diagnosis_of(note, o)
  if o.diagnosis then return o.diagnosis end
  local there = note and note.references or {}
  if o.diagnosis == false or o.live then return nil end
  if not there.data then return nil, "the doctor's findings: the training set is not there any more; give what scion.data.doctor has found, diagnosis = …" end
  if not dataset.is(there.data) or there.data.values then return nil, "the doctor's findings: the training set holds no pictures that he reads" end
  local against = dataset.is(there.validate) and not there.validate.values and there.validate or nil
  local found = require "scion.data.doctor"(there.data, { against = against and { validation = against } })
  if found.bytes > 0 then return found end
  return nil, ("the doctor's findings: none of the %s images of the training set can be read any more (%s: %s)"):format(text.grouped(found.images),
    found.broken[1].file, found.broken[1].message)
end

local function context_of(history, o)
  local note = record.of(history)
  local known = { history = history, note = note, network = o.model and o.model.name or note and note.network }
  add_evaluation(known, history, note, o)
  known.diagnosis, known.why_no_diagnosis = diagnosis_of(note, o)
  return known
end

-- ---- the page ---------------------------------------------------------------------------------------------------------

local tag = html.tag

--- The most important figures, at the top.
local function facts(context)
  local history, items = context.history, {}
  local function add(value, what) items[#items + 1] = tag("li", nil, tag("strong", nil, html.escape(value)), html.escape(what)) end
  local last, seconds = history[#history], 0
  if not last then return html.paragraph("No epoch has ended yet.", "note") end
  for _, entry in ipairs(history) do seconds = seconds + (rawget(entry, "seconds") or 0) end
  add(text.grouped(#history), #history == 1 and "epoch" or "epochs")
  add(results.duration(seconds), "training")
  for _, name in ipairs { "loss", "accuracy", "val_loss", "val_accuracy" } do
    local value = rawget(last, name)
    if type(value) == "number" then add(text.number(value, 4), ("%s, epoch %d"):format(name, last.epoch)) end
  end
  return tag("ul", { class = "facts" }, table.concat(items, "\n"))
end

local function remarks(context, trains)
  local parts, note = {}, context.note
  if trains then parts[1] = html.paragraph(("The model trains: this page loads itself anew every %d seconds."):format(refresh), "note") end
  if rawget(context.history, "interrupted") then parts[#parts + 1] = html.paragraph("Ctrl-C ended the fit before its last epoch.") end
  if note and note.failure then parts[#parts + 1] = html.paragraph("An error ended the fit: " .. note.failure) end
  return table.concat(parts, "\n")
end

local function left_out_section(list)
  local items = {}
  for i, words in ipairs(list) do items[i] = tag("li", nil, html.escape(words)) end
  return tag("ul", nil, table.concat(items, "\n"))
end

--- The sections that have contents: { id, title, contents }.
local function sections_of(context)
  local list, left_out = {}, {}
  for _, section in ipairs(sections) do
    local contents, missing = require("scion.report.sections." .. section[1])(context)
    if contents then list[#list + 1] = { id = section[1], title = section[2], contents = contents } end
    left_out[#left_out + 1] = missing
  end
  if left_out[1] then list[#list + 1] = { id = "left-out", title = "Left out", contents = left_out_section(left_out) } end
  return list
end

--- What stands in the page's header, and its main part.
local function contents_of(context, trains)
  local links, parts = {}, {}
  for i, section in ipairs(sections_of(context)) do
    links[i] = tag("li", nil, tag("a", { href = "#" .. section.id }, html.escape(section.title)))
    parts[i] = tag("section", { ["aria-labelledby"] = section.id }, tag("h2", { id = section.id }, html.escape(section.title)), section.contents)
  end
  return remarks(context, trains) .. facts(context) .. tag("nav", { ["aria-label"] = "Sections" }, tag("ul", nil, table.concat(links, "\n"))), table.concat(parts, "\n")
end

--- The page.
---@param history scion.History
---@param given scion.ReportOptions?
---@param where string for messages
---@return string
return function(history, given, where)
  local o = check.options(where, given, schema)
  local context = context_of(history, o)
  local title = context.network and ("Training run of %s"):format(context.network) or "Training run"
  local trains = o.live and context.note and context.note.running
  local introduction, main = contents_of(context, trains)
  return document { title = title, introduction = introduction, main = main, refresh = trains and refresh or nil }
end
