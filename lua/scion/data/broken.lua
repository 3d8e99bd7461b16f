--- Examples that cannot be read: each is told once, counted and kept among the data set's problems, and so is a class of which none is left.
local check = require "scion.check"
local core = require "scion.core"
local labels = require "scion.data.labels"
local printable = require "scion.printable"

local broken = {}

local most_told = 20 -- images that are left out with a line each

--- How many examples each class or label has; nil where there are none.
local function counts_of(data)
  local rows = data.soft or data.multi
  if rows then return labels.tally(rows) end
  return data.classes and core.count(data.classes - 1, #data.labels)
end

--- The classes or labels of an example, from 0.
local function labels_of(data, index)
  if data.classes then return { data.classes:get(index + 1) } end
  local list = {}
  for i, share in ipairs((data.soft or data.multi):select(index + 1):totable()) do
    if share > 0 then list[#list + 1] = i end
  end
  return list
end

--- Keeps the classes whose last example this was, and calls tell for each.
local function lose(data, index, tell)
  data.left = data.left or counts_of(data)
  for _, label in ipairs(data.left and labels_of(data, index) or {}) do
    data.left[label] = data.left[label] - 1
    if data.left[label] == 0 then
      local name, all = data.labels[label], counts_of(data)[label]
      local what = data.values and "example" or "image"
      local which = all == 1 and ("the only %s of %s cannot"):format(what, check.show(name)) or
        ("none of the %d %ss of %s can"):format(all, what, check.show(name))
      local reason = which .. " be used, so that nothing is learnt or measured of it: mend its examples, or make the data set without it"
      data.problems[#data.problems + 1] = printable.table { label = name, reason = reason }
      tell(reason)
    end
  end
end

--- Calls warn for an example that fails for the first time, and keeps the reason. Raises if the data set's on_broken is "error".
---@param data scion.Dataset
---@param failure scion.Failure its index counts from 0
---@param limited boolean whether warn writes lines, of which there shall not be too many
---@param elsewhere? boolean whether another process has read it, and told of it (false)
function broken.leave_out(data, failure, limited, elsewhere)
  if data.on_broken == "error" then check.raise(failure.message .. "; on_broken = 'skip' leaves such images out") end
  if data.reported[failure.index] then return end
  data.skipped = data.skipped + 1
  local prefix = failure.file and failure.file .. ": "
  local named = prefix and failure.message:sub(1, #prefix) == prefix
  local reason = named and failure.message:sub(#prefix + 1) or failure.message
  data.reported[failure.index] = reason
  data.problems[#data.problems + 1] = printable.table { file = failure.file, reason = reason }
  if limited and data.skipped > most_told then
    if data.skipped == most_told + 1 then data.warn("left out more examples, which the data set's field `problems` lists", elsewhere) end
  elseif not (elsewhere and limited) then -- lines are written where the example was read; a function of the user's own hears of all
    data.warn("left out " .. failure.message)
  end
  lose(data, failure.index, function(message) data.warn(message, elsewhere) end)
end

--- Counts the examples of which it is known from the start that they cannot be used, and keeps the reasons.
---@param data scion.Dataset
---@param known table<integer, string> the reasons by their numbers from 0
function broken.count_known(data, known)
  local numbers = {}
  for number in pairs(known) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    data.reported[number], data.skipped = known[number], data.skipped + 1
    data.problems[#data.problems + 1] = printable.table { file = data.files and data.files[number + 1], reason = known[number] }
    lose(data, number, function() end) -- what makes the data set tells of the examples itself
  end
end

--- Tells of the classes of which none is left in a part of a data set, but some in the whole.
---@param part scion.Dataset
---@param whole scion.Dataset
function broken.tell_lost(part, whole)
  local told = {}
  for _, problem in ipairs(whole.problems) do told[problem.label or ""] = true end
  for _, problem in ipairs(part.problems) do
    if problem.label and not told[problem.label] then part.warn(problem.reason) end
  end
end

return broken
