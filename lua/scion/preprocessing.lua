--- The preprocessing of images, values from 0 to 255, before a network's first layer: y = x * scale + shift for each channel, perhaps
--- with the order of the channels reversed (BGR).
local check = require "scion.check"
local notice = require "scion.report.notice"

local preprocessing = {}

--- The form in which networks are published: y = (x / 255 - mean) / std for each channel.
---@class scion.Statistics
---@field mean number[] of each channel, or one for all, for values from 0 to 1
---@field std number[] standard deviation of each channel, or one for all, for values from 0 to 1

--- The form that is computed, for values x from 0 to 255: y = x * scale + shift for each channel.
---@class scion.Preprocessing
---@field scale number[] of each channel
---@field shift number[] of each channel
---@field reverse boolean whether the channels are reversed to BGR first

-- scale and shift from mean and deviation of x / 255
local function standardize(mean, deviation)
  local scale, shift = {}, {}
  for c = 1, 3 do
    scale[c] = 1 / (255 * deviation[c])
    shift[c] = -mean[c] / deviation[c]
  end
  return { scale = scale, shift = shift, reverse = false }
end

local named = {
  tf = { scale = { 1 / 127.5, 1 / 127.5, 1 / 127.5 }, shift = { -1.0, -1.0, -1.0 }, reverse = false },
  caffe = { scale = { 1.0, 1.0, 1.0 }, shift = { -103.939, -116.779, -123.68 }, reverse = true }, -- the means, in BGR order
  torch = standardize({ 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 }),
  unit = { scale = { 1 / 255, 1 / 255, 1 / 255 }, shift = { 0.0, 0.0, 0.0 }, reverse = false },
}

local name = check.one_of("tf", "caffe", "torch", "unit")
local three = check.list(check.number(), 3, "a list of three numbers")

--- A list of three numbers, or of one that is read as three equal ones.
local function one_or_three(number, what)
  local list = check.list(number, nil, what)
  return check.kind(what, function(value)
    local ok, read, complaint, hint = list.read(value)
    if ok and #read == 1 then return true, { read[1], read[1], read[1] } end
    if ok and #read ~= 3 then return false end
    return ok, read, complaint, hint
  end)
end

local statistics = check.table_of { mean = { one_or_three(check.number(), "a list of three numbers, or of one"), required = true },
                                    std = { one_or_three(check.number { above = 0 }, "a list of three numbers above 0, or of one"), required = true } }
local numbers = check.table_of { scale = { three, required = true }, shift = { three, required = true }, reverse = { check.boolean, required = true } }

--- "tf", "caffe", "torch", "unit" or { mean = {…}, std = {…} } (scion.Statistics); they are read as a scion.Preprocessing, and so is a
--- table that already is one.
preprocessing.kind = {
  what = name.what:gsub(" or ", ", ") .. " or { mean = {…}, std = {…} }",
  read = function(value)
    if type(value) == "string" then
      local ok, _, complaint, hint = name.read(value)
      return ok, ok and named[value] or nil, complaint, hint
    end
    if type(value) == "table" and rawget(value, "scale") ~= nil then return numbers.read(value) end
    local ok, read, complaint = statistics.read(value)
    if ok and (math.max(table.unpack(read.mean)) > 1 or math.max(table.unpack(read.std)) > 1) then
      notice.once(("preprocess: mean = { %s } and std = { %s } are for values from 0 to 1, and those above 1 look like values from 0 to 255: divide them by 255"):format(
        table.concat(read.mean, ", "), table.concat(read.std, ", ")))
    end
    return ok, ok and standardize(read.mean, read.std) or nil, complaint
  end,
}

--- Reads such a value. Raises on any other.
---@param value string|scion.Statistics|scion.Preprocessing
---@return scion.Preprocessing
function preprocessing.resolve(value) return check.argument("preprocess", "it", value, preprocessing.kind) end

--- The shape of the images, without the batch, that an input of that shape takes: they have three channels, of which one is made for a
--- network that takes grey ones.
---@param shape integer[] of the input
---@return integer[]
function preprocessing.image_shape(shape)
  return #shape == 3 and shape[3] == 1 and { shape[1], shape[2], 3 } or shape
end

--- The shape of these images where a convolution in bytes takes over the preprocessing: with a further channel, see scion_pixel_codes.
---@param shape integer[] of the input
---@return integer[]
function preprocessing.codes_shape(shape) return { shape[1], shape[2], shape[3] + 1 } end

--- The preprocessing of images that become grey where there is one channel: with the means, over the channels, of mean and standard
--- deviation.
---@param given scion.Preprocessing
---@param channels integer?
---@return scion.Preprocessing
function preprocessing.of_channels(given, channels)
  local a, b = given.scale, given.shift
  if channels ~= 1 or a[1] == a[2] and a[2] == a[3] and b[1] == b[2] and b[2] == b[3] then return given end
  local mean, deviation = 0, 0
  for c = 1, 3 do mean, deviation = mean - b[c] / a[c] / 3, deviation + 1 / a[c] / 3 end
  local scale, shift = 1 / deviation, -mean / deviation
  return { scale = { scale, scale, scale }, shift = { shift, shift, shift }, reverse = false }
end

return preprocessing
