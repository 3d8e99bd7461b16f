--- Checks of what users pass in. An error message is one sentence that names what was given and what is expected, and its position
--- is the line of the user's script, not a line of Scion.
---
--- A kind describes which values are accepted: { what = "a whole number from 1 up", read = function(value) → ok, value, complaint, hint }.
--- Reading may convert the value: 64.0 becomes 64. The message is "<name> is <what>, not <value>". A complaint replaces all of it but
--- the name. Without a complaint, a hint is added in parentheses.
local printable = require "scion.printable"

local check = {}

---@class scion.Kind
---@field what string completes the sentence "x is …"
---@field read fun(value: any): boolean, any, string?, string? ok, the value as read, complaint, hint

-- ---- messages -------------------------------------------------------------------------------------------------------

local home = debug.getinfo(1, "S").source:match "^(.*)check%.lua$"

local function is_ours(info) return info.source:sub(1, #home) == home end

--- Whether the function at a level of the call stack is defined in one of Scion's files.
---@param level integer 1: the function that calls check.of_library; 2: its caller; and so on
---@return boolean
function check.of_library(level)
  local info = debug.getinfo(level + 1, "S")
  return info ~= nil and is_ours(info)
end

local quiet = 0 -- how many calls of check.try are running; while there are any, messages get no position

--- The position of the user's call, "script.lua:12: ": the line in the innermost Lua function that is not one of Scion's. "" if there
--- is none. It is called by check.raise only: the search begins at level 3, the caller of check.raise.
---@return string
local function line_of_user()
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

--- Makes text safe to print on one line: control characters become escapes such as \x1b, so that a file name cannot send commands
--- to the terminal.
---@param text string
---@return string
function check.escape(text)
  return (text:gsub("[%c\127]", function(c) return c == "\n" and "\\n" or ("\\x%02x"):format(c:byte()) end))
end

--- Raises a message with the position of the user's call.
---@param message string
function check.raise(message) error(line_of_user() .. check.escape(message), 0) end

--- The first of two results, unless there is the second, a message: it is raised then.
---@param value any
---@param message string?
---@return any value
function check.need(value, message)
  if message then check.raise(message) end
  return value
end

--- Calls f as pcall does. Messages that check.raise raises during the call have no position, so that they can be put into a longer
--- message.
---@param f function
---@param ... any its arguments
---@return boolean ok, any ... results of f, or the message
function check.try(f, ...)
  local before = quiet
  local function ended(...) -- it allocates nothing, and so cannot fail where memory is short
    quiet = before
    return ...
  end
  quiet = before + 1
  return ended(pcall(f, ...))
end

--- A schema of the options of both, for check.options.
---@param first table<string, table>
---@param second table<string, table>
---@return table<string, table>
function check.joined(first, second)
  local all = {}
  for _, part in ipairs { first, second } do
    for name, option in pairs(part) do all[name] = option end
  end
  return all
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

--- A value as messages show it: 'text', 3, NaN, a table, a function, a tensor (f32 2x3), a model.
---@param value any
---@return string
function check.show(value)
  local kind = type(value)
  if kind == "string" then return quoted(value) end
  if value == nil or kind == "boolean" then return tostring(value) end
  if value ~= value then return "NaN" end
  if value == require("scion.core").null then return "null" end -- JSON's
  if kind == "number" then return math.type(value) == "integer" and ("%d"):format(value) or ("%.14g"):format(value) end
  local meta = debug.getmetatable(value)
  local name = meta and (rawget(meta, "__title") or rawget(meta, "__name"))
  if name == "scion.json_array" then return "an empty list" end
  if name == "scion.Printable" then name = nil end
  if name == "scion.tensor" then return show_tensor(value) end
  if type(name) == "string" then return name:find "^an? " and name or ("a value of kind %s"):format(quoted(name)) end
  if kind == "table" then return next(value) == nil and "an empty table" or rawlen(value) > 0 and "a list" or "a table" end
  return "a " .. kind
end

-- ---- names that are nearly right ------------------------------------------------------------------------------------

--- The edit distance (Damerau-Levenshtein): how many bytes must be inserted, deleted, replaced or swapped with a neighbour to turn a
--- into b.
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

local longest_name = 100 -- longer names are cut before they are compared: the time grows with the length

--- The form in which names are compared: lower case, without underscores, with short words for those that Keras or PyTorch write out,
--- and without the ending 2d.
local function bare(name)
  local text = name:lower():gsub("_", "")
  for long, short in pairs { average = "avg", pooling = "pool", normalization = "norm", padding = "pad", cropping = "crop", upsampling = "upsample" } do
    text = text:gsub(long, short)
  end
  return (text:gsub("2d$", ""))
end

--- The candidates whose spelling is closest to a name, closest first. Candidates at the same distance keep their order.
---@param name string
---@param candidates string[]
---@param n? integer how many at most (3)
---@param form? fun(name: string): string turns a name into the form that is compared (string.lower)
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

--- A hint for a name that Keras or PyTorch use for one of `names`; nil if there is none.
local function translation(name, names)
  local known = {}
  for _, each in ipairs(names) do known[each] = true end
  for _, meant in ipairs(require "scion.other_names"[name:lower():gsub("_", "")] or {}) do
    if known[meant[1]] then return meant[2] or did_you_mean(meant[1]) end
  end
end

--- A hint that lists the names that begin with this one, if there are several: for 'squeezenet', squeezenet1_0 and squeezenet1_1.
local function begun(name, names)
  local list, start = {}, name:lower()
  for _, each in ipairs(names) do
    if #start > 2 and each:sub(1, #start):lower() == start then list[#list + 1] = each end
  end
  if #list > 1 then return ("did you mean %s or %s?"):format(table.concat(list, ", ", 1, #list - 1), list[#list]) end
end

--- A hint which of these names was probably meant; nil if there is no good guess. It never suggests the name that was given.
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
  -- the limit below depends on the length: 'foo' does not mean 'fit', though only two letters differ
  local length = nearest[1] and #nearest[1] or 0
  if nearest[1] and distances[1] <= math.max(math.min(2, length // 2), length // 3) then return did_you_mean(nearest[1]) end
end

local most_listed = 100 -- names, beyond which the nearest are shown

--- Of very many names those that hold this one, the shortest ones first, or else those that are spelled most like it.
local function nearest_of(name, names)
  local list, part = {}, tostring(name):lower()
  for _, each in ipairs(names) do
    if each:lower():find(part, 1, true) then list[#list + 1] = each end
  end
  list = check.nearest(tostring(name), list[1] and list or names, 5)
  for i, each in ipairs(list) do list[i] = quoted(each) end
  return list
end

--- The hint for an unknown name: "did you mean 'freeze'?", a remark on what Scion has in its place, or a list of all known names; of very many
--- the nearest.
---@param name any
---@param names string[]
---@param verb? string what the list begins with ("it takes")
---@return string
function check.suggestion(name, names, verb)
  names = table.move(names, 1, #names, 1, {})
  table.sort(names)
  local found = meant(name, names)
  if found then return found end
  if #names == 0 then return "it takes none" end
  if #names > most_listed then return ("%s %d names, such as %s"):format(verb or "it takes", #names, table.concat(nearest_of(name, names), ", ")) end
  return (verb or "it takes") .. " " .. table.concat(names, ", ")
end

-- ---- kinds ----------------------------------------------------------------------------------------------------------

--- Makes a kind from its two fields. `read` may return a complaint and a hint: see the top of this file.
---@param what string
---@param read fun(value: any): boolean, any, string?, string?
---@return scion.Kind
function check.kind(what, read) return { what = what, read = read } end

local kind = check.kind

--- Anything but nil.
check.any = kind("a value", function(value) return value ~= nil, value end)
check.boolean = kind("true or false", function(value) return type(value) == "boolean", value end)
--- A function, or an object that can be called. class.lua gives some objects a __call that only raises: these have __refuses_call.
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

--- A finite number, perhaps in a range such as { from = 0, below = 1 }: `from` and `to` are inclusive bounds, `above` and `below`
--- exclusive ones.
---@param range? { from: number?, above: number?, to: number?, below: number? }
---@return scion.Kind
function check.number(range)
  local r, what = range or {}, "a number"
  if r.from then what = what .. (" from %g"):format(r.from) .. ((r.to or r.below) and "" or " up") end
  if r.above then what = what .. (" above %g"):format(r.above) end
  if r.to then
    what = what .. ((r.from or r.above) and "" or " of at most") .. (r.from and (" to %g"):format(r.to) or r.above and (", up to %g"):format(r.to) or (" %g"):format(r.to))
  end
  if r.below then what = what .. ((r.from or r.above) and " and below %g" or " below %g"):format(r.below) end
  return kind(what, function(value)
    return type(value) == "number" and value == value and value > -math.huge and value < math.huge and (not r.from or value >= r.from) and
             (not r.above or value > r.above) and (not r.to or value <= r.to) and (not r.below or value < r.below), value
  end)
end

--- One of these strings. The hint for another string is the nearest of them.
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

--- One of the keys of a table.
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

--- A value of one of two kinds; the first kind that accepts it reads it. Complaints are kept for tables only: there they point at an
--- element. Any other value gets the general message, which names both kinds.
---@param one scion.Kind
---@param other scion.Kind
---@param what? string (the two kinds' own, joined by "or")
---@return scion.Kind
function check.either(one, other, what)
  return kind(what or one.what .. " or " .. other.what, function(value)
    local ok, result, complaint, hint = one.read(value)
    if ok then return ok, result end
    local good, second, other_complaint, other_hint = other.read(value)
    return good, second, type(value) == "table" and (complaint or other_complaint) or nil, hint or other_hint
  end)
end

--- A value of the kind, or nil.
---@param of scion.Kind
---@return scion.Kind
function check.optional(of)
  return kind(of.what .. " or nil", function(value)
    if value == nil then return true end
    return of.read(value)
  end)
end

--- A value of the kind, or false, which switches something off.
---@param of scion.Kind
---@return scion.Kind
function check.unless_false(of) return check.either(check.only(false), of, of.what .. ", or false") end

--- The list that a view shows (see read_only.lua), for C and for functions that pass over metatables; any other value as it is.
---@param value any
---@return any
function check.items(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__items") or value
end

--- A list without holes, of exactly `count` elements if that is given. It is read as a copy, whose elements are read by their kind.
---@param element scion.Kind
---@param count? integer
---@param what? string such as "a list of paths" (made from the element's kind)
---@return scion.Kind
function check.list(element, count, what)
  what = what or (count and ("a list of %d, each %s"):format(count, element.what) or ("a list, each %s"):format(element.what))
  return kind(what, function(value)
    value = check.items(value)
    if not printable.is_plain(value) then return false end
    local n, largest, read = 0, 0, {}
    for key, v in next, value do
      if math.type(key) ~= "integer" or key < 1 then return false, nil, ("is %s, and %s is none of a list's positions"):format(what, check.show(key)) end
      n, largest = n + 1, math.max(largest, key)
      local ok, result, complaint, hint = element.read(v)
      if not ok then
        return false, nil, ("is %s, but element %s%s%s%s"):format(what, check.show(key),
          complaint and complaint:sub(1, 1) == ":" and "" or " ", complaint or "is " .. check.show(v), hint and " (" .. hint .. ")" or "")
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

--- A list whose elements all differ.
---@param of scion.Kind a kind of lists
---@param complaint string a format for the element that appears twice: "has %s twice"
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

--- An object of a class, recognized by __name in its metatable.
---@param name string "scion.Model"
---@param what string "a model"
---@return scion.Kind
function check.instance(name, what)
  return kind(what, function(value)
    local meta = debug.getmetatable(value)
    return (type(value) == "table" or type(value) == "userdata") and meta ~= nil and rawget(meta, "__name") == name, value
  end)
end

--- A tensor that has not been closed.
check.tensor = kind("a tensor", function(value)
  local meta = debug.getmetatable(value)
  return type(value) == "userdata" and meta ~= nil and rawget(meta, "__name") == "scion.tensor" and pcall(value.shape, value), value
end)

--- A table of options inside another table of options.
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

--- Reads a value by its kind, or raises a message such as "fit: epochs is a whole number from 0 up, not 'two'".
---@param where string the name of the function that the user called
---@param name string the name of the argument or option
---@param value any
---@param of scion.Kind
---@return any value as read
function check.argument(where, name, value, of)
  local ok, result, complaint, hint = of.read(value)
  if ok then return result end
  complaint = complaint or ("is %s, not %s%s"):format(of.what, check.show(value), hint and " (" .. hint .. ")" or "")
  check.raise(("%s: %s%s%s"):format(where, name, complaint:sub(1, 1) == ":" and "" or " ", complaint))
end

--- Raises unless the options are nil or a plain table, one without a metatable.
---@param where string
---@param given any
---@param schema table as for check.options. The message shows one option as an example: a required one, else the usual one
function check.plain(where, given, schema)
  if given == nil or (type(given) == "table" and getmetatable(given) == nil) then return end
  local names = {}
  -- the first name after sorting is shown; spaces sort before letters
  for name, option in pairs(schema) do names[#names + 1] = (option.required and "  " or option.usual and " " or "") .. name end
  table.sort(names)
  check.raise(("%s: options are a table, such as { %s = … }, not %s"):format(where, (names[1] or "name"):match "%S+", check.show(given)))
end

--- Checks a table of options and fills in the defaults.
---@param where string the name of the function that the user called, for messages
---@param given? table
---@param schema table<string, table> for each option { kind, default } or { kind, required = true }; `usual = true` marks the option that
--- is given most often
---@return table checked a new table: the given values as they were read, and the defaults of the others. A value that is read as nil
--- counts as not given
---Raises, at the user's line, if `given` is not a plain table, if it has an unknown key (the message suggests a known one) or a value
---that is not of its kind, and if a required option is missing.
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

--- Raises unless `self` is an object of the method's class. It usually is not if a method was called with a dot.
---@param where string such as "model:fit"
---@param self any
---@param of scion.Kind the class
function check.self(where, self, of)
  if of.read(self) then return end
  check.raise(("%s is called with a colon on %s: %s(…); it was called on %s"):format(where, of.what, where, check.show(self)))
end

return check
