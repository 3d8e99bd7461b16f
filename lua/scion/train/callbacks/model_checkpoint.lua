--- callbacks.model_checkpoint("epoch-{epoch:02d}.safetensors", { monitor = "val_loss", save_best = false, every = 1 })
--- Saves the model after epochs, as model:save does, like Keras's ModelCheckpoint. Braces in the path stand for the epoch's number and for
--- numbers of its entry in the history, such as {epoch:02d} and {val_loss:.3f}; a path without them is written again and again. It holds
--- the model alone: what goes on with a run that was ended is fit's option `resume`. Raises if the file cannot be written.
---@example model:fit(train, { epochs = 2, validate = val, callbacks = { scion.callbacks.model_checkpoint{ "best.safetensors", save_best = true } } })
---@class scion.callbacks.model_checkpoint: scion.MonitorOptions
---@field path string of .safetensors files; folders are made where there are none
---@field save_best? boolean whether only epochs are saved that are better than all before (false)
---@field every? integer only every so many epochs of the fit (1)
local callback = require "scion.train.callback"
local check = require "scion.check"
local folder = require "scion.folder"
local monitor = require "scion.train.monitor"
local saved = require "scion.saved"

local where = "scion.callbacks.model_checkpoint"

--- What stands in braces, one after the other: name, format as in Python ("" where there is none).
local function fields(path) return path:gmatch "{([^{}:]*):?([^{}]*)}" end

local fixed = { epoch = true, lr = true, seconds = true, images_per_second = true }

--- Raises unless the path makes sense as far as can be known before the first epoch.
local function check_path(_, o)
  local path = o.path
  if path:gsub("{[^{}]*}", ""):find "[{}]" then check.raise(("%s: path %s has a brace without its other"):format(where, check.show(path))) end
  for name, format in fields(path) do
    if not fixed[name] and not monitor.direction(name) and name ~= o.monitor then
      check.raise(("%s: path: no epoch has a number %s (%s)"):format(where, check.show("{" .. name .. "}"),
        check.suggestion(name, { "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr" })))
    end
    local fits = name == "epoch" and format:find "^0?%d?d?$" or name ~= "epoch" and format:find "^0?%d?%.?%d?%d?[feg]?$" and not format:find "%.[feg]?$"
    if not fits then
      check.raise(("%s: path: {%s:%s} has no format such as {epoch:02d} or {val_loss:.3f}"):format(where, name, format))
    end
  end
  saved.check_ending(where, path)
end

--- The path of an epoch.
local function path_of(self, run)
  return (self.options.path:gsub("{([^{}:]*):?([^{}]*)}", function(name, format)
    local value = monitor.value(self, run, name)
    if not format:find "[dfeg]$" then format = format .. (name == "epoch" and "d" or format:find "%." and "g" or ".14g") end
    return ("%" .. format):format(value)
  end))
end

local function fit_begins(self, run)
  if self.options.save_best then monitor.begin(self, run) end
  for name in fields(self.options.path) do monitor.begin(self, run, name) end
  if (self.options.path:match "^(.*)/" or ""):find "{" then return end -- its folders are made with the epochs
  local can, message = folder.can_write(run:path((self.options.path:gsub("{[^{}]*}", "0"))))
  if not can then check.raise(("model_checkpoint: %s"):format(message)) end
end

local function epoch_ends(self, run)
  local o = self.options
  self.epochs = (self.epochs or 0) + 1
  if self.epochs % o.every ~= 0 then return end
  if o.save_best then
    local value = monitor.value(self, run)
    if not monitor.better(o, value, self.best) then return end
    self.best, self.best_epoch = value, run.epoch
  end
  local path = run:path(path_of(self, run))
  run.model:save(path)
  self.saved = path
end

local function fit_ends(self, run)
  if self.epochs and not self.saved then
    run.tell(("scion: model_checkpoint: nothing was saved: %s"):format(self.epochs < self.options.every and
      ("there were fewer epochs than every = %d"):format(self.options.every) or self.options.monitor .. " was NaN in all epochs"))
  end
end

return callback.define {
  name = "model_checkpoint",
  positional = { "path" },
  schema = check.joined(monitor.schema, {
    path = { check.path, required = true }, save_best = { check.boolean, false }, every = { check.whole(1, (1 << 31) - 1), 1 },
  }),
  check = function(_, o)
    if o.save_best then monitor.check(where, o) end
    check_path(where, o)
  end,
  keeps = { "best", "best_epoch", "saved", "epochs" },
  events = { fit_begins = fit_begins, epoch_ends = epoch_ends, fit_ends = fit_ends },
}
