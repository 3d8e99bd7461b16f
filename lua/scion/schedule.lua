--- Freeze schedules, for fit's option `schedule`: scion.schedule{ stage, stage, … }, or one that is made from a few numbers.
local check = require "scion.check"
local class = require "scion.class"
local kinds = require "scion.train.kinds"
local stages = require "scion.train.schedule"

local schedule = {}

local whole = check.whole(1, (1 << 31) - 1)
local layer = check.kind("the name of a layer or block, such as 'mixed9'", check.text.read)
local two_epochs = check.list(whole, 2, "a list of two, such as { 2, 10 }")

---@class scion.TwoProngedOptions
---@field from string the layer or block from which on the second prong trains
---@field epochs? integer[] of the two prongs ({ 2, 10 })
---@field head? scion.Optimizer of the first prong (scion.optim.rmsprop())
---@field top? scion.Optimizer of the second (scion.optim.sgd{ lr = 1e-4, momentum = 0.9 })

--- Two prongs: first the head alone on a frozen trunk, then the top of the trunk, too, at a low rate. Raises on unknown options and
--- values out of range.
---@param given scion.TwoProngedOptions
---@return scion.Schedule
---@example print(scion.schedule.two_pronged{ from = "block2", epochs = { 1, 2 } })
function schedule.two_pronged(given)
  local where, optim = "scion.schedule.two_pronged", require "scion.optim"
  local o = check.options(where, given, { from = { layer, required = true }, epochs = { two_epochs, { 2, 10 } }, head = { kinds.optimizer },
                                          top = { kinds.optimizer } })
  return stages.new(where, { { epochs = o.epochs[1], train = "head", optimizer = o.head or optim.rmsprop() },
                             { epochs = o.epochs[2], from = o.from, optimizer = o.top or optim.sgd { lr = 1e-4, momentum = 0.9 } } })
end

---@class scion.GradualOptions
---@field blocks? integer how many blocks are thawed in the end (3)
---@field every? integer after how many epochs the next one is thawed; with when = "plateau" after how many at most (1; 10 with a plateau)
---@field when? "plateau" a block is thawed once the validation loss (without one, the loss) has not fallen for `patience` epochs
---@field patience? integer (1)
---@field optimizer? scion.Optimizer of all stages (that of fit)
---@field lr? number|scion.Rate|number[] the learning rate of the stages with thawed blocks, or a list with one for each (the optimizer's own)

local a_rate = check.either(kinds.rate, check.list(kinds.rate), "a learning rate, or a list of them, one for each block")

--- Gradual unfreezing: first the head alone, then a block of the trunk more in each stage, from its end on. Raises on unknown options and
--- values out of range.
---@param given scion.GradualOptions?
---@return scion.Schedule
---@example model:fit(train, { schedule = scion.schedule.gradual{ blocks = 1, lr = 1e-4 } })
function schedule.gradual(given)
  local where = "scion.schedule.gradual"
  local o = check.options(where, given, { blocks = { whole, 3 }, every = { whole, usual = true }, when = { check.one_of "plateau" }, patience = { whole },
                                          optimizer = { kinds.optimizer }, lr = { a_rate } })
  if o.patience and not o.when then check.raise(where .. ": patience goes with when = 'plateau'") end
  local rates = type(o.lr) == "table" and getmetatable(o.lr) == nil and o.lr or nil
  if rates and #rates ~= o.blocks then check.raise(("%s: lr is a list of %d, but %d blocks are thawed"):format(where, #rates, o.blocks)) end
  local list, patience = {}, o.when and (o.patience or 1) or nil
  for i = 0, o.blocks do
    list[i + 1] = { epochs = o.every or o.when and 10 or 1, patience = patience, train = i == 0 and "head" or nil, blocks = i > 0 and i or nil,
                    optimizer = i == 0 and o.optimizer or nil, lr = i > 0 and (rates and rates[i] or o.lr) or nil }
  end
  return stages.new(where, list)
end

local public = class.names("scion.schedule", schedule)
getmetatable(public).__call = class.exact("scion.schedule", function(_, list) return stages.new("scion.schedule", list) end, 2)

return public
