--- Pickles, as far as torch.save writes them for tensors and plain containers (protocol 2). A pickle is a program for a small stack
--- machine that may name and call any function of Python. Here names are only looked up in a table of the caller's, and what
--- is not there is refused by name: nothing is ever called.
local pickle = {}

--- Operations in one pickle: a few dozen a tensor. None takes more than some hundred bytes, so that this bounds the memory.
local most_operations = 250000

--- Python's None.
pickle.none = setmetatable({}, { __tostring = function() return "None" end })
local mark = {}

---@class scion.Pickled a container or what a `find` function made
---@field type "dict"|"list"|"tuple"|string
---@field keys any[]? of a dict that is not empty, whose values are the list part

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

local function container(self, kind)
  local value = self.stack[self.top]
  if type(value) ~= "table" or value.type ~= kind then fail("it fills what is no %s", kind) end
  return value
end

local function tuple(self, count)
  local value = { type = "tuple" }
  for i = count, 1, -1 do value[i] = pop(self) end
  push(self, value)
end

local function set_items(dict, values)
  if #values % 2 == 1 then fail "it has a key without a value" end
  dict.keys = dict.keys or {}
  for i = 1, #values, 2 do
    dict.keys[#dict.keys + 1] = values[i]
    dict[#dict + 1] = values[i + 1]
  end
end

local function remember(self, index) self.memo[index] = self.stack[self.top] or fail "its stack runs empty" end

local function recall(self, index)
  local value = self.memo[index]
  if value == nil then fail "it recalls what it never had" end
  push(self, value)
end

--- Whole numbers of up to eight bytes; a longer one stays the string of its bytes.
local function long(self)
  local bytes = unpack(self, "<s1")
  if #bytes == 0 then return 0 end
  return #bytes <= 8 and string.unpack("<i" .. #bytes, bytes) or bytes
end

local function line(self)
  local text, after = self.text:match("^([^\n]*)\n()", self.position)
  if not text then fail "it ends in the middle" end
  self.position = after
  return text
end

local function text_of(value) return type(value) == "table" and (value.name or value.type) or tostring(value) end

--- Whether the class that was just named is that of the pickled object itself, which is made without arguments, as PyTorch's modules
--- are; before version 1.6 a module's class stands in a tuple that begins with "module".
local function is_whole_model(self)
  if self.top == 0 then return self.text:find("^q.%)\x81", self.position) ~= nil or self.text:find("^%)\x81", self.position) ~= nil end
  return self.top == 2 and self.stack[1] == mark and self.stack[2] == "module"
end

-- ---- the operations, by their byte ----------------------------------------------------------------------------------

local operations = {
  ["\x80"] = function(self) -- PROTO
    local protocol = unpack(self, "B")
    if protocol > 3 then fail("its protocol %d is not read; torch.save writes 2", protocol) end
  end,
  ["("] = function(self) push(self, mark) end,
  ["}"] = function(self) push(self, { type = "dict" }) end,
  ["]"] = function(self) push(self, { type = "list" }) end,
  [")"] = function(self) push(self, { type = "tuple" }) end,
  ["N"] = function(self) push(self, pickle.none) end,
  ["\x88"] = function(self) push(self, true) end,
  ["\x89"] = function(self) push(self, false) end,
  ["J"] = function(self) push(self, unpack(self, "<i4")) end,
  ["K"] = function(self) push(self, unpack(self, "B")) end,
  ["M"] = function(self) push(self, unpack(self, "<I2")) end,
  ["G"] = function(self) push(self, unpack(self, ">d")) end,
  ["\x8a"] = function(self) push(self, long(self)) end, -- LONG1
  ["X"] = function(self) push(self, unpack(self, "<s4")) end, -- BINUNICODE, BINSTRING, SHORT_BINSTRING
  ["T"] = function(self) push(self, unpack(self, "<s4")) end,
  ["U"] = function(self) push(self, unpack(self, "<s1")) end,
  ["t"] = function(self)
    local values = pop_marked(self)
    values.type = "tuple"
    push(self, values)
  end,
  ["\x85"] = function(self) tuple(self, 1) end,
  ["\x86"] = function(self) tuple(self, 2) end,
  ["\x87"] = function(self) tuple(self, 3) end,
  ["a"] = function(self) -- APPEND
    local value = pop(self)
    table.insert(container(self, "list"), value)
  end,
  ["e"] = function(self) -- APPENDS
    local values = pop_marked(self)
    local list = container(self, "list")
    table.move(values, 1, #values, #list + 1, list)
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
  ["q"] = function(self) remember(self, unpack(self, "B")) end,
  ["r"] = function(self) remember(self, unpack(self, "<I4")) end,
  ["h"] = function(self) recall(self, unpack(self, "B")) end,
  ["j"] = function(self) recall(self, unpack(self, "<I4")) end,
  ["c"] = function(self) -- GLOBAL
    local name = line(self) .. "." .. line(self)
    if self.globals[name] == nil then
      if is_whole_model(self) then fail("it holds a whole model (%s), not its weights; in Python: torch.save(model.state_dict(), 'weights.pth')", name) end
      fail("it asks for %s, which is no tensor and no plain container; torch.save(model.state_dict(), 'weights.pth') writes a file without", name)
    end
    local known = self.globals[name]
    push(self, type(known) == "function" and { type = "global", name = name, make = known } or known)
  end,
  ["R"] = function(self) -- REDUCE: a value of what the global stands for, made by the caller's own function
    local arguments = pop(self)
    local global = pop(self)
    if type(global) ~= "table" or global.type ~= "global" or not global.make then fail("it calls %s, which is refused", text_of(global)) end
    if type(arguments) ~= "table" or arguments.type ~= "tuple" then fail "it calls something without a tuple of arguments" end
    push(self, global.make(arguments))
  end,
  ["b"] = function(self) -- BUILD: attributes of an OrderedDict, such as _metadata, carry no numbers
    pop(self)
    container(self, "dict")
  end,
  ["Q"] = function(self) push(self, self.globals.persistent(pop(self))) end, -- BINPERSID
}

local function run(self)
  for _ = 1, most_operations do
    local byte = unpack(self, "c1")
    if byte == "." then return pop(self) end
    local operation = operations[byte]
    if not operation then fail("it has the operation 0x%02x, which torch.save does not use", byte:byte()) end
    operation(self)
  end
  fail("it has more than %d operations", most_operations)
end

--- Runs one pickle of a text.
---@param text string
---@param position integer of its first byte
---@param globals table<string, table|fun(arguments: table): any> what "module.name" stands for, or makes of a tuple of arguments;
---`persistent`: what makes something of a persistent id. They fail by pickle.fail
---@return any value nil when it is refused; containers are tables with a `type`, a dict has its keys in `keys`
---@return integer|string next the position behind it, or why it is refused
function pickle.read(text, position, globals)
  local self = { text = text, position = position, stack = {}, top = 0, memo = {}, globals = globals }
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
