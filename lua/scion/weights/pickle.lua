--- Pickles of protocols 1 to 5. A pickle is a program for a small stack machine that may name and call any function of Python. Here
--- names are only looked up in a table of the caller's. What is not there becomes a placeholder, which stands for the class, what it makes,
--- and what that holds: nothing is ever called, and what a placeholder is given is forgotten.
local pickle = {}

--- Operations in one pickle: a few dozen a tensor. None takes more than some hundred bytes, so that this bounds the memory.
local most_operations = 250000

--- Python's None.
pickle.none = setmetatable({}, { __tostring = function() return "None" end })
--- Any set.
pickle.set = { type = "opaque", name = "set" }
local mark = {}

---@class scion.Pickled a container, a placeholder, or what a function of the caller's made
---@field type "dict"|"list"|"tuple"|"opaque"|"object"|string
---@field keys any[]? of a dict that is not empty, whose values are the list part
---@field name string? of a placeholder's class or function, as Python has it
---@field made boolean? whether a placeholder stands for an object of its class
---@field state any of an object

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

local function unpack(self, format)
  local found, value, position = pcall(string.unpack, format, self.text, self.position)
  if not found then fail "it ends in the middle" end
  self.position = position
  return value
end

--- The values above the last mark, which goes with them.
local function pop_marked(self)
  local first = self.top
  while first > 0 and self.stack[first] ~= mark do first = first - 1 end
  if first == 0 then fail "it has no mark" end
  local values = table.move(self.stack, first + 1, self.top, 1, {})
  for i = first, self.top do self.stack[i] = nil end
  self.top = first - 1
  return values
end

--- What is filled, on top of the stack; nil when that is a placeholder, which forgets it.
local function container(self, kind)
  local value = self.stack[self.top]
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

local function set_items(dict, values)
  if #values % 2 == 1 then fail "it has a key without a value" end
  if not dict then return end
  dict.keys = dict.keys or {}
  for i = 1, #values, 2 do
    dict.keys[#dict.keys + 1] = values[i]
    dict[#dict + 1] = values[i + 1]
  end
end

local function extend(list, values)
  if list then table.move(values, 1, #values, #list + 1, list) end
end

local function remember(self, index)
  if self.memo[index] == nil then self.remembered = self.remembered + 1 end
  self.memo[index] = self.stack[self.top] or fail "its stack runs empty"
end

local function recall(self, index)
  local value = self.memo[index]
  if value == nil then fail "it recalls what it never had" end
  push(self, value)
end

--- Whole numbers of up to eight bytes; a longer one stays the string of its bytes.
local function long(bytes)
  if #bytes == 0 then return 0 end
  return #bytes <= 8 and string.unpack("<i" .. #bytes, bytes) or bytes
end

local function line(self)
  local text, after = self.text:match("^([^\n]*)\n()", self.position)
  if not text then fail "it ends in the middle" end
  self.position = after
  return text
end

--- A number in digits; one that is longer than any in a checkpoint stays a string.
local function number(self)
  local text = line(self)
  return #text < 64 and tonumber((text:gsub("L$", ""))) or text
end

-- ---- what has a name ------------------------------------------------------------------------------------------------

local longest_name = 256

--- What the caller has for a name of Python, or a placeholder.
local function global(self, module, name)
  if type(module) ~= "string" or type(name) ~= "string" then fail "it names something without a text" end
  if #module + #name > longest_name then fail "it asks for a name of more than 256 letters" end
  local full = module .. "." .. name
  local known = self.globals[full]
  push(self, type(known) == "function" and { type = "global", name = full, make = known } or known or { type = "opaque", name = full })
end

--- Puts on the stack what something makes of arguments: a function of the caller's, or a placeholder, which is what it makes.
local function make(self, callee, arguments, new)
  if type(callee) ~= "table" or callee.type ~= "global" and callee.type ~= "opaque" then fail "it calls what is no function" end
  if type(arguments) ~= "table" or arguments.type ~= "tuple" then fail "it calls something without a tuple of arguments" end
  if callee.make then
    push(self, callee.make(arguments))
  else
    push(self, new and { type = "opaque", name = callee.name, made = true } or callee)
  end
end

--- Puts an object of a class on the stack that is made of what lies above the last mark.
local function instance(self, class, arguments)
  arguments.type = "tuple"
  make(self, class, arguments, true)
end

-- ---- the operations, by their byte ----------------------------------------------------------------------------------

local function digits(self) push(self, number(self)) end
local function bytes4(self) push(self, unpack(self, "<s4")) end
local function bytes1(self) push(self, unpack(self, "<s1")) end
local function bytes8(self) push(self, unpack(self, "<s8")) end

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
    set_items(dict, values)
    push(self, dict)
  end,
  ["\x85"] = function(self) tuple(self, 1) end,
  ["\x86"] = function(self) tuple(self, 2) end,
  ["\x87"] = function(self) tuple(self, 3) end,
  ["a"] = function(self) -- APPEND
    local value = pop(self)
    extend(container(self, "list"), { value })
  end,
  ["e"] = function(self) -- APPENDS
    local values = pop_marked(self)
    extend(container(self, "list"), values)
  end,
  ["s"] = function(self) -- SETITEM
    local value = pop(self)
    local key = pop(self)
    set_items(container(self, "dict"), { key, value })
  end,
  ["u"] = function(self) -- SETITEMS
    local values = pop_marked(self)
    set_items(container(self, "dict"), values)
  end,

  -- the stack and the memo
  ["\x80"] = function(self) -- PROTO
    local protocol = unpack(self, "B")
    if protocol > 5 then fail("its protocol %d is not read, which is later than 5", protocol) end
  end,
  ["\x95"] = function(self) unpack(self, "<I8") end, -- FRAME
  ["0"] = function(self) -- POP, of a mark, too
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
  ["b"] = function(self) -- BUILD: attributes, which carry no numbers but those of an object
    local state = pop(self)
    local value = self.stack[self.top]
    if type(value) ~= "table" or value == mark or value == pickle.none then fail "it gives attributes to what can have none" end
    if value.type == "object" then value.state = state end
  end,
  ["Q"] = function(self) push(self, self.globals.persistent(pop(self))) end, -- BINPERSID
}

local function run(self)
  for _ = 1, most_operations do
    local byte = unpack(self, "c1")
    if byte == "." then return pop(self) end
    local operation = operations[byte]
    if not operation then fail("it has the operation 0x%02x, which is not read", byte:byte()) end
    operation(self)
  end
  fail("it has more than %d operations", most_operations)
end

--- Runs one pickle of a text.
---@param text string
---@param position integer of its first byte
---@param globals table<string, table|fun(arguments: table): any> what "module.name" stands for, or makes of a tuple of arguments, if
---that is no placeholder; `persistent`: what makes something of a persistent id. They fail by pickle.fail
---@return any value nil when it is refused; containers are tables with a `type`, a dict has its keys in `keys`
---@return integer|string next the position behind it, or why it is refused
function pickle.read(text, position, globals)
  local self = { text = text, position = position, stack = {}, top = 0, memo = {}, remembered = 0, globals = globals }
  local ok, value = pcall(run, self)
  if ok then return value, self.position end
  if type(value) == "table" and value.text then return nil, value.text end
  error(value, 0)
end

--- Refuses the pickle that is being read.
---@param message string a format
---@param ... any what goes into it
function pickle.fail(message, ...) fail(message, ...) end

return pickle
