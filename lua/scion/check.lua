--- Checks of what users give, and how a mistake is told: one sentence, at the line of the user's script, that names what was
--- given and what is expected.
---
--- A kind says what a value has to be: { what = "a whole number from 1 up", read = function(value) → ok, value, complaint, hint }.
--- Reading may convert: 64.0 becomes 64. A complaint, where there is one, replaces the words
--- "is <what>, not <value>"; a hint follows them in brackets.
local other_names = require "scion.other_names"

local check = {}

---@class scion.Kind
---@field what string as it follows "is" in a sentence
---@field read fun(value: any): boolean, any, string?, string?

-- ---- messages -------------------------------------------------------------------------------------------------------

local home = debug.getinfo(1, "S").source:match "^(.*)check%.lua$"

local function is_ours(info) return info.source:sub(1, #home) == home end

--- Whether the function at a level of the stack, as debug.getinfo counts them, stands in a file of Scion.
---@param level integer seen from the caller
---@return boolean
function check.of_library(level)
  local info = debug.getinfo(level + 1, "S")
  return info ~= nil and is_ours(info)
end

local quiet = 0 -- how many check.try are running: their messages get a place where they are raised again

--- The place of the user's call, "script.lua:12: ": the innermost Lua function that is none of Scion's.
---@return string
local function place()
  if quiet > 0 then return "" end
  local level = 3
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then return "" end
    if info.what ~= "C" and not is_ours(info) then
      return info.currentline > 0 and ("%s:%d: "):format(info.short_src, info.currentline) or ""
    end
    level = level + 1
  end
end

--- Makes text safe to print on one line: control characters become escapes such as \x1b.
---@param text string
---@return string
function check.escape(text)
  return (text:gsub("[%c\127]", function(c) return c == "\n" and "\\n" or ("\\x%02x"):format(c:byte()) end))
end

--- Raises a message at the line of the user's script.
---@param message string
function check.raise(message) error(place() .. check.escape(message), 0) end

--- Calls f as pcall does. Messages that check.raise raises in it have no place, so that they can go into a longer sentence.
---@param f function
---@param ... any its arguments
---@return boolean ok, any ... results, or the message
function check.try(f, ...)
  local before = quiet
  quiet = before + 1
  local results = table.pack(pcall(f, ...))
  quiet = before
  return table.unpack(results, 1, results.n)
end

local function quoted(text)
  text = check.escape(text)
  if #text > 60 then text = text:sub(1, 57) .. "..." end
  return "'" .. text .. "'"
end

local function show_tensor(t)
  local ok, shape = pcall(function() return table.concat(t:shape(), "x") end)
  if not ok then return "a closed tensor" end
  return ("a tensor (%s %s)"):format(t:dtype(), shape)
end

--- A value in words, for messages: 'text', 3, NaN, a table, a function, a tensor (f32 2x3), a model.
---@param value any
---@return string
function check.show(value)
  local kind = type(value)
  if kind == "string" then return quoted(value) end
  if value == nil or kind == "boolean" then return tostring(value) end
  if value ~= value then return "NaN" end
  if kind == "number" then return math.type(value) == "integer" and ("%d"):format(value) or ("%.14g"):format(value) end
  local meta = debug.getmetatable(value)
  local name = meta and (rawget(meta, "__title") or rawget(meta, "__name"))
  if name == "scion.tensor" then return show_tensor(value) end
  if type(name) == "string" then return name:find "^an? " and name or ("a value of kind %s"):format(quoted(name)) end
  if kind == "table" then return next(value) == nil and "an empty table" or rawlen(value) > 0 and "a list" or "a table" end
  return "a " .. kind
end

-- ---- names that are nearly right ------------------------------------------------------------------------------------

--- How many letters must be inserted, dropped, exchanged or swapped with a neighbour to turn a into b.
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

local longest_name = 100 -- a longer one is no slip of the pen, and comparing it would take time

--- A name as names are compared: without case and underscores, and without what only Keras or PyTorch put into theirs.
local function bare(name)
  local text = name:lower():gsub("_", "")
  for long, short in pairs { average = "avg", pooling = "pool", normalization = "norm", padding = "pad", cropping = "crop", upsampling = "upsample" } do
    text = text:gsub(long, short)
  end
  return (text:gsub("2d$", ""))
end

--- The candidates that are spelled most like a name, the nearest first; equally near ones keep their order.
---@param name string
---@param candidates string[]
---@param n? integer how many at most (3)
---@param form? fun(name: string): string what is compared (the names in lower case)
---@return string[] nearest
---@return integer[] distances edits from the name to each of them
function check.nearest(name, candidates, n, form)
  local ranked = {}
  form = form or string.lower
  name = form(name:sub(1, longest_name))
  for i, candidate in ipairs(candidates) do ranked[i] = { candidate, distance(name, form(candidate)), i } end
  table.sort(ranked, function(a, b)
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[3] < b[3]
  end)
  local nearest, distances = {}, {}
  for i = 1, math.min(n or 3, #ranked) do nearest[i], distances[i] = ranked[i][1], ranked[i][2] end
  return nearest, distances
end

local function did_you_mean(name) return ("did you mean '%s'?"):format(name) end

--- What a name is called here that has another name elsewhere, where that is one of these.
local function translation(name, names)
  local known = {}
  for _, each in ipairs(names) do known[each] = true end
  for _, meant in ipairs(other_names[name:lower():gsub("_", "")] or {}) do
    if known[meant[1]] then return meant[2] or did_you_mean(meant[1]) end
  end
end

--- The names that begin with this one, where there are several: 'squeezenet' is none, but there are squeezenet1_0 and squeezenet1_1.
local function begun(name, names)
  local list, start = {}, name:lower()
  for _, each in ipairs(names) do
    if #start > 2 and each:sub(1, #start):lower() == start then list[#list + 1] = each end
  end
  if #list > 1 then return ("did you mean %s or %s?"):format(table.concat(list, ", ", 1, #list - 1), list[#list]) end
end

--- Which of these names was meant, as a sentence; nil where that cannot be told. Never the very name that was given.
---@param name any
---@param names string[] sorted
---@return string?
local function meant(name, names)
  if type(name) ~= "string" then return nil end
  local others = {}
  for _, each in ipairs(names) do
    if each ~= name then others[#others + 1] = each end
  end
  local nearest, distances = check.nearest(name, others, 1, bare)
  if distances[1] == 0 then return did_you_mean(nearest[1]) end
  local found = translation(name, others) or begun(name, others)
  if found then return found end
  local length = nearest[1] and #nearest[1] or 0 -- 'foo' is no 'fit', though only two letters differ
  if nearest[1] and distances[1] <= math.max(math.min(2, length // 2), length // 3) then return did_you_mean(nearest[1]) end
end

--- What to say of a name that is not among the known ones: "did you mean 'freeze'?", what it is called here, or all of them.
---@param name any
---@param names string[]
---@param verb? string before the list ("it takes")
---@return string
function check.suggestion(name, names, verb)
  names = table.move(names, 1, #names, 1, {})
  table.sort(names)
  local found = meant(name, names)
  if found then return found end
  if #names == 0 then return "it takes none" end
  return (verb or "it takes") .. " " .. table.concat(names, ", ")
end

-- ---- kinds ----------------------------------------------------------------------------------------------------------

--- A kind of one's own. A complaint that `read` gives as its third result says what to do, and so may be longer than `what`.
---@param what string
---@param read fun(value: any): boolean, any, string?
---@return scion.Kind
function check.kind(what, read) return { what = what, read = read } end

local kind = check.kind

--- Anything but nil.
check.any = kind("a value", function(value) return value ~= nil, value end)
check.boolean = kind("true or false", function(value) return type(value) == "boolean", value end)
check.callable = kind("a function", function(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(value) == "function" or (meta and type(meta) == "table" and meta.__call ~= nil and not meta.__refuses_call) or false, value
end)
check.table = kind("a table", function(value) return type(value) == "table", value end)
--- A string that can name something: not empty, and without a zero byte.
check.text = kind("a string", function(value) return type(value) == "string" and value ~= "" and not value:find("\0", 1, true), value end)
check.path = kind("a path", check.text.read)

local function whole(value)
  return type(value) == "number" and math.tointeger(value) or nil
end

--- A whole number; whole floats pass and become integers.
---@param from? integer
---@param to? integer
---@return scion.Kind
function check.whole(from, to)
  local range = from and to and (" from %d to %d"):format(from, to) or from and (" from %d up"):format(from) or ""
  return kind("a whole number" .. range, function(value)
    local n = whole(value)
    return n ~= nil and (not from or n >= from) and (not to or n <= to), n
  end)
end

--- A finite number, perhaps in a range: { from = 0, below = 1 }; `above` and `below` are not reached, `from` and `to` are.
---@param range? { from: number?, above: number?, to: number?, below: number? }
---@return scion.Kind
function check.number(range)
  local r, what = range or {}, "a number"
  if r.from then what = what .. (" from %g"):format(r.from) .. ((r.to or r.below) and "" or " up") end
  if r.above then what = what .. (" above %g"):format(r.above) end
  if r.to then what = what .. ((r.from or r.above) and "" or " of at most") .. (r.from and (" to %g"):format(r.to) or (" %g"):format(r.to)) end
  if r.below then what = what .. ((r.from or r.above) and " and below %g" or " below %g"):format(r.below) end
  return kind(what, function(value)
    return type(value) == "number" and value == value and value > -math.huge and value < math.huge and (not r.from or value >= r.from) and
             (not r.above or value > r.above) and (not r.to or value <= r.to) and (not r.below or value < r.below), value
  end)
end

--- One of these strings; a misspelled one is told the nearest.
---@param ... string
---@return scion.Kind
function check.one_of(...)
  local names, set = { ... }, {}
  for _, name in ipairs(names) do set[name] = true end
  local shown = {}
  for i, name in ipairs(names) do shown[i] = "'" .. name .. "'" end
  local what = #shown == 1 and shown[1] or table.concat(shown, ", ", 1, #shown - 1) .. " or " .. shown[#shown]
  return kind(what, function(value)
    if type(value) == "string" and set[value] then return true, value end
    return false, nil, nil, meant(value, names)
  end)
end

--- One of the names in a table.
---@param names table<string, any>
---@return scion.Kind
function check.name_in(names)
  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  return check.one_of(table.unpack(list))
end

--- Exactly this value, such as false.
---@param expected any
---@return scion.Kind
function check.only(expected)
  return kind(tostring(expected), function(value) return value == expected, value end)
end

--- What is one of two kinds; the first that takes the value reads it.
---@param one scion.Kind
---@param other scion.Kind
---@param what? string
---@return scion.Kind
function check.either(one, other, what)
  return kind(what or one.what .. " or " .. other.what, function(value)
    local ok, result, complaint, hint = one.read(value)
    if ok then return ok, result end
    local good, second, other_complaint, other_hint = other.read(value)
    return good, second, type(value) == "table" and (complaint or other_complaint) or nil, hint or other_hint
  end)
end

--- What may also be nil.
---@param of scion.Kind
---@return scion.Kind
function check.optional(of)
  return kind(of.what .. " or nil", function(value)
    if value == nil then return true end
    return of.read(value)
  end)
end

--- A kind, or false where what it says is not wanted.
---@param of scion.Kind
---@return scion.Kind
function check.unless_false(of) return check.either(check.only(false), of, of.what .. ", or false") end

--- A list without holes, of `count` elements where that is given; the copy that is read has the elements as they were read.
---@param element scion.Kind
---@param count? integer
---@param what? string "a list of paths"
---@return scion.Kind
function check.list(element, count, what)
  what = what or (count and ("a list of %d, each %s"):format(count, element.what) or ("a list, each %s"):format(element.what))
  return kind(what, function(value)
    if type(value) ~= "table" or getmetatable(value) ~= nil then return false end
    local n, largest, read = 0, 0, {}
    for key, v in next, value do
      if math.type(key) ~= "integer" or key < 1 then return false, nil, ("is %s, and %s is none of a list's positions"):format(what, check.show(key)) end
      n, largest = n + 1, math.max(largest, key)
      local ok, result, complaint, hint = element.read(v)
      if not ok then
        return false, nil, ("is %s, but element %s %s%s"):format(what, check.show(key), complaint or "is " .. check.show(v), hint and " (" .. hint .. ")" or "")
      end
      read[key] = result
    end
    if n ~= largest then
      local hole = 1
      while value[hole] ~= nil do hole = hole + 1 end
      return false, nil, ("is %s, but element %d is missing"):format(what, hole)
    end
    if count and n ~= count then return false, nil, ("is %s, not of %d"):format(what, n) end
    return true, read
  end)
end

--- A list no two elements of which are equal.
---@param of scion.Kind of lists
---@param complaint string where they are: "has %s twice"
---@return scion.Kind
function check.distinct(of, complaint)
  return kind(of.what, function(value)
    local ok, list, why, hint = of.read(value)
    local seen = {}
    for _, element in ipairs(ok and list or {}) do
      if seen[element] then return false, nil, complaint:format(check.show(element)) end
      seen[element] = true
    end
    return ok, list, why, hint
  end)
end

--- An object of a class, by the name of its metatable.
---@param name string "scion.Model"
---@param what string "a model"
---@return scion.Kind
function check.instance(name, what)
  return kind(what, function(value)
    local meta = debug.getmetatable(value)
    return (type(value) == "table" or type(value) == "userdata") and meta ~= nil and rawget(meta, "__name") == name, value
  end)
end

--- A tensor that is open.
check.tensor = kind("a tensor", function(value)
  local meta = debug.getmetatable(value)
  return type(value) == "userdata" and meta ~= nil and rawget(meta, "__name") == "scion.tensor" and pcall(value.shape, value), value
end)

--- A table of options of its own.
---@param schema table as for check.options
---@return scion.Kind
function check.table_of(schema)
  return kind("a table of options", function(value)
    if type(value) ~= "table" or getmetatable(value) ~= nil then return false end
    local ok, result = check.try(check.options, "", value, schema)
    if ok then return true, result end
    return false, nil, result
  end)
end

-- ---- arguments and options ------------------------------------------------------------------------------------------

--- Reads a value, or raises "fit: epochs is a whole number from 0 up, not 'two'".
---@param where string the function that was given it
---@param name string of the argument or option
---@param value any
---@param of scion.Kind
---@return any value as read
function check.argument(where, name, value, of)
  local ok, result, complaint, hint = of.read(value)
  if ok then return result end
  complaint = complaint or ("is %s, not %s%s"):format(of.what, check.show(value), hint and " (" .. hint .. ")" or "")
  check.raise(("%s: %s%s%s"):format(where, name, complaint:sub(1, 1) == ":" and "" or " ", complaint))
end

--- Raises unless options, where there are any, are a table of Lua's own, and no object.
---@param where string
---@param given any
---@param schema table as for check.options; the message's example is one that is required, else the usual one
function check.plain(where, given, schema)
  if given == nil or (type(given) == "table" and getmetatable(given) == nil) then return end
  local names = {}
  for name, option in pairs(schema) do names[#names + 1] = (option.required and "  " or option.usual and " " or "") .. name end -- spaces come before all letters
  table.sort(names)
  check.raise(("%s: options are a table, such as { %s = … }, not %s"):format(where, (names[1] or "name"):match "%S+", check.show(given)))
end

--- Checks a table of options and fills in the defaults.
---@param where string the function that was given them, for the message
---@param given? table
---@param schema table<string, table> for each option { kind, default }, or { kind, required = true }; `usual` is true of the one that
--- is given most often
---@return table checked a new table: what was given, as it was read, and the defaults of the rest
---Raises at the user's line when `given` is no table, has a key that is not known (with the nearest one) or a value that is not of
---its kind, and when a required one is missing.
function check.options(where, given, schema)
  check.plain(where, given, schema)
  local checked = {}
  for key, value in next, given or {} do
    local option = schema[key]
    if not option then
      local names = {}
      for name in pairs(schema) do names[#names + 1] = name end
      check.raise(("%s: unknown option %s (%s)"):format(where, check.show(key), check.suggestion(key, names)))
    end
    checked[key] = check.argument(where, key, value, option[1])
  end
  for key, option in pairs(schema) do
    if checked[key] == nil then
      if option.required then check.raise(("%s: %s is missing; it is %s"):format(where, key, option[1].what)) end
      checked[key] = option[2]
    end
  end
  return checked
end

--- Raises unless a method was called with a colon, on an object of its class.
---@param where string "model:fit"
---@param self any
---@param of scion.Kind
function check.self(where, self, of)
  if of.read(self) then return end
  check.raise(("%s is called with a colon on %s: %s(…); it was called on %s"):format(where, of.what, where, check.show(self)))
end

return check
