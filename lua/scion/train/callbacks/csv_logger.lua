--- callbacks.csv_logger(path, { append = false })
--- Writes a line for each epoch into a file of values with commas between them, as Keras's CSVLogger: the number of the epoch and then, by
--- name, all that its entry in the history has. The line is in the file as soon as the epoch has ended. The columns are those of the first
--- epoch; a later one that lacks a value has NA. Raises if the file cannot be written.
---@example model:fit(train, { epochs = 2, callbacks = { scion.callbacks.csv_logger "log.csv" } })
---@class scion.callbacks.csv_logger
---@field path string which is begun anew by each fit; its folder is made if there is none
---@field append? boolean whether a file that is there is gone on with, in its columns (false)
local callback = require "scion.train.callback"
local check = require "scion.check"
local csv = require "scion.report.csv"
local log_file = require "scion.train.log_file"
local reader = require "scion.data.source.csv_reader"

local where = "csv_logger"

local function fit_begins(self, run)
  local file = log_file.open(where, run, self.options.path) -- a path that cannot be written raises here
  self.file = file
  if not self.options.append then
    file.bytes = 0
  elseif file.bytes > 0 then
    local text = log_file.read(where, run, file)
    local there = reader.open(text)
    if not there or there.columns[1] ~= "epoch" then
      check.raise(("csv_logger: %s: its first column is not 'epoch', so it is no such log; take another path"):format(file.path))
    end
    self.columns = there.columns
    if not text:find "\n$" then log_file.append(where, run, file, "\n") end
  end
end

--- Says, once a name, that a value is in none of the columns.
local function tell_left_out(self, run)
  local known, told = {}, self.told or {}
  for _, name in ipairs(self.columns) do known[name] = true end
  for _, name in ipairs(csv.columns { run.entry }) do
    if not known[name] and not told[name] then
      told[name] = true
      run.tell(("scion: csv_logger: %s: the file has no column for %s, which is left out"):format(self.file.path, name))
    end
  end
  self.told = told
end

local function epoch_ends(self, run)
  self.columns = self.columns or csv.columns { run.entry }
  tell_left_out(self, run)
  local header = self.file.bytes == 0 and csv.header(self.columns) or ""
  log_file.append(where, run, self.file, header .. csv.line(self.columns, run.entry))
end

return callback.define {
  name = "csv_logger",
  positional = { "path" }, logs = true,
  schema = { path = { check.path, required = true }, append = { check.boolean, false } },
  keeps = { "file", "columns", "told" },
  events = { fit_begins = fit_begins, epoch_ends = epoch_ends },
}
