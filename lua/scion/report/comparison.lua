--- comparison:report: several ways to train on one page.
local curves = require "scion.report.curves"
local document = require "scion.report.document"
local html = require "scion.report.html"
local intervals = require "scion.report.charts.intervals"
local results = require "scion.report.results"
local svg = require "scion.report.svg"
local text = require "scion.report.text"

local tag = html.tag

local function section(id, title, contents)
  return tag("section", { ["aria-labelledby"] = id }, tag("h2", { id = id }, html.escape(title)), contents)
end

local function points(value) return ("%+.1f"):format(100 * value) end

--- Accuracies: the chart, and its table.
local function accuracies(found)
  local rows, drawn, kept = {}, {}, ""
  for i, each in ipairs(found) do
    if each.cached then kept = html.paragraph(results.cached, "note") end
    if each.right then
      rows[i] = { each.name, text.percent(each.accuracy), text.percent(each.low), text.percent(each.high), text.grouped(each.parameters),
                  results.time_of(each) }
      drawn[#drawn + 1] = { name = each.name, value = each.accuracy, low = each.low, high = each.high, marked = each.name == found.best }
    else
      rows[i] = { each.name, "failed", "", "", "", results.time_of(each) }
    end
  end
  local chart = intervals { title = "Accuracies and their intervals", x = "accuracy", rows = drawn,
                            text = ("%s has the highest accuracy. Lines are 95%% intervals (Wilson 1927), each by itself: the pairs below compare."):format(found.best) }
  return svg.figure(chart, "accuracies") .. html.table { caption = ("Accuracy on the same %s images"):format(text.grouped(found.images)), rows = rows, columns = {
    { title = "recipe" }, { title = "accuracy", right = true }, { title = "from", right = true }, { title = "to", right = true }, { title = "parameters", right = true },
    { title = "time", right = true } } } .. kept
end

--- All pairs of those that have not failed.
local function pairs_of(found)
  local rows = {}
  for i, first in ipairs(found) do
    for k = i + 1, #found do
      local second = found[k]
      if first.right and second.right then
        local pair = found:pair(first.name, second.name)
        rows[#rows + 1] = { ("%s, %s"):format(first.name, second.name), points(pair.difference), ("%s to %s"):format(points(pair.low), points(pair.high)),
                            text.p_value(pair.p), tostring(pair.only_first), tostring(pair.only_second) }
      end
    end
  end
  if not rows[1] then return nil end
  local words = "Differences are in points of accuracy, with 95% intervals of pairs (Agresti and Min 2005); p is McNemar's exact test (1947). " ..
    "Where nothing differs, about one pair in twenty has a p below 0.05 all the same."
  return html.paragraph(words) .. html.table { caption = "Pairs, the first less the second", rows = rows, columns = {
    { title = "pair" }, { title = "difference", right = true }, { title = "95% interval", right = true }, { title = "p", right = true },
    { title = "only the first is right", right = true }, { title = "only the second", right = true } } }
end

--- The curves of one that has a history.
local function curves_of(number, each)
  local parts = {}
  for i, one in ipairs(each.model and curves(each.model.history) or {}) do
    parts[i] = svg.figure(one.drawing, ("curve-%d-%d"):format(number, i), html.details("Numbers", html.table(one.table)))
  end
  return parts[1] and tag("div", { class = "charts" }, table.concat(parts, "\n"))
end

--- Which is best, and which others it is not told apart from.
local function verdict(found)
  local best, alike = nil, {}
  for _, each in ipairs(found) do
    if each.name == found.best then
      best = each
    elseif each.right then
      local pair = found:pair(found.best, each.name)
      if pair.low <= 0 then alike[#alike + 1] = each.name end
    end
  end
  return ("%s has the highest accuracy, %s of %s images%s%s. %s"):format(found.best, text.percent(best.accuracy), text.grouped(found.images),
    alike[1] and (", but is not told apart from %s"):format(table.concat(alike, ", ")) or "", results.unread(found.left_out), results.once)
end

--- The page.
---@param found scion.Comparison
---@return string
return function(found)
  local parts = { section("accuracies-title", "Accuracy", accuracies(found)) }
  local compared = pairs_of(found)
  if compared then parts[2] = section("pairs", "Pairs", compared) end
  local failed = {}
  for i, each in ipairs(found) do
    local drawn = curves_of(i, each)
    if drawn then parts[#parts + 1] = section("recipe-" .. i, each.name, drawn) end
    if each.error then failed[#failed + 1] = { each.name, each.error } end
  end
  if failed[1] then parts[#parts + 1] = section("failed", "Failed", html.list(failed)) end
  return document { title = ("Comparison of %d recipes"):format(#found), main = table.concat(parts, "\n"),
                    introduction = html.paragraph(verdict(found)) }
end
