--- What a history can do: write itself as a report, as curves, as lines of values.
local check = require "scion.check"
local write = require "scion.report.write"

local history = {}

local kind = check.instance("scion.History", "a history")

---@class scion.ReportOptions
---@field model? scion.Model that is evaluated for it (that of the fit, while the script keeps it)
---@field data? scion.Dataset on which that is measured (the fit's validation set, while the script keeps it)
---@field diagnosis? scion.Diagnosis|false what scion.data.doctor has found; false: nothing (it looks through the fit's training set, and compares it
--- with the validation set, while the script keeps them)
---@field live? boolean whether the page loads itself anew every few seconds while the model trains, for a callback that writes it: as the fit ends,
--- it is written once more, and rests; nothing is computed for it (false)

--- Writes a report as one page of HTML, which asks for nothing from any network: curves of loss, accuracy and learning rate with the stages
--- marked; confusion, the scores of each class and calibration; the images that the model is most wrong about, with what in them speaks for the
--- wrong class (see model:explain); what was frozen in each stage, drawn on the network; speed and cache; warnings and the doctor's findings;
--- settings and versions. Beside each chart stand its numbers in a table.
---
--- If the script still has the model and the validation set, and has not trained the model since, it is evaluated for the page. Else, and where
--- the set's files are gone, the figures are those of the fit's last validation, and the page says so; and what is not known, as of a loaded
--- model, it leaves out and names. A history keeps neither model nor data.
---
--- To watch a fit, write the page after each epoch: see the second example.
---@param path string whose folder is made if there is none
---@param given? scion.ReportOptions
---@return string path
---Raises, with the path, if the file cannot be written; on unknown options and invalid values; if model and data do not fit each other; and
---after Ctrl-C.
---@example
---  history = model:fit(train, { epochs = 2, validate = val })
---  history:report "run.html"
---  model:fit(train, { epochs = 2, validate = val, callbacks = { epoch_ends = function(run) run.history:report("run.html", { live = true }) end } })
function history:report(path, given)
  local where = "history:report"
  check.self(where, self, kind)
  path = write.path(where, path)
  write.file(where, path, require "scion.report.page"(self, given, where))
  if given and given.live then require("scion.report.live").follow(self, path, given) end
  return path
end

--- Draws the curves of loss, accuracy and learning rate, with the stages marked, as a file of SVG.
---@param path string that ends in .svg, whose folder is made if there is none
---@return string path
---Raises, with the path, if the file cannot be written, on another ending, and if there are no epochs.
---@example model.history:plot "curves.svg"
function history:plot(path)
  local where = "history:plot"
  check.self(where, self, kind)
  path = write.path(where, path, "svg")
  local charts = require "scion.report.curves"(self)
  if not charts[1] then check.raise(where .. ": the history has no epochs with numbers that can be drawn; fit the model first") end
  local svg, drawings = require "scion.report.svg", {}
  for i, each in ipairs(charts) do drawings[i] = each.drawing end
  return write.file(where, path, svg.document(svg.column(drawings, "Curves of a training run")))
end

--- Writes the epochs as lines of values with commas between them: the number of the epoch and then, by name, all that its entry has. An
--- entry that lacks a value has NA.
---@param path string whose folder is made if there is none
---@return string path
---Raises, with the path, if the file cannot be written.
---@example model.history:csv "epochs.csv"
function history:csv(path)
  local where = "history:csv"
  check.self(where, self, kind)
  path = write.path(where, path)
  local csv, entries = require "scion.report.csv", table.move(self, 1, #self, 1, {})
  local columns = csv.columns(entries)
  local lines = { csv.header(columns) }
  for i, entry in ipairs(entries) do lines[i + 1] = csv.line(columns, entry) end
  return write.file(where, path, table.concat(lines))
end

return history
