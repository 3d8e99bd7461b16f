--- The progress of what takes a while: on a terminal a line that is drawn anew in place, and from a fit everywhere one line per epoch.
local core = require "scion.core"
local results = require "scion.report.results"
local text = require "scion.report.text"

local progress = {}
progress.__index = progress

local redraw_seconds = 0.1
local widest_bar, narrowest_bar = 30, 8

--- The width of a terminal on which a line can be drawn anew; nil where there is none. It is asked for at every drawing, since a window may
--- change its size.
local function columns() return os.getenv "TERM" ~= "dumb" and core.terminal_width() or nil end

local function clear_line() io.stdout:write("\r\27[K") end

--- How many of these parts fit, the most important ones, and how many columns they leave. A part is a text, or a number of columns.
local function fitting(parts, room)
  local count = 0
  for _, part in ipairs(parts) do
    local length = (type(part) == "number" and part or text.length(part)) + (count > 0 and 2 or 0)
    if length > room then break end
    count, room = count + 1, room - length
  end
  return count, room
end

--- A line of progress in at most that many columns: what runs, a bar, the percentage, and as many of the other parts as there is room for.
--- The bar is less important than the first three of them, and more than the rest.
---@param width integer columns
---@param what string "epoch 3/10"
---@param done integer
---@param total integer
---@param others string[] the most important first
---@return string
function progress.line(width, what, done, total, others)
  local share = math.min(done / math.max(total, 1), 1)
  local percent = ("%3.0f%%"):format(math.floor(100 * share))
  local parts = table.move(others, 1, #others, 2, { what .. " " .. percent })
  local place = math.min(#others, 3) + 2
  table.insert(parts, place, narrowest_bar + 1) -- with its brackets, and a space instead of two
  local count, room = fitting(parts, width)
  if count == 0 then return text.cut(parts[1], width) end
  local bar = ""
  if count >= place then
    local size = math.min(widest_bar, narrowest_bar + room)
    local full = math.floor(size * share)
    bar = (" [%s%s]"):format(("="):rep(full), ("."):rep(size - full))
    table.remove(parts, place)
    count = count - 1
  end
  parts[1] = what .. bar .. " " .. percent
  return table.concat(parts, "  ", 1, count)
end

--- What is told of every pass: how much time is left, how fast it goes, how much is done.
local function pace(done, total, rate, unit)
  return ("%s left"):format(results.duration(math.max(total - done, 0) / rate)), (rate < 10 and "%.1f %s/s" or "%.0f %s/s"):format(rate, unit),
         ("%d/%d"):format(done, total)
end

--- Draws a line in place of what the terminal's last line held.
local function draw(...)
  local width = columns()
  if not width then return end
  -- one column stays free: a terminal may go to the next line after its last one
  io.stdout:write("\r", progress.line(width - 1, ...), "\27[K")
  io.stdout:flush()
end

--- A line that counts images or steps outside of training, on a terminal only: tell(done) draws it anew, closing the counter clears it.
---@param what string "examined"
---@param total integer
---@param unit? string what is counted ("images")
---@return { tell: fun(done: integer) } closed by <close>
function progress.counter(what, total, unit)
  local start, drawn = core.clock(), nil
  local function tell(done)
    local now = core.clock()
    if now - (drawn or start) < redraw_seconds or not columns() then return end
    drawn = now
    draw(what, done, total, { pace(done, total, done / (now - start), unit or "images") })
  end
  local function clear()
    if not drawn then return end
    clear_line()
    io.stdout:flush()
  end
  return setmetatable({ tell = tell }, { __close = clear })
end

--- Makes a fit's progress.
---@param shown boolean false: nothing is printed
function progress.new(shown)
  return setmetatable({ shown = shown, drawn = 0 }, progress)
end

--- Clears the line that is drawn.
function progress:clear()
  if self.open then clear_line() end
  self.open = false
end

--- What a fit calls to show its progress.
---@return scion.Callback
function progress:callback()
  return {
    epoch_begins = function() self.drawn = 0 end,
    only_tells = true, step_ends = function(run) self:step(run) end,
    epoch_ends = function(run) self:finish(run) end,
  }
end

--- Whether a line is to be drawn now: at most ten times a second, and on a terminal alone.
function progress:due()
  local now = core.clock()
  if not self.shown or now - self.drawn < redraw_seconds or not columns() then return false end
  self.drawn, self.open = now, true
  return true
end

local function epoch_of(run) return ("epoch %d/%d"):format(run.epoch, run.last_epoch) end

--- Draws the line after a step.
---@param run scion.Run
function progress:step(run)
  if not self:due() then return end
  local sums, total = run.sums, #run.data
  local accuracy = sums:accuracy()
  local left, rate, count = pace(sums.examples, total, sums.examples / run.seconds, "images")
  local parts = { ("loss %.4f"):format(sums:loss()) }
  if accuracy then parts[2] = ("accuracy %.3f"):format(accuracy) end
  draw(epoch_of(run), sums.examples, total, table.move({ left, rate, count }, 1, 3, #parts + 1, parts))
end

--- Draws the line while the validation runs.
---@param run scion.Run
---@param done integer images that were evaluated
---@param total integer
function progress:validation(run, done, total)
  if not self:due() then return end
  draw(epoch_of(run) .. " validation", done, total, { ("loss %.4f"):format(run.entry.loss) })
end

--- Replaces the line by the one about a finished epoch.
---@param run scion.Run
function progress:finish(run)
  if not self.shown then return end
  self:clear()
  io.stdout:write(results.epoch_text(run.entry, run.last_epoch, core.terminal_width()), "\n")
  io.stdout:flush()
end

--- Ends the line without clearing it, so that a message begins on a new line.
function progress:broken()
  if self.open then io.stdout:write("\n") end
  self.open = false
end

return progress
