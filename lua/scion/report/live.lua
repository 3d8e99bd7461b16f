--- Pages that load themselves anew while a fit runs: they are written once more as it ends, so that they rest then.
local check = require "scion.check"
local notice = require "scion.report.notice"
local record = require "scion.train.record"

local live = {}

--- Notes that a page was written, if the history's fit runs.
---@param history scion.History
---@param path string
---@param given scion.ReportOptions
function live.follow(history, path, given)
  local note = record.of(history)
  if note and note.running then note.pages[path] = { history = history, given = given } end
end

--- Begins to follow a fit, whose notes have begun.
---@param history scion.History
function live.begin(history)
  local note = record.of(history)
  note.running, note.pages = true, {}
end

--- Writes the pages for the last time. One that cannot be written is told.
---@param history scion.History
---@param failure string? why the fit failed
function live.ended(history, failure)
  local note = record.of(history)
  local pages = note.pages
  note.running, note.pages, note.failure = false, nil, failure
  for path, page in pairs(pages) do
    local ok, message = check.try(page.history.report, page.history, path, page.given)
    if not ok then notice.line(("scion: fit: the page of the fit that has ended still loads itself anew: %s"):format(message)) end
  end
end

return live
