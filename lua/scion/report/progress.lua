--- The progress that fit prints: on a terminal a bar that is redrawn, and everywhere one line per epoch.
local core = require "scion.core"
local results = require "scion.report.results"

local progress = {}
progress.__index = progress

local redraw_seconds = 0.1

--- Draws a bar of `done` parts of `total` between two texts, in place of what the line held.
local function draw(width, left, right, done, total)
  local room = math.min(30, width - #left - #right - 3)
  local bar = ""
  if room >= 5 then
    local full = math.min(room, room * done // math.max(total, 1))
    bar = "[" .. ("="):rep(full) .. ("."):rep(room - full) .. "]"
  end
  io.stdout:write("\r", (left .. bar .. right):sub(1, width - 1), "\27[K")
  io.stdout:flush()
end

--- A bar that counts images outside of training, on a terminal only: tell(done) redraws it, closing the counter clears it.
---@param what string "examined"
---@param total integer
function progress.counter(what, total)
  local width, start, drawn = core.terminal_width(), core.clock(), nil
  local function tell(done)
    local now = core.clock()
    if not width or now - (drawn or start) < redraw_seconds then return end
    drawn = now
    local rate = done / (now - start)
    draw(width, what .. " ", (" %d/%d  %.0f images/s  %s left"):format(done, total, rate, results.duration((total - done) / rate)), done, total)
  end
  local function clear()
    if drawn then io.stdout:write("\r\27[K") end
  end
  return setmetatable({ tell = tell }, { __close = clear })
end

--- Makes a progress display.
---@param shown boolean false: nothing is printed
function progress.new(shown)
  return setmetatable({ shown = shown, width = core.terminal_width(), drawn = 0 }, progress)
end

--- Clears the bar's line.
function progress:clear()
  if self.open then io.stdout:write("\r\27[K") end
  self.open = false
end

--- What a fit calls to show its progress.
---@return scion.Callback
function progress:callback()
  return {
    epoch_begins = function() self.drawn = 0 end,
    step_ends = function(run) self:step(run) end,
    epoch_ends = function(run) self:finish(run) end,
  }
end

--- Redraws the bar after a step, at most ten times a second. Without a terminal there is no bar.
---@param run scion.Run
function progress:step(run)
  local now = core.clock()
  if not self.shown or not self.width or now - self.drawn < redraw_seconds then return end
  self.drawn = now
  local sums, images = run.sums, #run.data
  local accuracy, rate = sums:accuracy(), sums.examples / run.seconds
  local right = (" %d/%d  %.1f images/s  loss %.4f%s  %s left"):format(sums.examples, images, rate, sums:loss(),
    accuracy and ("  accuracy %.3f"):format(accuracy) or "", results.duration(math.max(images - sums.examples, 0) / rate))
  draw(self.width, ("epoch %d/%d "):format(run.epoch, run.last_epoch), right, sums.examples, images)
  self.open = true
end

--- Replaces the bar by the line about a finished epoch.
---@param run scion.Run
function progress:finish(run)
  if not self.shown then return end
  self:clear()
  io.stdout:write(results.epoch_text(run.entry, run.last_epoch, self.width), "\n")
  io.stdout:flush()
end

--- Ends the bar's line without clearing it, so that an error message begins on a new line.
function progress:broken()
  if self.open then io.stdout:write("\n") end
  self.open = false
end

return progress
