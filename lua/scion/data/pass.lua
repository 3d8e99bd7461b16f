--- One pass over a data set of Scion's: batches from 0, made by a loader that reads ahead in threads of its own.
local check = require "scion.check"
local core = require "scion.core"
local pipeline = require "scion.data.pipeline"
local values = require "scion.data.values"

local pass = {}

--- The loader's failures with their files. Tells the data set of each image that fails for the first time.
local function failures_of(data, failures)
  for _, failure in ipairs(failures or {}) do
    failure.file = data.files and data.files[failure.index + 1]
    data:leave_out(failure)
  end
  return failures
end

--- Iterates over batches of a data set; numbers count from 0. A batch is empty if none of its images can be read.
---@param data scion.Dataset
---@param o { epoch: integer, order: scion.Tensor?, batch: integer?, augment: scion.Augment|false|nil, skip: integer?, number: function? } epoch:
--- augmentation depends on it; order: i32 numbers from 0, and -1 for a place without an image (all images as they are listed); batch and augment
--- replace the data set's own; skip: how many batches of the pass were left out of the order; number: as of scion.Share (batch i has number i)
---@return fun(): scion.Batch? iterator
---@return nil
---@return nil
---@return table closed when the loop ends
function pass.over(data, o)
  if data.values then return values.over(data, o) end
  local drawn = o.augment
  if drawn == nil then drawn = data.augment end
  local changes = pipeline.new(drawn, data.size)
  local loader = core.loader {
    files = check.items(data.files), images = data.images, height = data.size[1], width = data.size[2], workers = data.workers,
    fit = data.fit, filter = data.filter, reducing_gap = data.reducing_gap, store = data:image_store(), seed = data.seed, stages = changes.stages,
    max_pixels = data.max_pixels, truncated = data.truncated, background = check.items(data.background),
  }
  local size, number_of = o.number and o.batch or math.max(math.min(o.batch or data.batch, #data), 1), o.number or math.tointeger
  loader:start(o.order, size, o.epoch)
  local number, classes = o.skip or 0, data.labels and #data.labels
  return function()
    local images, indices, failures = loader:next()
    if not images then return nil end
    number = number + 1
    return changes:apply(data:batch_of(images, indices, failures_of(data, failures)), {
      seed = data.seed, epoch = o.epoch, batch = number_of(number), size = size, part = o.number ~= nil, classes = classes,
    })
  end, nil, nil, loader
end

return pass
