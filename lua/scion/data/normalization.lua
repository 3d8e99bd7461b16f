--- Images normalized by statistics, as Keras's ImageDataGenerator does: those of the training images are applied to all others, too.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local shapes = require "scion.shape"

local least = 1e-6 -- is added to what is divided by, as Keras does

---@class scion.ImageStatistics
---@field mean? scion.Tensor [C] of each channel
---@field std? scion.Tensor [C] of each channel
---@field zca? scion.Tensor [D, D], D numbers an image: rows of images times it are whitened
---@field private options scion.StatisticsOptions
---@field private shape integer[] of an image
local methods = {}

local normalization = {}

--- Images as an f32 tensor, and their shape. Raises unless they are a tensor of at least two dimensions.
---@param where string the name of the function that the user called, for messages
---@param x any
---@return scion.Tensor
---@return integer[]
function normalization.read(where, x)
  x = check.argument(where, "the first argument", x, check.tensor)
  local shape, dtype = x:shape(), x:dtype()
  if #shape < 2 or shape[1] < 1 or (dtype ~= "u8" and dtype ~= "f32") then
    check.raise(("%s: images are a u8 or f32 tensor NxHxWxC, not %s"):format(where, check.show(x)))
  end
  return x:to "f32", shape
end

--- The size of one image of a shape, in words.
---@param shape integer[]
---@return string
function normalization.image_text(shape) return shapes.text { table.unpack(shape, 2) } end

--- The mean of rows [N, D] along an axis, as a tensor in every case: a reduction to one element is a number.
---@param rows scion.Tensor
---@param axis integer
---@return scion.Tensor [D] for axis 1, [N, 1] for axis 2
function normalization.mean(rows, axis)
  local mean = rows:mean(axis)
  if type(mean) == "number" then mean = core.from_table { mean } end
  return axis == 2 and mean:reshape(-1, 1) or mean
end

--- The standard deviation, likewise.
---@param rows scion.Tensor
---@param axis integer
---@return scion.Tensor
function normalization.deviation(rows, axis)
  local centred = rows - normalization.mean(rows, axis)
  return normalization.mean(centred * centred, axis):sqrt()
end

--- Images normalized by these statistics.
---@param x scion.Tensor u8 or f32 N x H x W x C, images of the size that the statistics were taken of
---@return scion.Tensor f32, of the same shape
---Raises if the images are of another size.
---@example x = statistics:apply(images)
function methods:apply(x)
  local images, shape = normalization.read("statistics:apply", x)
  if normalization.image_text(shape) ~= shapes.text(self.shape) then
    check.raise(("statistics:apply: images are %s, but the statistics are of %s"):format(normalization.image_text(shape), shapes.text(self.shape)))
  end
  local o, n, channels = self.options, shape[1], shape[#shape]
  local rows = images:reshape(n, -1)
  if o.samplewise_center then rows = rows - normalization.mean(rows, 2) end
  if o.samplewise_std_normalization then rows = rows / (normalization.deviation(rows, 2) + least) end
  local pixels = rows:reshape(-1, channels)
  if self.mean then pixels = pixels - self.mean end
  if self.std then pixels = pixels / (self.std + least) end
  rows = pixels:reshape(n, -1)
  if self.zca then rows = rows:matmul(self.zca) end
  return rows:reshape(shape)
end

local Statistics = class.define {
  name = "scion.ImageStatistics", title = "statistics of images", call = "statistics", methods = methods, fields = { "options", "shape" },
  locked = { "mean", "std", "zca" }, called = "statistics:apply(images) normalizes images",
  meta = { __tostring = function(self)
    local parts = {}
    for name, chosen in pairs(self.options) do
      if chosen == true then parts[#parts + 1] = name end
    end
    table.sort(parts)
    return ("statistics of images %s: %s"):format(shapes.text(self.shape), table.concat(parts, ", "))
  end },
}

--- What divisors are enlarged by.
normalization.least = least

--- Makes an object of options, shape, and what was computed of mean, std and zca.
normalization.new = Statistics.new

return normalization
