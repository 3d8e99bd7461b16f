--- Lists and options that users read and cannot change, such as a data set's files: what else stands in their order would no longer belong to
--- them.
local check = require "scion.check"

local read_only = {}

--- A view of a list. #, ipairs, pairs, table.concat, table.unpack and table.move read it as the list itself; what changes it raises. `next`
--- and `rawlen`, which pass over metatables, find it empty.
---@param list any[]|nil a view is returned as it is
---@param what string for messages: "a data set: files"
---@param remedy string what to do in place of a change
---@return any[]|nil
function read_only.view(list, what, remedy)
  if list == nil or check.items(list) ~= list then return list end
  return setmetatable({}, {
    __title = "a list", __items = list, __index = list, __len = function() return #list end, __pairs = function() return next, list, nil end,
    __tostring = function() return require("scion.report.show").block(list) end,
    __newindex = function()
      check.raise(("%s cannot be changed in place: %s; table.move(list, 1, #list, 1, {}) makes a copy that can"):format(what, remedy))
    end,
  })
end

--- A view of the options that an object was made with. Reading and pairs find them; setting one raises.
---@param options table<string, any>
---@param what string whose they are, for messages: "a rate"
---@param remedy string
---@return table<string, any>
function read_only.options(options, what, remedy)
  return setmetatable({}, {
    __title = "a table of options", __index = options, __pairs = function() return next, options, nil end,
    __tostring = function() return require("scion.report.show").block(options) end,
    __newindex = function(_, key) check.raise(("%s: options: %s cannot be set: %s"):format(what, check.show(key), remedy)) end,
  })
end

return read_only
