--- The context of a fit: everything that changes while it runs, in one table. The loop works on that table; callbacks get an object that
--- shows it, whose fields they may read and not set.
local class = require "scion.class"
local folder = require "scion.folder"
local lfs = require "lfs"
local results = require "scion.report.results"

local run = {}

-- The private fields are those of the loop.

--- What callbacks get.
---@class scion.Run
---@field model scion.Model
---@field data scion.Dataset
---@field validate scion.Dataset?
---@field optimizer scion.Optimizer the one that is in use; its options may be set, such as run.optimizer.lr
---@field epoch integer the number of the epoch that runs, from 1; it counts those of earlier fits, too
---@field last_epoch integer the number of the last one
---@field step integer how many steps this epoch has had
---@field loss number? the mean of the last step
---@field entry scion.Epoch? the last finished epoch, with what its validation gave
---@field history scion.History the finished epochs of this fit
---@field stage integer the number of the schedule's stage, from 1; 1 without a schedule
---@field stop fun(self) ends the fit: after the step that runs, or after the epoch that has just ended
---@field private where string the function that the user called, for messages: "fit"
---@field private context scion.Run this object; the loop works on the table behind it
---@field private callbacks scion.Callback[]
---@field private callback_states table? of a run that goes on, until they are restored
---@field private log_states { of: string, state: table }[]? likewise, of callbacks that only write logs
---@field private resume scion.ResumeOptions? with the file's path as `path`
---@field private identity table? of a run with `resume`: what its file is of, but for optimizers and stages
---@field private tell fun(line: string) writes a notice below the bar
---@field private warn fun(rule: string, message: string) tells of what is likely a mistake, and keeps it in history.warnings
---@field private folder string? that the process was in when the fit began, from which relative paths are seen
---@field private verbose boolean whether callbacks tell what they do
---@field private first_epoch integer how many epochs the model had before this fit
---@field private entries_before integer how many its history had
---@field private loss_kind scion.Loss
---@field private metrics (string|scion.OwnMetric)[]
---@field private class_weights scion.Tensor?
---@field private precision string
---@field private batch integer? examples of the first batch
---@field private accumulate integer batches in a step
---@field private clip scion.ClipOptions?
---@field private tell_validation fun(done: integer, total: integer) shows how far the validation is
---@field private kept { hits: integer, misses: integer, bytes: integer } what the cache had given before the epoch's steps
---@field private given_cache scion.CacheOptions|false
---@field private cache_limits table<integer, string>? as of schedule.cache_limits
---@field private first_optimizer scion.Optimizer fit's own
---@field private stages scion.Stage[]|scion.Schedule
---@field private stages_given string[]? those of a schedule as the fit was given them, in words
---@field private rates table<scion.Optimizer, number|scion.Rate> those that optimizers had before the fit to which stages give others
---@field private by_schedule boolean
---@field private stage_begun boolean whether its freezing and rate were set
---@field private stage_epochs integer how many of the stage's epochs are finished
---@field private stage_best number? the lowest loss of the stage's epochs
---@field private stage_wait integer for how many epochs it has not fallen
---@field private stage_record table? what is noted of it for the report: see record.lua
---@field private cache scion.CacheOptions|false of the stage
---@field private source { pass: function } the data set, with cached values of frozen layers where there are any
---@field private groups scion.ParameterGroup[]? that the optimizer changes
---@field private groups_of scion.Optimizer? whose they are
---@field private groups_revision integer? of graph.revision, when they were made
---@field private epoch_begun boolean
---@field private new_sums fun(): scion.Sums
---@field private sums scion.Sums? of the epoch so far
---@field private parts scion.Parts? what the step has gathered that runs
---@field private gradient_sum scion.Tensor? of the step's batches, each times its examples; where a step has several
---@field private taken integer batches of the epoch that were read
---@field private position integer batches of the epoch whose steps are done: where a run goes on that is resumed
---@field private seconds number that the epoch has taken so far
---@field private diverged boolean? whether a step raised, as a number in it was not finite
---@field private distributed scion.DistributedOptions? as fit was given it
---@field private team scion.Team? what this process does of it, where several are at work
---@field private stopped boolean whether a callback ended the fit
---@field private told_frozen boolean? whether it was told that a callback has left nothing to train

local methods, internal = {}, {}
local state_of = setmetatable({}, { __mode = "k" })

--- Ends the fit: after the step that runs, or after the epoch that has just ended.
function methods:stop() state_of[self].stopped = true end

--- A path that the script has given, as it is to be used now: callbacks may change the process's folder.
---@param path string
---@return string
function internal:path(path) return folder.seen_from(path, self.folder) end

--- The argument of the older callback `step`.
---@return scion.Step
function internal:as_step()
  return results.step { epoch = self.epoch, step = self.step, loss = self.loss, model = self.model, optimizer = self.optimizer }
end

local function text(self)
  return ("epoch %d of %d, step %d%s"):format(self.epoch, self.last_epoch, self.step, self.loss and (": loss %.4f"):format(self.loss) or "")
end

local shown = class.define {
  name = "scion.Run", title = "a run", call = "run", methods = methods, internal = internal,
  locked = { "model", "data", "validate", "optimizer", "epoch", "last_epoch", "step", "loss", "entry", "history", "stage" },
  fields = { "where", "context", "callbacks", "callback_states", "log_states", "resume", "identity", "tell", "warn", "verbose", "first_epoch", "entries_before", "loss_kind",
             "metrics", "class_weights", "precision", "batch", "accumulate", "clip", "tell_validation",
             "kept", "given_cache", "cache_limits", "first_optimizer", "stages", "stages_given", "rates", "by_schedule", "stage_begun", "stage_epochs",
             "stage_best", "stage_wait", "stage_record", "cache", "source", "groups", "groups_of", "groups_revision", "epoch_begun", "new_sums", "sums",
             "parts", "gradient_sum", "taken", "position", "seconds", "diverged", "stopped", "told_frozen", "folder", "distributed", "team" },
  meta = { __tostring = text },
}

--- Completes a table of what stays the same during a fit by what changes, and by the object that shows it.
---@param job table
---@return scion.Run
function run.new(job)
  job.entries_before, job.first_epoch, job.epoch, job.last_epoch = #job.model.history, job.model.epoch, job.model.epoch + 1, job.model.epoch
  job.step, job.taken, job.position, job.seconds, job.epoch_begun = 0, 0, 0, 0.0, false
  job.stage, job.stage_begun, job.stage_epochs, job.stage_wait = 1, false, 0, 0
  job.history, job.stopped, job.folder = results.history {}, false, lfs.currentdir()
  job.context = shown.new(job)
  state_of[job.context] = job
  return job
end

return run
