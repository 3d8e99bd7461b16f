--- Classes of objects whose fields are declared, so that a slip of the pen is no new field: reading or setting one that does not
--- exist raises, with the nearest name; setting one that users may set checks the value at once.
local check = require "scion.check"

local class = {}

local set = {} -- the key under which an object keeps what its users may set, and a sealed one all it holds

local function names_of(...)
  local names = {}
  for _, of in ipairs { ... } do
    for name in pairs(of) do
      if type(name) == "string" then names[#names + 1] = name end
    end
  end
  return names
end

--- Declares a class.
---@class scion.ClassDefinition
---@field name string of its metatable: "scion.Model"
---@field title string for messages: "a model"
---@field methods table<string, function>?
---@field fields string[]? what the library keeps in an object
---@field settable table<string, scion.Kind>? what users may set
---@field sealed boolean? what is not settable cannot be replaced either
---@field instead table<string, string>? what to do in place of setting a field that people believe there is
---@field meta table<string, function>? further metamethods

---@param definition scion.ClassDefinition
---@return { new: fun(values: table): table, is: fun(value: any): boolean, kind: scion.Kind }
function class.define(definition)
  local methods, settable, instead, declared = definition.methods or {}, definition.settable or {}, definition.instead or {}, {}
  for _, name in ipairs(definition.fields or {}) do declared[name] = true end
  local meta = { __name = definition.name, __title = definition.title }
  for name, method in pairs(definition.meta or {}) do meta[name] = method end

  local function unknown(key)
    local remedy = instead[key] or check.suggestion(key, names_of(methods, settable, declared), "it has")
    check.raise(("%s has no field %s: %s"):format(definition.title, check.show(key), remedy))
  end

  function meta.__index(self, key)
    local method = methods[key]
    if method ~= nil then return method end
    local value = rawget(self, set)[key]
    if value ~= nil or declared[key] or settable[key] then return value end
    if type(key) == "string" then unknown(key) end
  end

  function meta.__newindex(self, key, value)
    local kind = settable[key]
    if kind then
      rawget(self, set)[key] = check.argument(definition.title, tostring(key), value, kind)
    elseif declared[key] and not definition.sealed then
      rawset(self, key, value)
    elseif declared[key] or rawget(self, set)[key] ~= nil then
      check.raise(("%s: %s cannot be set%s"):format(definition.title, check.show(key), instead[key] and ": " .. instead[key] or ""))
    else
      unknown(key)
    end
  end

  function meta.__pairs(self)
    local all = {}
    for key, value in next, self do
      if key ~= set then all[key] = value end
    end
    for key, value in next, rawget(self, set) do all[key] = value end
    return next, all, nil
  end

  local made = {}

  --- An object with these values; what may be set is checked as when it is set.
  function made.new(values)
    local self = { [set] = {} }
    for key, value in pairs(values) do
      if settable[key] or definition.sealed then self[set][key] = value else self[key] = value end
    end
    return setmetatable(self, meta)
  end

  function made.is(value) return type(value) == "table" and getmetatable(value) == meta end

  made.kind = { what = definition.title, read = function(value) return made.is(value), value end }
  return made
end

return class
