--- Scion: fine-tunes pretrained image networks on a CPU. This file lists the public names; the modules behind them are loaded at first
--- use. Its syntax is that of older versions of Lua too, so that they get as far as the error below.
if _VERSION ~= "Lua 5.4" and _VERSION ~= "Lua 5.5" then error("Scion needs Lua 5.4, this is " .. _VERSION, 0) end

local core = require "scion.core"

-- Modules are loaded when they are first needed. Where that is when no more files can be opened, Lua would say that they are not found.
table.insert(package.searchers, function(name)
  local limit = (name:find "^scion%." or name == "lfs") and core.file_limit()
  if not limit then return nil end
  local check, message = package.loaded["scion.check"], ("the module %s cannot be loaded: %s"):format(name, limit)
  if check then check.raise(message) else error(message, 0) end
end)

---@class scion
local scion = { version = core.version }

--- Sets the seed of everything random that is made from here on: initial weights, dropout and random tensors. It is 0 at first. Raises
--- unless n is a whole number.
---@param n integer
---@example scion.seed(7)
function scion.seed(n) require("scion.random").seed(n) end

local most_threads = 256

--- Sets how many threads compute, if n is given, and returns the number in use. Results do not depend on it. Raises unless n is a whole
--- number from 1 to 256, or nil.
---@param n integer?
---@return integer
---@example scion.threads(2)
function scion.threads(n)
  local check = require "scion.check"
  return core.threads(n ~= nil and check.argument("scion.threads", "the number", n, check.whole(1, most_threads)) or nil)
end

--- The time in seconds of a monotonic clock, for measuring durations. Only differences between two readings mean anything.
---@return number
---@example
---  start = scion.clock()
---  model:predict "dog.png"
---  print(scion.clock() - start)
function scion.clock() return core.clock() end

--- Makes a model from a graph: scion.model{ input = node, output = node }. Raises unless the output depends on exactly one input.
---@param given { input: scion.Node?, output: scion.Node, name: string? }
---@return scion.Model
---@example
---  image = scion.nn.input(32, 32, 3)
---  x = scion.nn.global_avg_pool()(scion.nn.conv2d(8, 3)(image))
---  model = scion.model{ output = scion.nn.dense(2, "softmax")(x) }
function scion.model(given) return require("scion.model").new(given) end

--- Makes a model from a chain of layers: scion.sequential{ nn.input(28, 28, 3), … }. Raises unless the first element is a node and the
--- others are layers, blocks or functions from node to node.
---@param layers table[]
---@param ... nil more arguments raise: they would have been layers outside the list
---@return scion.Model
---@example model = scion.sequential{ scion.nn.input(32, 32, 3), scion.nn.conv2d(8, 3), scion.nn.relu(), scion.nn.flatten(), scion.nn.dense(2, "softmax") }
function scion.sequential(layers, ...) return require("scion.model").sequential(layers, ...) end

--- Loads a model that model:save has written. Raises, with the path, if the file cannot be read or is not such a model.
---@param path string
---@return scion.Model
---@example model = scion.load "pets.safetensors"
function scion.load(path)
  local check = require "scion.check"
  return require("scion.saved").load(check.argument("scion.load", "the file", path, check.path))
end

--- What a function does, its options with their defaults, what it raises, and an example, as text: scion.help "freeze", "model:fit",
--- "conv2d", "augment.flip", "resnet50". Of a page of the reference, such as "model" or "data", it lists the functions; without a topic, the
--- pages. For a topic that is not known it names the nearest ones. Raises unless the topic is a string or nil.
---@param topic string?
---@return string
---@example print(scion.help "freeze")
function scion.help(topic)
  local check = require "scion.check"
  return require("scion.report.help")(check.argument("scion.help", "the topic", topic, check.optional(check.text)))
end

-- public names that are loaded at first use: constructors in tensor.lua, and modules
local constructors = { tensor = true, zeros = true, ones = true, full = true, randn = true, uniform = true, arange = true,
                       stack = true, concat = true, where = true, one_hot = true }
local modules = { augment = "data.augment", callbacks = "train.callbacks", compare = true, data = true, image = true, insight = true, loss = true, lr = true, models = true,
                  nn = true, optim = true, schedule = true, weights = true }

local more = {
  list = function()
    local names = {}
    for _, list in ipairs { constructors, modules } do
      for name in pairs(list) do names[#names + 1] = name end
    end
    return names
  end,
  find = function(name)
    if constructors[name] then return require("scion.tensor")[name] end
    local found = modules[name] and require("scion." .. (modules[name] == true and name or modules[name]))
    if type(found) == "table" and not getmetatable(found) then require("scion.class").names("scion." .. name, found) end
    return found or nil
  end,
}

-- The table that `require` returns. It is empty at first; the first access of any kind fills it and turns it into a checked table of
-- names (class.names). Loading the code for these checks takes longer than everything else here, and is so left until it is needed.
local public = {}

-- a metamethod that fills the table and then does the access again
local function first(again)
  return function(...)
    setmetatable(public, nil)
    for name, value in pairs(scion) do public[name] = value end
    require("scion.class").names("scion", public, more)
    return again(...)
  end
end

return setmetatable(public, {
  __index = first(function(_, name) return public[name] end),
  __newindex = first(function(_, name, value) public[name] = value end),
  __pairs = first(function() return pairs(public) end),
  __tostring = first(function() return tostring(public) end),
})
