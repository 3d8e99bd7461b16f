--- What a network does to an image of 0 to 255 before its first layer: y = x * scale + shift for each channel, perhaps with
--- the channels reversed (BGR).
local check = require "scion.check"

local preprocessing = {}

--- As networks are published: x / 255, without the mean, divided by the deviation.
---@class scion.Statistics
---@field mean number[] of each channel, of images in 0 to 1
---@field std number[] likewise

--- What they and the names become: x * scale + shift for each channel.
---@class scion.Preprocessing
---@field scale number[]
---@field shift number[]
---@field reverse boolean whether the channels are reversed first: BGR

local function standardize(mean, deviation) -- of x / 255
  local scale, shift = {}, {}
  for c = 1, 3 do
    scale[c] = 1 / (255 * deviation[c])
    shift[c] = -mean[c] / deviation[c]
  end
  return { scale = scale, shift = shift, reverse = false }
end

local named = {
  tf = { scale = { 1 / 127.5, 1 / 127.5, 1 / 127.5 }, shift = { -1.0, -1.0, -1.0 }, reverse = false },
  caffe = { scale = { 1.0, 1.0, 1.0 }, shift = { -103.939, -116.779, -123.68 }, reverse = true }, -- means in BGR order
  torch = standardize({ 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 }),
  unit = { scale = { 1 / 255, 1 / 255, 1 / 255 }, shift = { 0.0, 0.0, 0.0 }, reverse = false },
}

local name = check.one_of("tf", "caffe", "torch", "unit")
local three = check.list(check.number(), 3, "a list of three numbers")
local statistics = check.table_of { mean = { three, required = true },
                                    std = { check.list(check.number { above = 0 }, 3, "a list of three numbers above 0"), required = true } }
local numbers = check.table_of { scale = { three, required = true }, shift = { three, required = true }, reverse = { check.boolean, required = true } }

--- "tf", "caffe", "torch", "unit" or { mean = {…}, std = {…} } (of images in 0 to 1), read as numbers; what is numbers already stays so.
preprocessing.kind = {
  what = name.what:gsub(" or ", ", ") .. " or { mean = {…}, std = {…} }",
  read = function(value)
    if type(value) == "string" then
      local ok, _, complaint, hint = name.read(value)
      return ok, ok and named[value] or nil, complaint, hint
    end
    if type(value) == "table" and rawget(value, "scale") ~= nil then return numbers.read(value) end
    local ok, read, complaint = statistics.read(value)
    return ok, ok and standardize(read.mean, read.std) or nil, complaint
  end,
}

--- Reads it, and raises on anything else.
---@param value string|table
---@return scion.Preprocessing
function preprocessing.resolve(value) return check.argument("preprocess", "it", value, preprocessing.kind) end

return preprocessing
