--- Classes whose objects have declared fields only. Reading or setting any other field raises and suggests a name, so that a
--- misspelled name is an error and not a new field. Setting a field that users may set checks the value at once.
local check = require "scion.check"

local class = {}

--- The string keys of these tables, for messages.
local function names_of(...)
  local names = {}
  for _, of in ipairs { ... } do
    for name in pairs(of) do
      if type(name) == "string" then names[#names + 1] = name end
    end
  end
  return names
end

--- The table of an object's values. The object itself stays an empty table, so that each assignment runs __newindex. Each object has a
--- metatable of its own, whose __index is the table of values: reading a field then needs no function call.
local function values_of(self) return getmetatable(self).__index end

--- The metamethod __len of a list, whose values lie behind the object.
---@param self table
---@return integer
function class.list_length(self) return rawlen(values_of(self)) end

---@class scion.ClassDefinition
---@field name string of its metatable: "scion.Model"
---@field title string for messages: "a model"
---@field methods table<string, function>? for users
---@field call string? what messages write before a method's name: "model" for model:freeze. With it, methods called with a dot raise
---@field internal table<string, any>? methods and constants of the class that only the library uses; no message lists them
---@field fields string[]? fields that only the library uses: only its files may set them, and no message lists them
---@field locked string[]? fields that users may read; only the library's files may set them
---@field settable table<string, scion.Kind|fun(self: table): scion.Kind>? fields that users may set, with the kind of each
---@field changed? fun(key: string) is called after a user has set one
---@field instead table<string, string>? advice for the messages about fields that users may expect, such as trainable
---@field fixed string? advice for those who add, replace or remove elements of an object that is a list
---@field indexed string? advice for those who read an object by number, as a list of what it has; without it that gives nil
---@field called string? advice for those who call an object, as other libraries allow
---@field meta table<string, function>? further metamethods

-- Raises for the first argument after the `most` that a function has; nil at the end counts for none.
local function refuse_more(where, f, most, first, ...)
  for i = most + 1, select("#", ...) do
    local value = select(i, ...)
    if value ~= nil then
      local names = {}
      for k = first, most do names[#names + 1] = debug.getlocal(f, k) == "given" and "options" or debug.getlocal(f, k) end
      check.raise(("%s(%s) takes nothing more: leave out argument %d, which is %s"):format(where, table.concat(names, ", "), i - first + 1, check.show(value)))
    end
  end
end

--- Wraps a function that users call, so that an argument that it does not have raises, where Lua would drop it. Functions of C, and those that
--- end in `...`, check theirs themselves.
---@param where string its name, for messages
---@param f function
---@param first? integer the first parameter that messages count: 2 for a method, after self (1)
---@return function
function class.exact(where, f, first)
  local about = debug.getinfo(f, "u")
  local most = about.nparams
  if about.isvararg then return f end
  return function(...)
    if select("#", ...) > most then refuse_more(where, f, most, first or 1, ...) end
    return f(...)
  end
end

--- Wraps a method so that calling it with a dot raises a clear message, and so does an argument that it does not have.
local function guarded(definition, made, name, method)
  local where = definition.call .. ":" .. name
  local called = class.exact(where, method, 2)
  return function(self, ...)
    check.self(where, self, made.kind)
    return called(self, ...)
  end
end

--- Declares a class. `new` makes an object and takes over the table of values; `is` tells whether a value is an object of the class;
--- `kind` is a kind for checks.
---@param definition scion.ClassDefinition
---@return { new: fun(values: table): table, is: fun(value: any): boolean, kind: scion.Kind }
function class.define(definition)
  local methods, settable, instead, own, locked = {}, definition.settable or {}, definition.instead or {}, {}, {}
  local internal, made = definition.internal or {}, {}
  for _, name in ipairs(definition.fields or {}) do own[name] = true end
  for _, name in ipairs(definition.locked or {}) do locked[name] = true end
  for name, method in pairs(definition.methods or {}) do methods[name] = definition.call and guarded(definition, made, name, method) or method end

  local function unknown(key)
    local remedy = instead[key] or check.suggestion(key, names_of(methods, settable, locked), "it has")
    check.raise(("%s has no field %s: %s"):format(definition.title, check.show(key), remedy))
  end

  -- what all objects share: it is looked up after the object's own values, and raises for unknown names
  local shared = {}
  for _, list in ipairs { internal, methods } do
    for name, value in pairs(list) do shared[name] = value end
  end
  local behind = { __index = setmetatable(shared, { __index = function(_, key)
    if type(key) == "string" and not (own[key] or locked[key] or settable[key]) then unknown(key) end
    if definition.indexed and type(key) == "number" then check.raise(("%s has no elements by number: %s"):format(definition.title, definition.indexed)) end
  end }) }

  local function set(self, key, value)
    local kind, values = settable[key], values_of(self)
    if definition.fixed and type(key) == "number" then check.raise(("%s keeps the elements that it was made with: %s"):format(definition.title, definition.fixed)) end
    if kind then
      values[key] = check.argument(definition.title, tostring(key), value, type(kind) == "function" and kind(self) or kind)
      if definition.changed then definition.changed(key) end
    elseif (own[key] or locked[key]) and check.of_library(2) then
      values[key] = value
    elseif methods[key] ~= nil then
      check.raise(("%s: %s is a method and cannot be set%s"):format(definition.title, check.show(key), instead[key] and ": " .. instead[key] or ""))
    elseif own[key] or locked[key] or internal[key] ~= nil or rawget(values, key) ~= nil then
      check.raise(("%s: %s cannot be set%s"):format(definition.title, check.show(key), instead[key] and ": " .. instead[key] or ""))
    else
      unknown(key)
    end
  end

  local function all(self)
    local copy = {}
    for key, value in next, values_of(self) do copy[key] = value end
    return next, copy, nil
  end

  local further = {}
  for name, method in pairs(definition.meta or {}) do further[name] = name == "__call" and class.exact(definition.title, method, 2) or method end

  local function refuse_call() check.raise(("%s is not called: %s"):format(definition.title, definition.called)) end

  --- Makes an object with these values. They are not checked, and the object keeps the table itself.
  function made.new(values)
    local meta = { __name = definition.name, __title = definition.title, __class = made, __methods = methods, __shared = shared,
                   __index = setmetatable(values, behind), __newindex = set, __pairs = all }
    if definition.called then meta.__call, meta.__refuses_call = refuse_call, true end
    for name, method in pairs(further) do meta[name] = method end
    return setmetatable({}, meta)
  end

  function made.is(value)
    local meta = type(value) == "table" and getmetatable(value)
    return type(meta) == "table" and rawget(meta, "__class") == made
  end

  made.kind = { what = definition.title, read = function(value) return made.is(value), value end }
  return made
end

--- Turns a module's table into one whose fields cannot be set. Reading a name that does not exist raises and suggests one that does, and
--- so does an argument that one of its functions does not have.
---@param title string the module's name, for messages: "scion.optim"
---@param names table the module; it is changed and returned
---@param more { find: (fun(name: string): any), list: (fun(): string[]) }? names that are loaded at first use: find loads one, list
--- returns all of them
---@return table module `names`
function class.names(title, names, more)
  local known = {}
  local function keep(name, value) known[name] = type(value) == "function" and class.exact(("%s.%s"):format(title, name), value) or value end
  for name, value in pairs(names) do keep(name, value) end
  for name in pairs(known) do names[name] = nil end -- an empty table runs __newindex for each assignment

  local function all()
    local list, seen = more and more.list() or {}, {}
    for _, name in ipairs(list) do seen[name] = true end
    for name in pairs(known) do
      if not seen[name] then list[#list + 1] = name end
    end
    return list
  end

  local function find(_, name)
    local found = more and type(name) == "string" and more.find(name) or nil
    if found == nil then check.raise(("%s has no %s: %s"):format(title, check.show(name), check.suggestion(name, all(), "it has"))) end
    keep(name, found)
    return known[name]
  end

  return setmetatable(names, {
    __title = title,
    __tostring = function() return require("scion.report.text").names(title, all()) end,
    __index = setmetatable(known, { __index = find }), -- a table, and not a function: known names are read without a call
    __newindex = function(_, name)
      check.raise(("%s: %s cannot be set%s"):format(title, check.show(name), type(rawget(known, name)) == "function" and "; it is called" or ""))
    end,
    __pairs = function(self)
      local loaded = {}
      for _, name in ipairs(all()) do loaded[name] = self[name] end
      return next, loaded, nil
    end,
  })
end

return class
