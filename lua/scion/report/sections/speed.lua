--- The report's speed: how long the epochs took, and what the cache gave.
local html = require "scion.report.html"
local results = require "scion.report.results"
local text = require "scion.report.text"

local function cache_text(cache)
  return ("The cache of frozen layers gave the outputs for %s images and computed those of %s, in training and validation; they take %s."):format(
    text.grouped(cache.hits), text.grouped(cache.misses), text.bytes(cache.bytes))
end

return function(context)
  local history, rows, seconds = context.history, {}, 0
  for i, entry in ipairs(history) do
    local speed, time = rawget(entry, "images_per_second"), rawget(entry, "seconds")
    seconds = seconds + (time or 0)
    rows[i] = { tostring(entry.epoch), time and ("%.1f"):format(time) or "", rawget(entry, "cached") and "cached" or speed and ("%.1f"):format(speed) or "" }
  end
  if not rows[1] then return nil, "speed: there are no epochs yet" end
  local parts = { html.paragraph(("%d %s took %s, without validation."):format(#history, #history == 1 and "epoch" or "epochs",
    (results.duration(seconds):gsub("s$", " s")))) }
  if history.cache then parts[#parts + 1] = html.paragraph(cache_text(history.cache)) end
  parts[#parts + 1] = html.details("Each epoch", html.table { caption = "Seconds and speed by epoch", rows = rows, columns = {
    { title = "epoch", right = true }, { title = "seconds", right = true }, { title = "images a second", right = true } } })
  return table.concat(parts, "\n")
end
