--- Classes of objects whose fields are declared, so that a slip of the pen is no new field: reading or setting one that does not
--- exist raises, with the nearest name; setting one that users may set checks the value at once.
local check = require "scion.check"

local class = {}

--- The names that messages list.
local function names_of(...)
  local names = {}
  for _, of in ipairs { ... } do
    for name in pairs(of) do
      if type(name) == "string" then names[#names + 1] = name end
    end
  end
  return names
end

---@class scion.ClassDefinition
---@field name string of its metatable: "scion.Model"
---@field title string for messages: "a model"
---@field methods table<string, function>? for users
---@field call string? how messages call these methods: "model" of model:freeze. They then raise when they are called with a dot
---@field internal table<string, any>? for the library alone: methods, and constants of the class
---@field fields string[]? what the library keeps in an object for itself: only its files set it, and no message lists it
---@field locked string[]? what users may read, and only files of the library set
---@field settable table<string, scion.Kind|fun(self: table): scion.Kind>? what users may set
---@field instead table<string, string>? what to do in place of setting a field that people believe there is
---@field called string? what to do in place of calling an object, for classes whose objects people call elsewhere
---@field meta table<string, function>? further metamethods

--- A method that says so when it is called with a dot.
local function guarded(definition, made, name, method)
  local where = definition.call .. ":" .. name
  return function(self, ...)
    check.self(where, self, made.kind)
    return method(self, ...)
  end
end

--- What an object holds. The object itself is an empty table, so that no assignment goes unseen; its metatable, which is its own, finds
--- what is read in these values without a call.
local function values_of(self) return getmetatable(self).__index end

--- Declares a class.
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

  --- What all objects have, which is found behind an object's own values.
  local shared = {}
  for _, list in ipairs { internal, methods } do
    for name, value in pairs(list) do shared[name] = value end
  end
  local behind = { __index = setmetatable(shared, { __index = function(_, key)
    if type(key) == "string" and not (own[key] or locked[key] or settable[key]) then unknown(key) end
  end }) }

  local function set(self, key, value)
    local kind, values = settable[key], values_of(self)
    if kind then
      values[key] = check.argument(definition.title, tostring(key), value, type(kind) == "function" and kind(self) or kind)
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

  local function refuse_call() check.raise(("%s is not called: %s"):format(definition.title, definition.called)) end

  --- An object with these values, which the caller has checked; the table becomes its own.
  function made.new(values)
    local meta = { __name = definition.name, __title = definition.title, __class = made, __methods = methods, __shared = shared,
                   __index = setmetatable(values, behind), __newindex = set, __pairs = all }
    if definition.called then meta.__call, meta.__refuses_call = refuse_call, true end
    for name, method in pairs(definition.meta or {}) do meta[name] = method end
    return setmetatable({}, meta)
  end

  function made.is(value)
    local meta = type(value) == "table" and getmetatable(value)
    return type(meta) == "table" and rawget(meta, "__class") == made
  end

  made.kind = { what = definition.title, read = function(value) return made.is(value), value end }
  return made
end

--- Turns a module into a table of names that cannot be set; reading one that does not exist raises, with the nearest.
---@param title string of the module, for messages: "scion.optim"
---@param names table what it has from the start
---@param more { find: (fun(name: string): any), list: (fun(): string[]) }? what else there is: looked up at first use, and listed
---@return table module
function class.names(title, names, more)
  local known = {}
  for name, value in pairs(names) do known[name] = value end
  for name in pairs(known) do names[name] = nil end -- so that setting one of them does not go unseen

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
    known[name] = found
    return found
  end

  return setmetatable(names, {
    __title = title,
    __tostring = function() return require("scion.report.text").names(title, all()) end,
    __index = setmetatable(known, { __index = find }), -- a table, which is read without a call
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
