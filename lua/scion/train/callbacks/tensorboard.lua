--- callbacks.tensorboard(folder, { update = "epoch" })
--- Writes what `tensorboard --logdir FOLDER` shows, as Keras's TensorBoard: event files in FOLDER/train and FOLDER/validation, with the numbers of
--- each epoch's entry in the history as epoch_loss, epoch_accuracy, epoch_learning_rate and so on; those that begin with val_ are the
--- validation's. Epochs count from 1. Raises if a file cannot be written.
---@example model:fit(train, { epochs = 2, callbacks = { scion.callbacks.tensorboard "logs" } })   -- tensorboard --logdir logs shows them
---@class scion.callbacks.tensorboard
---@field folder string which is made if there is none; each fit adds files of its own
---@field update? "epoch"|"step"|integer whether the loss of each step is written too, as batch_loss, or of every n-th ("epoch")
local callback = require "scion.train.callback"
local check = require "scion.check"
local core = require "scion.core"
local event_file = require "scion.train.event_file"
local folder = require "scion.folder"
local lfs = require "lfs"
local log_file = require "scion.train.log_file"

local where = "tensorboard"

--- Seconds since 1970, with a fraction.
local offset = os.time() - core.clock()
local function now() return offset + core.clock() end

--- A new event file in a folder of its own.
local function begin(self, run, name)
  local place = self.options.folder .. "/" .. name
  local made, message = folder.make(run:path(place))
  if not made then check.raise(("tensorboard: %s"):format(message)) end
  local path
  local n = 0
  repeat
    path, n = ("%s/events.out.tfevents.%d.scion.%d.v2"):format(place, os.time(), n), n + 1
  until not lfs.attributes(run:path(path))
  local file = log_file.open(where, run, path)
  log_file.append(where, run, file, event_file.header(now()))
  return file
end

local function fit_begins(self, run)
  self.steps, self.train, self.validation = 0, begin(self, run, "train"), run.validate and begin(self, run, "validation") or nil
end

local function step_ends(self, run)
  local update = self.options.update
  self.steps = self.steps + 1
  if update == "epoch" or update ~= "step" and self.steps % update ~= 0 then return end
  log_file.append(where, run, self.train, event_file.scalar(now(), self.steps, "batch_loss", run.loss))
end

local function epoch_ends(self, run)
  local names, time, lines = {}, now(), { train = {}, validation = {} }
  for name, value in next, run.entry do
    if type(name) == "string" and type(value) == "number" and name ~= "epoch" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local bare = self.validation and name:match "^val_(.*)"
    local tag = bare or name == "lr" and "learning_rate" or name
    table.insert(lines[bare and "validation" or "train"], event_file.scalar(time, run.epoch, "epoch_" .. tag, run.entry[name]))
  end
  log_file.append(where, run, self.train, table.concat(lines.train))
  if self.validation then log_file.append(where, run, self.validation, table.concat(lines.validation)) end
end

return callback.define {
  name = "tensorboard",
  positional = { "folder" }, logs = true,
  schema = {
    folder = { check.path, required = true },
    update = { check.either(check.one_of("epoch", "step"), check.whole(1, (1 << 31) - 1)), "epoch" },
  },
  keeps = { "steps", "train", "validation" },
  events = { fit_begins = fit_begins, step_ends = step_ends, epoch_ends = epoch_ends },
}
