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
---@param last integer number of the last epoch, for "epoch 3/5"
function progress.new(shown, last)
  return setmetatable({ shown = shown, last = last, width = core.terminal_width(), drawn = 0 }, progress)
end

--- Clears the bar's line.
function progress:clear()
  if self.open then io.stdout:write("\r\27[K") end
  self.open = false
end

--- Begins an epoch.
---@param epoch integer its number, from 1
---@param images integer how many images it has
function progress:begin(epoch, images)
  self.epoch, self.images, self.drawn = epoch, images, 0
end

--- Redraws the bar after a step, at most ten times a second. Without a terminal there is no bar.
---@param sums scion.Metrics
---@param elapsed number seconds since the epoch began
function progress:step(sums, elapsed)
  local now = core.clock()
  if not self.shown or not self.width or now - self.drawn < redraw_seconds then return end
  self.drawn = now
  local accuracy, rate = sums:accuracy(), sums.examples / elapsed
  local right = (" %d/%d  %.1f images/s  loss %.4f%s  %s left"):format(sums.examples, self.images, rate, sums:loss(),
    accuracy and ("  accuracy %.3f"):format(accuracy) or "", results.duration(math.max(self.images - sums.examples, 0) / rate))
  draw(self.width, ("epoch %d/%d "):format(self.epoch, self.last), right, sums.examples, self.images)
  self.open = true
end

--- Replaces the bar by the line about a finished epoch.
---@param entry scion.Epoch
function progress:finish(entry)
  if not self.shown then return end
  self:clear()
  io.stdout:write(results.epoch_text(entry, self.last, self.width), "\n")
  io.stdout:flush()
end

--- Ends the bar's line without clearing it, so that an error message begins on a new line.
function progress:broken()
  if self.open then io.stdout:write("\n") end
  self.open = false
end

return progress
