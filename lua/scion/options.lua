--- Options in tables: unknown keys raise with the near matches.
local options = {}

-- How many letters must be inserted, dropped, exchanged or swapped with a neighbour to turn a into b.
local function distance(a, b)
  local before, last, row = {}, {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last, row = last, row, before
  end
  return last[#b]
end

--- The candidates that are spelled most like a name, the nearest first; equally near ones keep their order.
---@param name string
---@param candidates string[]
---@param n? integer how many at most (3)
---@return string[] nearest
---@return integer[] distances edits from the name to each of them
function options.nearest(name, candidates, n)
  local ranked = {}
  for i, candidate in ipairs(candidates) do ranked[i] = { candidate, distance(name, candidate), i } end
  table.sort(ranked, function(a, b)
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[3] < b[3]
  end)
  local nearest, distances = {}, {}
  for i = 1, math.min(n or 3, #ranked) do nearest[i], distances[i] = ranked[i][1], ranked[i][2] end
  return nearest, distances
end

local function complaint(where, key, names)
  table.sort(names)
  local nearest, distances = options.nearest(tostring(key), names, 1)
  local known = nearest[1] and distances[1] <= math.max(2, #nearest[1] // 3) and ("did you mean '%s'?"):format(nearest[1])
    or "it takes " .. table.concat(names, ", ")
  return ("%s: unknown option '%s' (%s)"):format(where, tostring(key), known)
end

--- Checks a table of options and fills in the defaults.
---@param where string the function that was given them, for the message
---@param given? table
---@param known table the options there are: `name = default`, and in the list part names without a default
---@param level? integer where errors point, as for `error`: by default to whoever called the function that calls this one
---@return table checked a new table: what was given, and the defaults of the rest
---Raises when `given` is no table or has a key that is not known, naming the nearest one.
function options.check(where, given, known, level)
  if given ~= nil and type(given) ~= "table" then
    error(("%s: options are a table, not a %s"):format(where, type(given)), level or 3)
  end
  local names, set, checked = {}, {}, {}
  for key, value in pairs(known) do
    local name = math.type(key) and value or key
    names[#names + 1], set[name] = name, true
    if name == key then checked[name] = value end
  end
  for key, value in pairs(given or {}) do
    if not set[key] then error(complaint(where, key, names), level or 3) end
    checked[key] = value
  end
  return checked
end

return options
