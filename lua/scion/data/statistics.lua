--- Takes the statistics of images in memory by which they are normalized.
local check = require "scion.check"
local core = require "scion.core"
local normalization = require "scion.data.normalization"
local shapes = require "scion.shape"

local where = "scion.data.statistics"

---@class scion.StatisticsOptions
---@field samplewise_center? boolean each image loses its own mean (false)
---@field samplewise_std_normalization? boolean each image loses its own mean, and is divided by its own standard deviation (false)
---@field featurewise_center? boolean each channel loses its mean over all images (false)
---@field featurewise_std_normalization? boolean each channel loses its mean, and is divided by its standard deviation over all images (false)
---@field zca_whitening? boolean each channel loses its mean, and the numbers of an image are decorrelated: see `zca` (false)
---@field zca_epsilon? number added to the singular values that whitening divides by (1e-6)
local schema = {
  samplewise_center = { check.boolean, false }, samplewise_std_normalization = { check.boolean, false },
  featurewise_center = { check.boolean, false }, featurewise_std_normalization = { check.boolean, false },
  zca_whitening = { check.boolean, false }, zca_epsilon = { check.number { above = 0 }, 1e-6 },
}

--- The symmetric matrix by which the rows, times it, have the same variance in all directions and no correlations.
local function whitening(rows, epsilon)
  local n = #rows
  local _, s, vt = rows:svd()
  local scaled = vt:transpose() * (math.sqrt(n) / (s + epsilon))
  return scaled:matmul(vt)
end

local most_whitened = 1 << 14 -- numbers an image: the matrix then takes a gigabyte

--- Takes the statistics of images that a normalization needs. Names and meanings are those of Keras's ImageDataGenerator; what it computes
--- in `fit` is computed here, and `statistics:apply(images)` normalizes the training images, and later all others, by it.
---@param x scion.Tensor u8 or f32 N x H x W x C; features [N, D], too
---@param given scion.StatisticsOptions
---@return scion.ImageStatistics
---Raises unless x is such a tensor, if no normalization is chosen, if images are too large to be whitened (more than 16384 numbers), and on
---unknown options and invalid values.
---@example statistics = scion.data.statistics(scion.uniform({ 10, 32, 32, 3 }), { featurewise_center = true })
return function(x, given)
  local images, shape = normalization.read(where, x)
  local o = check.options(where, given, schema)
  local chosen = false
  for name in pairs(schema) do chosen = chosen or o[name] == true end
  if o.zca_whitening and o.featurewise_std_normalization then
    check.raise(where .. ": zca_whitening gives all directions the same variance, so that featurewise_std_normalization is to be left out beside it")
  end
  o.samplewise_center = o.samplewise_center or o.samplewise_std_normalization
  o.featurewise_center = o.featurewise_center or o.featurewise_std_normalization or o.zca_whitening
  if not chosen then check.raise(where .. ": say which, such as { featurewise_center = true, featurewise_std_normalization = true }") end
  local n, channels = shape[1], shape[#shape]
  local numbers = shapes.elements(shape) // n
  if o.zca_whitening and numbers > most_whitened then
    check.raise(("%s: zca_whitening takes a matrix of all pairs of an image's numbers, and %s has %d of them; it is for images of at most 73x73x3"):format(
      where, normalization.image_text(shape), numbers))
  end
  if not core.finite(images) then check.raise(where .. ": a number of the images is NaN or infinite") end
  local made, pixels = { options = o, shape = { table.unpack(shape, 2) } }, images:reshape(-1, channels)
  if o.featurewise_center then
    made.mean = normalization.mean(pixels, 1)
    pixels = pixels - made.mean
  end
  if o.featurewise_std_normalization then
    made.std = normalization.deviation(pixels, 1)
    pixels = pixels / (made.std + normalization.least)
  end
  if o.zca_whitening then made.zca = whitening(pixels:reshape(n, -1), o.zca_epsilon) end
  return normalization.new(made)
end
