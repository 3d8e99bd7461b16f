--- precision = "fast": in which numbers this machine computes a network soonest. It is worked out from estimates (machine.lua), and not measured,
--- so that it is the same in every run; results depend on it.
local calibration = require "scion.calibration"
local core = require "scion.core"
local cost = require "scion.ir.cost"
local machine = require "scion.machine"
local plan = require "scion.plan"

local fastest = {}

local least_gain = 1.1 -- over f32: less is not worth what narrow numbers lose

--- Finding the ranges of bytes takes as long as 450 to 800 images do in f32; bytes save a third of that an image, or somewhat more.
fastest.worth_images = 1500

--- What is fastest, and how it was found.
---@class scion.Fastest
---@field frozen "f32"|"bf16"|"int8"
---@field trained "f32"|"bf16"
---@field gain number how many times as fast as f32 the forward pass is, by estimate
---@field instructions string by which frozen layers are computed
---@field few boolean? whether bytes would be faster, were it not for so few images

local known = { [true] = setmetatable({}, { __mode = "k" }), [false] = setmetatable({}, { __mode = "k" }) } -- with bytes and without; by the model's output

--- The time of a forward pass, in units of a multiply-add of plain sums in f32, where layers that can are computed in narrow numbers.
local function time_of(ops, kind, rate)
  local sum = 0
  for _, op in ipairs(ops) do
    local macs = cost.of(op)
    sum = sum + macs / (kind and op.layer[kind] == "computes" and rate or op.gain or 1)
  end
  return sum
end

--- What this machine computes a model with.
---@param model scion.Model
---@param images integer? how many it is asked for: few do not make up for finding the ranges of bytes, unless these are known
---@return scion.Fastest
function fastest.of(model, images)
  local bytes = not images or images >= fastest.worth_images or calibration.report(model) ~= nil
  local found = known[bytes][model.output]
  if found then return found end
  local ops = plan.operations(model.order, model.output)
  local wide = time_of(ops)
  found = { frozen = "f32", trained = core.bf16() ~= "f32" and "bf16" or "f32", gain = 1.0, instructions = core.isa() }
  for kind, instructions in pairs { bf16 = core.bf16(), int8 = core.int8() } do
    local rate = machine.narrow[kind][instructions]
    local gain = rate and wide / time_of(ops, kind, rate) or 0
    if kind == "int8" and not bytes then found.few = gain >= least_gain or nil
    elseif gain >= least_gain and gain > found.gain then found.frozen, found.gain, found.instructions = kind, gain, instructions end
  end
  known[bytes][model.output] = found
  return found
end

return fastest
