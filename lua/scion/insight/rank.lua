--- insight.rank: which of several pretrained networks to begin with.
local check = require "scion.check"
local class = require "scion.class"
local difference = require "scion.insight.difference"
local inputs = require "scion.train.inputs"
local interrupts = require "scion.interrupts"
local probe = require "scion.insight.probe"
local text = require "scion.report.text"

local where = "scion.insight.rank"

--- Networks by how well their features tell a data set's classes. It prints as a table.
---@class scion.Ranking
---@field [integer] scion.RankedNetwork the best one first
---@field recommended string? the network with the fewest multiply-adds, up to its recommended block, that is not told worse than the best by
--- more than one standard error of the difference; nil if none tells the classes better than the largest class alone would

--- A network, and what its probe found.
---@class scion.RankedNetwork
---@field network string
---@field block string the block to cut at; the best one, where none is recommended
---@field accuracy number of that block
---@field low number a 95% interval
---@field high number
---@field macs integer multiply-adds up to the block, for an image
---@field probe scion.Probe

local function as_text(self)
  local rows = {}
  for i, row in ipairs(self) do
    rows[i] = { (row.network == self.recommended and "> " or "  ") .. row.network, row.block, text.percent(row.accuracy),
                ("%s to %s"):format(text.percent(row.low), text.percent(row.high)), text.macs(row.macs) }
  end
  local lines = text.table({ { title = "  network", least = 12 }, { title = "cut at", least = 8 }, { title = "accuracy", right = true },
                             { title = "95% interval", right = true, optional = "intervals" }, { title = "up to it", right = true } }, rows)
  local said = self.recommended and ("Begin with %s."):format(self.recommended) or
    "Not enough to tell: no network tells the classes clearly better than the largest class alone would."
  table.move(text.wrap(said, text.width(), 2), 1, 9, #lines + 1, lines)
  return table.concat(lines, "\n")
end

local ranked = class.define { name = "scion.RankedNetwork", title = "a ranked network",
                              locked = { "network", "block", "accuracy", "low", "high", "macs", "probe" },
                              meta = { __tostring = function(self)
                                return ("%s, cut at %s: accuracy %s"):format(self.network, self.block, text.percent(self.accuracy))
                              end } }

local made = class.define { name = "scion.Ranking", title = "a ranking", locked = { "recommended" }, meta = { __tostring = as_text, __len = class.list_length } }

local a_model = check.instance("scion.Model", "a model")

local one = check.kind("a model, or the name of an architecture", function(value)
  if type(value) == "string" then
    local known, message = check.try(function() return require("scion.models")[value] end)
    return known, value, not known and "is wrong: " .. message or nil
  end
  return a_model.read(value), value
end)

local networks = check.list(one, nil, "a list of models or of names of architectures, such as { 'squeezenet1_1', 'resnet18' }")

--- The network, and what it is called in the table.
local function open(value, data, number)
  if type(value) ~= "string" then return value, value.name or ("network %d"):format(number) end
  if not data.size then check.raise(("%s: %s takes images, and the data set holds none"):format(where, value)) end
  return require("scion.models")[value] { weights = "imagenet", input = { data.size[1], data.size[2] } }, value
end

--- The row of a network.
local function row_of(name, found)
  local chosen = probe.row(found, found.recommended or found.best)
  return ranked.new { network = name, block = chosen.block, accuracy = chosen.accuracy, low = chosen.low, high = chosen.high, macs = chosen.macs, probe = found }
end

local function rank(data, list, given)
  inputs.dataset(where, data)
  list = check.argument(where, "the list of networks", list, networks)
  local o, rows, position, names = check.options(where, given, probe.schema), {}, {}, {}
  if #list == 0 then check.raise(where .. ": the list of networks is empty") end
  for i, value in ipairs(list) do
    local model, name = open(value, data, i)
    if names[name] then name = ("%s (%d)"):format(name, i) end
    names[name] = true
    rows[i] = row_of(name, probe.run(where, model, data, o))
    position[rows[i]] = i
  end
  table.sort(rows, function(a, b)
    if a.accuracy ~= b.accuracy then return a.accuracy > b.accuracy end
    if a.macs ~= b.macs then return a.macs < b.macs end
    return position[a] < position[b]
  end)
  local function right(row) return row.probe.right[row.block] end
  local cheapest
  for _, row in ipairs(rows) do
    local mean, deviation = difference(right(rows[1]), right(row))
    if row.probe.recommended and mean <= deviation and (not cheapest or row.macs < cheapest.macs) then cheapest = row end
  end
  rows.recommended = cheapest and cheapest.network
  return made.new(rows)
end

--- Probes several networks on the same images, see base:probe, and puts them in order. An architecture's name stands for the network with its
--- published ImageNet weights. Raises on options or data that do not fit, and where weights cannot be had.
---@param data scion.Dataset
---@param list (string|scion.Model)[]
---@param given scion.ProbeOptions?
---@return scion.Ranking
---@example print(scion.insight.rank(train, { base, base:upto "block1" }))
return function(data, list, given) return interrupts.within(where, rank, data, list, given) end
