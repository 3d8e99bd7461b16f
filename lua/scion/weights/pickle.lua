--- Reads Python's pickles of protocols 1 to 5, safely. A pickle is a program for a small stack machine that may name and call any Python
--- function. Here a name is only looked up in a table of the caller's. A name that is not there becomes a placeholder, which stands for the
--- class or function and for all that it makes. No foreign code runs, and whatever the pickle puts into a placeholder is dropped.
local pickle = {}

--- Operations in one pickle, which bound the time. Those that make an object or remember one are counted apart: a tensor takes a few dozen of
--- these. None of them allocates more than a few hundred bytes, and any other some dozens, so the two bound the memory.
local most_operations, most_objects = 1000000, 250000

--- Python's None.
pickle.none = setmetatable({}, { __tostring = function() return "None" end })
--- Stands for any set: what sets hold is dropped.
pickle.set = { type = "opaque", name = "set" }
--- The message where the text ends before the pickle does.
pickle.cut_off = "it ends in the middle, as in a file that was cut off; download or copy it again"
local mark = {} -- marks a place on the stack, from which on later operations take values

---@class scion.Pickled a container, a placeholder, or what a function of the caller's made
---@field type "dict"|"list"|"tuple"|"opaque"|"object"|string
---@field keys any[]? of a dict that is not empty; the list part holds the values, in the same order
---@field name string? of a placeholder: "module.name" of the class or function
---@field made boolean? whether a placeholder stands for an object of its class, and not for the class
---@field state any of an "object": its attributes

--- Raises an error that pickle.read returns as its message; other errors are bugs and pass through.
local function fail(message, ...) error(setmetatable({ text = message:format(...) }, { __tostring = function(e) return e.text end })) end

-- ---- the machine ----------------------------------------------------------------------------------------------------

local function push(self, value)
  self.top = self.top + 1
  self.stack[self.top] = value
end

local function pop(self)
  local value = self.stack[self.top]
  if self.top == 0 or value == mark then fail "its stack runs empty" end
  self.stack[self.top] = nil
  self.top = self.top - 1
  return value
end

--- Reads a value of the pickle's text by a format of string.unpack.
local function unpack(self, format)
  local found, value, position = pcall(string.unpack, format, self.text, self.position)
  if not found then fail(pickle.cut_off) end
  self.position = position
  return value
end

--- Where the last mark is.
local function last_mark(self)
  local place = self.top
  while place > 0 and self.stack[place] ~= mark do place = place - 1 end
  return place > 0 and place or fail "it has no mark"
end

--- Drops all from a place in the stack on.
local function cut(self, place)
  for i = place, self.top do self.stack[i] = nil end
  self.top = place - 1
end

--- Pops the values above the last mark, and the mark.
local function pop_marked(self)
  local place = last_mark(self)
  local values = table.move(self.stack, place + 1, self.top, 1, {})
  cut(self, place)
  return values
end

--- The container on top of the stack, or at a place below, to be filled; nil for a placeholder, whose contents are dropped.
local function container(self, kind, place)
  local value = self.stack[place or self.top]
  if type(value) == "table" and value.type == "opaque" then return end
  if type(value) ~= "table" or value.type ~= kind then fail("it fills what is no %s", kind) end
  return value
end

local function tuple(self, count)
  local value = { type = "tuple" }
  for i = count, 1, -1 do value[i] = pop(self) end
  push(self, value)
end

local function of_marked(self, kind)
  local values = pop_marked(self)
  values.type = kind
  push(self, values)
end

--- Adds pairs to a dict. values: key, value, key, value, … from one place in the list to another.
local function set_items(dict, values, from, to)
  if (to - from) % 2 == 0 then fail "it has a key without a value" end
  if not dict then return end
  dict.keys = dict.keys or {}
  for i = from, to, 2 do
    dict.keys[#dict.keys + 1] = values[i]
    dict[#dict + 1] = values[i + 1]
  end
end

local function extend(list, values, from, to)
  if list then table.move(values, from, to, #list + 1, list) end
end

--- Moves the values above the last mark into the container below it.
local function fill(self, kind, add)
  local place = last_mark(self)
  add(container(self, kind, place - 1), self.stack, place + 1, self.top)
  cut(self, place)
end

--- Stores the top of the stack in the memo, the pickle's table of values for later use.
local function remember(self, index)
  if self.memo[index] == nil then self.remembered = self.remembered + 1 end
  self.memo[index] = self.stack[self.top] or fail "its stack runs empty"
end

local function recall(self, index)
  local value = self.memo[index]
  if value == nil then fail "it recalls what it never had" end
  push(self, value)
end

--- A little-endian signed integer of up to eight bytes. A longer one stays a string of its bytes.
local function long(bytes)
  if #bytes == 0 then return 0 end
  return #bytes <= 8 and string.unpack("<i" .. #bytes, bytes) or bytes
end

--- The text up to the next newline.
local function line(self)
  local text, after = self.text:match("^([^\n]*)\n()", self.position)
  if not text then fail(pickle.cut_off) end
  self.position = after
  return text
end

--- A line with a number in digits. One of 64 characters or more, or that is no number, stays a string.
local function number(self)
  local text = line(self)
  return #text < 64 and tonumber((text:gsub("L$", ""))) or text
end

-- ---- what has a name ------------------------------------------------------------------------------------------------

local longest_name = 256

--- Pushes what the caller has for a Python name, or a placeholder.
local function global(self, module, name)
  if type(module) ~= "string" or type(name) ~= "string" then fail "it names something without a text" end
  if #module + #name > longest_name then fail "it asks for a name of more than 256 letters" end
  local full = module .. "." .. name
  local known = self.globals[full]
  push(self, type(known) == "function" and { type = "global", name = full, make = known } or known or { type = "opaque", name = full })
end

--- "Calls" something with a tuple of arguments and pushes the result. Only functions of the caller's really run. A placeholder gives itself
--- or, if `new`, a placeholder for an object of its class.
local function make(self, callee, arguments, new)
  if type(callee) ~= "table" or callee.type ~= "global" and callee.type ~= "opaque" then fail "it calls what is no function" end
  if type(arguments) ~= "table" or arguments.type ~= "tuple" then fail "it calls something without a tuple of arguments" end
  if callee.make then
    push(self, callee.make(arguments))
  else
    push(self, new and { type = "opaque", name = callee.name, made = true } or callee)
  end
end

--- Pushes an object of a class, made of arguments that were popped up to the last mark.
local function instance(self, class, arguments)
  arguments.type = "tuple"
  make(self, class, arguments, true)
end

-- ---- the operations, by their byte ----------------------------------------------------------------------------------

local function digits(self) push(self, number(self)) end
local function bytes4(self) push(self, unpack(self, "<s4")) end
local function bytes1(self) push(self, unpack(self, "<s1")) end
local function bytes8(self) push(self, unpack(self, "<s8")) end

--- The operations by their byte; comments name those whose code does not tell, as Python's pickletools does.
local operations = {
  -- numbers and texts
  ["N"] = function(self) push(self, pickle.none) end,
  ["\x88"] = function(self) push(self, true) end,
  ["\x89"] = function(self) push(self, false) end,
  ["I"] = digits, ["L"] = digits, ["F"] = digits, -- INT, LONG, FLOAT, of protocols 0 and 1
  ["J"] = function(self) push(self, unpack(self, "<i4")) end,
  ["K"] = function(self) push(self, unpack(self, "B")) end,
  ["M"] = function(self) push(self, unpack(self, "<I2")) end,
  ["G"] = function(self) push(self, unpack(self, ">d")) end,
  ["\x8a"] = function(self) push(self, long(unpack(self, "<s1"))) end, -- LONG1, LONG4
  ["\x8b"] = function(self) push(self, long(unpack(self, "<s4"))) end,
  ["V"] = function(self) push(self, line(self)) end, -- UNICODE, BINUNICODE, SHORT_, BINUNICODE8
  ["X"] = bytes4, ["\x8c"] = bytes1, ["\x8d"] = bytes8,
  ["S"] = function(self) push(self, line(self):match "^['\"](.*)['\"]%s*$" or fail "it has a text without quotes") end,
  ["T"] = bytes4, ["U"] = bytes1, -- BINSTRING, SHORT_
  ["B"] = bytes4, ["C"] = bytes1, ["\x8e"] = bytes8, ["\x96"] = bytes8, -- BINBYTES, SHORT_, BINBYTES8, BYTEARRAY8

  -- containers
  ["("] = function(self) push(self, mark) end,
  ["}"] = function(self) push(self, { type = "dict" }) end,
  ["]"] = function(self) push(self, { type = "list" }) end,
  [")"] = function(self) push(self, { type = "tuple" }) end,
  ["\x8f"] = function(self) push(self, pickle.set) end, -- EMPTY_SET, ADDITEMS, FROZENSET
  ["\x90"] = function(self)
    pop_marked(self)
    container(self, "set")
  end,
  ["\x91"] = function(self)
    pop_marked(self)
    push(self, pickle.set)
  end,
  ["t"] = function(self) of_marked(self, "tuple") end,
  ["l"] = function(self) of_marked(self, "list") end,
  ["d"] = function(self)
    local values = pop_marked(self)
    local dict = { type = "dict" }
    set_items(dict, values, 1, #values)
    push(self, dict)
  end,
  ["\x85"] = function(self) tuple(self, 1) end,
  ["\x86"] = function(self) tuple(self, 2) end,
  ["\x87"] = function(self) tuple(self, 3) end,
  ["a"] = function(self) -- APPEND
    local value = pop(self)
    extend(container(self, "list"), { value }, 1, 1)
  end,
  ["e"] = function(self) fill(self, "list", extend) end, -- APPENDS
  ["s"] = function(self) -- SETITEM
    local value = pop(self)
    local key = pop(self)
    set_items(container(self, "dict"), { key, value }, 1, 2)
  end,
  ["u"] = function(self) fill(self, "dict", set_items) end, -- SETITEMS

  -- the stack and the memo
  ["\x80"] = function(self) -- PROTO
    local protocol = unpack(self, "B")
    if protocol > 5 then fail("its protocol %d is not read, which is later than 5", protocol) end
  end,
  ["\x95"] = function(self) unpack(self, "<I8") end, -- FRAME
  ["0"] = function(self) -- POP, which may also pop a mark
    if self.top == 0 then fail "its stack runs empty" end
    self.stack[self.top], self.top = nil, self.top - 1
  end,
  ["1"] = pop_marked, -- POP_MARK
  ["2"] = function(self) push(self, self.stack[self.top] or fail "its stack runs empty") end, -- DUP
  ["p"] = function(self) remember(self, number(self)) end,
  ["q"] = function(self) remember(self, unpack(self, "B")) end,
  ["r"] = function(self) remember(self, unpack(self, "<I4")) end,
  ["\x94"] = function(self) remember(self, self.remembered) end, -- MEMOIZE
  ["g"] = function(self) recall(self, number(self)) end,
  ["h"] = function(self) recall(self, unpack(self, "B")) end,
  ["j"] = function(self) recall(self, unpack(self, "<I4")) end,

  -- names, and what is made of them
  ["c"] = function(self) -- GLOBAL
    local module = line(self)
    global(self, module, line(self))
  end,
  ["\x93"] = function(self) -- STACK_GLOBAL
    local name = pop(self)
    global(self, pop(self), name)
  end,
  ["R"] = function(self) -- REDUCE
    local arguments = pop(self)
    make(self, pop(self), arguments)
  end,
  ["\x81"] = function(self) -- NEWOBJ
    local arguments = pop(self)
    make(self, pop(self), arguments, true)
  end,
  ["\x92"] = function(self) -- NEWOBJ_EX
    pop(self)
    local arguments = pop(self)
    make(self, pop(self), arguments, true)
  end,
  ["o"] = function(self) -- OBJ
    local arguments = pop_marked(self)
    instance(self, table.remove(arguments, 1), arguments)
  end,
  ["i"] = function(self) -- INST
    local arguments, module = pop_marked(self), line(self)
    global(self, module, line(self))
    instance(self, pop(self), arguments)
  end,
  ["b"] = function(self) -- BUILD sets attributes: they are kept for an "object" and dropped for everything else
    local state = pop(self)
    local value = self.stack[self.top]
    if type(value) ~= "table" or value == mark or value == pickle.none then fail "it gives attributes to what can have none" end
    if value.type == "object" then value.state = state end
  end,
  ["P"] = function() -- PERSID
    fail("it is of protocol 0; %s", pickle.without_protocol)
  end,
  ["Q"] = function(self) push(self, self.globals.persistent(pop(self))) end, -- BINPERSID
}

--- The operations that make no object: numbers, marks, what fills containers, and what recalls or drops.
local cheap = {}
for byte in ("N\x88\x89JKMG(aesuhj012"):gmatch "." do cheap[byte] = true end

local function fail_at_most(count, what)
  fail("it has more than %d %s; in Python, save the state dict alone: torch.save(net.state_dict(), 'weights.pth')", count, what)
end

local function run(self)
  local objects = 0
  for _ = 1, most_operations do
    local byte = unpack(self, "c1")
    if byte == "." then return pop(self) end
    local operation = operations[byte]
    if not operation then fail("it has the operation 0x%02x, which is not read", byte:byte()) end
    if not cheap[byte] then
      objects = objects + 1
      if objects > most_objects then fail_at_most(most_objects, "objects") end
    end
    operation(self)
  end
  fail_at_most(most_operations, "operations")
end

--- What to do where a protocol is too old.
pickle.without_protocol = "in Python, leave pickle_protocol out: torch.save(state_dict, 'weights.pth')"

--- Reads one pickle.
---@param text string
---@param position integer of the pickle's first byte in the text, from 1
---@param globals table<string, table|fun(arguments: table): any> for each "module.name" that is not to become a placeholder: the value, or
--- a function that makes the value of a tuple of arguments; `persistent` is the function that makes a value of a persistent id. These
--- functions refuse a pickle by pickle.fail
---@return any value nil when the pickle is refused; containers are tables with a `type`, and a dict has its keys in `keys`
---@return integer|string next the position behind the pickle, or why it is refused
function pickle.read(text, position, globals)
  local self = { text = text, position = position, stack = {}, top = 0, memo = {}, remembered = 0, globals = globals }
  local ok, value = pcall(run, self)
  if ok then return value, self.position end
  if type(value) == "table" and value.text then return nil, value.text end
  error(value, 0)
end

--- Refuses the pickle that is being read: for functions in `globals`.
---@param message string a format
---@param ... any what goes into it
function pickle.fail(message, ...) fail(message, ...) end

return pickle
