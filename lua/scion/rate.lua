--- What all learning rates share that are functions of the step. A file of lr/ defines one; rate.define makes its constructor.
local check = require "scion.check"
local class = require "scion.class"
local layer = require "scion.layer"
local read_only = require "scion.read_only"

local rate = {}

--- A learning rate that depends on the step, on how many there are, or on a layer's depth, and on nothing else: a fit that is resumed has the
--- rates that it would have had. To change one, make another.
---@class scion.Rate
---@field name string as in scion.lr
---@field options table its options, with defaults filled in

--- Where a fit is, and which layer is meant.
---@class scion.RateOptions
---@field step integer from 1
---@field steps integer of the whole fit
---@field steps_per_epoch? integer (all: the fit is one epoch)
---@field depth? integer blocks of layers that train from the last one down: 0 is the head (0)
---@field deepest? integer the depth of the first block that trains (the depth)

local from_one = check.whole(1, 1 << 53)
local moment = {
  step = { from_one, required = true }, steps = { from_one, required = true }, steps_per_epoch = { from_one }, depth = { check.whole(0, 1 << 31), 0 },
  deepest = { check.whole(0, 1 << 31) },
}

local methods = {}

--- The rate at a step, for a plot or a look ahead. Raises on unknown options and values out of range.
---@param given scion.RateOptions
---@return number
function methods:at(given)
  local o = check.options("rate:at", given, moment)
  if o.step > o.steps then check.raise(("rate:at: step %d is beyond the %d steps of the fit"):format(o.step, o.steps)) end
  return rate.value(self, { step = o.step, steps = o.steps, steps_per_epoch = o.steps_per_epoch or o.steps }, o.depth, math.max(o.deepest or o.depth, o.depth))
end

local function value_text(value) return type(value) == "number" and ("%g"):format(value) or tostring(value) end

--- "warmup(cosine(0.0001), epochs = 1)": options by position, and those of the others that were given or differ from their default.
local function text(self)
  local definition, parts, by_name = self.definition, {}, {}
  for i, name in ipairs(definition.positional) do parts[i], by_name[name] = value_text(self.options[name]), true end
  local names = {}
  for name, option in pairs(definition.schema) do
    if not by_name[name] and self.options[name] ~= option[2] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = ("%s = %s"):format(name, value_text(self.options[name])) end
  return ("%s(%s)"):format(self.name, table.concat(parts, ", "))
end

--- A rate, as a kind for checks.
rate.kind = check.instance("scion.Rate", "a rate such as scion.lr.cosine(1e-4)")

rate.number = check.number { from = 0 }

--- What an optimizer takes.
rate.any = check.either(rate.number, rate.kind)

--- What a rate that changes with the step begins at: a number, or a rate for each depth.
rate.base = check.kind("a number from 0 up, or a rate by depth such as scion.lr.by_depth(1e-3, 1e-5)", function(value)
  local ok = rate.number.read(value) or (rate.kind.read(value) and value.definition.of_depth)
  return ok or false, value
end)

--- The rate at a step for a layer. A number is the same everywhere.
---@param of number|scion.Rate
---@param now { step: integer, steps: integer, steps_per_epoch: number } steps count from 1; those beyond the last are taken for the last
---@param depth integer of the layer's block: see train/depth.lua
---@param deepest integer
---@return number
function rate.value(of, now, depth, deepest)
  if type(of) == "number" then return of end
  return of.definition.at(of.options, now, depth, deepest)
end

--- The highest rate that a layer has in a fit, but for what an option such as `to` says beyond it.
---@param of number|scion.Rate
---@param depth integer
---@param deepest integer
---@return number
function rate.highest(of, depth, deepest)
  if type(of) == "number" then return of end
  if of.definition.of_depth then return rate.value(of, nil, depth, deepest) end
  return rate.highest(of.options.lr, depth, deepest)
end

--- A rate as plain data, of which rate.made makes it again.
---@param of number|scion.Rate|nil
---@return number|{ rate: string, options: table }|nil
function rate.plain(of)
  if not rate.kind.read(of) then return of end
  local options = {}
  for name, value in pairs(of.options) do options[name] = rate.plain(value) end
  return { rate = of.name, options = options }
end

--- The rate of plain data; other values are returned as they are. Raises, with a sentence, if it is no rate of scion.lr.
---@param value any
---@return any
function rate.made(value)
  if type(value) ~= "table" or type(value.rate) ~= "string" or type(value.options) ~= "table" then return value end
  local options = {}
  for name, option in pairs(value.options) do options[name] = rate.made(option) end
  return require("scion.lr")[value.rate](options)
end

local another = "to change one, make another"

local meta = { __tostring = text }

-- What would compute with a rate as with a number.
for _, event in ipairs { "__add", "__sub", "__mul", "__div", "__idiv", "__mod", "__pow", "__unm", "__lt", "__le" } do
  meta[event] = function()
    check.raise "a rate is no number to compute with: optimizer.scale = 0.5 multiplies all rates of an optimizer, and rate:at{ step = …, steps = … } is the one at a step"
  end
end

--- Makes a constructor from a definition. Parts of a definition:
---   name         its name in lr
---   positional   names of the options that are given by position, in order ({ "lr" })
---   schema       its options, as for check.options; lr is added, where it is among the positional ones
---   check        called with the constructor's name and the options
---   of_depth     true: it depends on nothing but the depth
---   at           (options, now, depth, deepest) the rate: see rate.value
---   factor       in place of `at`: (options, lr, done, epochs) the rate from that which it begins at, the share of the fit that is done,
---                0 at the first step and below 1 at the last, and how many epochs that is
---@param definition table
---@return fun(...): scion.Rate
function rate.define(definition)
  local where, schema = "scion.lr." .. definition.name, {}
  definition.positional = definition.positional or { "lr" }
  for name, option in pairs(definition.schema or {}) do schema[name] = option end
  if definition.positional[1] == "lr" and not schema.lr then schema.lr = { rate.base, required = true } end
  definition.schema = schema
  definition.at = definition.at or function(o, now, depth, deepest)
    local done = math.min(now.step, now.steps) - 1
    return definition.factor(o, rate.value(o.lr, now, depth, deepest), done / now.steps, done / now.steps_per_epoch)
  end
  local made = class.define {
    name = "scion.Rate", title = "a rate", call = "rate", methods = methods, internal = { definition = definition }, locked = { "name", "options" }, meta = meta,
  }
  return function(...)
    local options = layer.arguments(where, definition.positional, schema, ...)
    if definition.check then definition.check(where, options) end
    return made.new { name = definition.name, options = read_only.options(options, "a rate", another) }
  end
end

return rate
