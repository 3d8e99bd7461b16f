--- The curves of a history: a chart for each thing that its epochs tell, with its numbers as a table.
local chart = require "scion.report.chart"
local line = require "scion.report.charts.line"
local monitor = require "scion.train.monitor"
local record = require "scion.train.record"
local text = require "scion.report.text"

local own = { epoch = true, seconds = true, images_per_second = true, lr = true } -- what stands elsewhere, or in a chart of its own

local rate_name = "learning rate"

local function formatted(value) return type(value) ~= "number" and "" or text.number(value, 4) end

local function rate(value) return type(value) ~= "number" and "" or ("%.4g"):format(value) end

--- The points of a name: every epoch that has it.
local function points_of(history, name)
  local points = {}
  for _, entry in ipairs(history) do
    local value = rawget(entry, name)
    if type(value) == "number" then points[#points + 1] = { entry.epoch, value } end
  end
  return points
end

--- The names of what the epochs tell, without the validation's: the loss, the accuracy, others by name.
local function names_of(history)
  local names, seen = {}, {}
  for _, entry in ipairs(history) do
    for name, value in next, entry do
      local base = type(name) == "string" and type(value) == "number" and name:gsub("^val_", "")
      if base and not own[base] and not seen[base] then names[#names + 1], seen[base] = base, true end
    end
  end
  local function place(name) return name == "loss" and 1 or name == "accuracy" and 2 or 3 end
  table.sort(names, function(a, b)
    if place(a) ~= place(b) then return place(a) < place(b) end
    return a < b
  end)
  return names
end

--- In words: how a series begins and ends, and where it is best.
local function words(series, format)
  local name, points = series.name, series.points
  local first, last, best = points[1], points[#points], nil
  local direction = monitor.direction(name) -- nil: of a number of the script's own nobody knows which is better
  for _, point in ipairs(direction and points or {}) do
    local better = not best or direction == "min" and point[2] < best[2] or direction == "max" and point[2] > best[2]
    if chart.finite(point[2]) and better then best = point end
  end
  if #points == 1 then return ("%s is %s in epoch %d."):format(name, format(first[2]), first[1]) end
  local ends = ("%s goes from %s in epoch %d to %s in epoch %d"):format(name, format(first[2]), first[1], format(last[2]), last[1])
  if not best then return ends .. "." end
  return ("%s; it is %s, %s, in epoch %d."):format(ends, direction == "min" and "lowest" or "highest", format(best[2]), best[1])
end

local function is_share(series)
  for _, one in ipairs(series) do
    for _, point in ipairs(one.points) do
      if one.name:find "loss$" or one.name == rate_name or not (point[2] >= 0 and point[2] <= 1) then return false end
    end
  end
  return true
end

local function table_of(series, format)
  local columns, rows, by_epoch = { { title = "epoch", right = true } }, {}, {}
  for i, one in ipairs(series) do
    columns[i + 1] = { title = one.name, right = true }
    for _, point in ipairs(one.points) do
      local row = by_epoch[point[1]]
      if not row then
        row = { tostring(point[1]) }
        by_epoch[point[1]], rows[#rows + 1] = row, row
      end
      row[i + 1] = format(point[2])
    end
  end
  for _, row in ipairs(rows) do
    for i = 1, #columns do row[i] = row[i] or "" end
  end
  return columns, rows
end

--- Where stages begin, but for the first.
local function marks_of(history)
  local marks = {}
  for i, stage in ipairs(record.stages(history)) do marks[i] = { at = stage.first - 0.5, text = "stage " .. i } end
  table.remove(marks, 1)
  return marks
end

--- Those of the marks between the first and the last epoch of the series.
local function within(marks, series)
  local first, last, inside = math.huge, -math.huge, {}
  for _, one in ipairs(series) do first, last = math.min(first, one.points[1][1]), math.max(last, one.points[#one.points][1]) end
  for _, mark in ipairs(marks) do inside[#inside + 1] = mark.at > first and mark.at < last and mark or nil end
  return inside
end

local function add(list, title, series, all_marks, format)
  local marks = within(all_marks, series)
  local told = {}
  for i, one in ipairs(series) do told[i] = words(one, format) end
  if #marks == 1 then told[#told + 1] = ("The dotted line marks where %s begins."):format(marks[1].text) end
  if #marks > 1 then told[#told + 1] = "Dotted lines mark where stages begin." end
  local drawing = line { title = title, text = table.concat(told, " "), x = "epoch", gaps = true, series = series, marks = marks, share = is_share(series) }
  if not drawing then return end
  local columns, rows = table_of(series, format)
  list[#list + 1] = { drawing = drawing, table = { caption = ("%s by epoch"):format(title), columns = columns, rows = rows } }
end

--- The charts, with the table of each. What has no number that can be drawn is left out.
---@param history scion.History
---@return { drawing: scion.Drawing, table: scion.HtmlTable }[]
return function(history)
  local list, marks = {}, marks_of(history)
  for _, name in ipairs(names_of(history)) do
    local series = {}
    for _, each in ipairs { name, "val_" .. name } do
      local points = points_of(history, each)
      if points[1] then series[#series + 1] = { name = each, points = points } end
    end
    add(list, name, series, marks, formatted)
  end
  local rates = points_of(history, "lr")
  if rates[1] then add(list, rate_name, { { name = rate_name, points = rates } }, marks, rate) end
  return list
end
