--- What all data sets are: images with or without labels, given out in batches by a loader that works ahead.
local check = require "scion.check"
local core = require "scion.core"
local augment_numbers = require "scion.data.augment"
local options = require "scion.options"
local results = require "scion.report.results"
local text = require "scion.report.text"

---@class scion.Dataset
---@field labels? string[] names of the classes
---@field classes? table i32 tensor, the class of each image, from 0
---@field targets? table f32 tensor N x K in place of classes: numbers to predict
---@field files? string[] paths, or nil for images in memory
---@field size integer[] {height, width}
---@field batch integer
---@field seed integer
---@field shuffle boolean
---@field augment? scion.augment
---@field memory number bytes of decoded and resized images that are kept for later epochs
---@field reducing_gap number how many times as large as wanted a JPEG is decoded at least; 0: always whole
---@field skipped integer how many images turned out to be broken and were left out
---@field warn fun(message: string) is told once of each broken image; writes a line to stderr unless replaced
---@field path? string of the folder
---@field images? scion.Tensor those in memory: u8 N x H x W x 3
---@field workers? integer threads that read ahead
---@field private count integer
---@field private reported table<integer, boolean> which broken images were told of
---@field private store userdata? decoded and resized images
local dataset = { __name = "scion.Dataset" }
dataset.__index = dataset

local function to_stderr(message) io.stderr:write("scion: ", message, "\n") end
local function nothing() end

local function whole(value, lowest) return math.type(value) == "integer" and value >= lowest end

--- For the functions of scion.data.
---@param where string the function that makes it
---@param source table files or images and count; classes, labels, path; quiet = no warnings by default
---@param o table checked options
---@return scion.Dataset
---Raises for an option that makes no sense.
function dataset.new(where, source, o)
  local size = type(o.size) == "table" and { o.size[1], o.size[2] } or { o.size, o.size }
  local function want(condition, name, what)
    if not condition then check.raise(("%s: '%s' is %s"):format(where, name, what)) end
  end
  want(whole(size[1], 1) and whole(size[2], 1), "size", "a number of pixels or {height, width}")
  want(whole(o.batch, 1), "batch", "a whole number from 1 up")
  want(math.type(o.seed) == "integer", "seed", "a whole number")
  want(o.workers == nil or whole(o.workers, 1), "workers", "a whole number from 1 up")
  want(o.memory == nil or (type(o.memory) == "number" and o.memory >= 0 and o.memory < 1e18), "memory", "a number of bytes")
  want(not o.reducing_gap or (type(o.reducing_gap) == "number" and o.reducing_gap >= 1 and o.reducing_gap <= 1e6), "reducing_gap",
       "a number from 1 up, or false")
  if o.augment then augment_numbers(where, o.augment, size) end
  return setmetatable({
    files = source.files, images = source.images, count = source.count or #source.files, path = source.path,
    classes = source.classes, targets = source.targets, labels = source.labels, size = size, batch = o.batch, seed = o.seed, shuffle = o.shuffle ~= false,
    augment = o.augment or nil, workers = o.workers, memory = o.memory or 0, reducing_gap = o.reducing_gap or 0,
    skipped = 0, reported = {}, warn = source.quiet and nothing or to_stderr,
  }, dataset)
end

function dataset:__len() return self.count end

-- What the loader tells of images it could not have, for users; news goes to warn, each once.
local function take_note(self, failures)
  local told = {}
  for i, failure in ipairs(failures) do
    local index = failure.index + 1
    told[i] = { index = index, file = self.files and self.files[index], message = failure.message }
    if not self.reported[index] then
      self.reported[index] = true
      self.skipped = self.skipped + 1
      self.warn("left out " .. failure.message)
    end
  end
  return results.failures(told)
end

---@class scion.BatchesOptions
---@field shuffle? boolean
---@field batch? integer
---@field augment? scion.augment or false: none

--- One pass over the images: `for images, labels, indices, failures in data:batches(epoch) do`.
---
--- images: u8 tensor n x H x W x 3, the caller's own. labels: i32 tensor of n class numbers from 0, or f32 tensor n x K of targets (nil without labels).
--- indices: i32 tensor, which image each is, from 0. failures: nil, or a list of { index = from 1, file =, message = } of those
--- that belong in this batch and could not be read. A batch is as much smaller; where there are no labels it may be empty, so
--- that failures are seen, else an empty one is passed over.
---
--- Order and augmentation depend on the seed and the epoch, and on nothing else.
---@param epoch? integer (1)
---@param given? scion.BatchesOptions in place of the data set's own
---@return fun(): table?, table?, table?, table? iterator
---Raises for an unknown option or one that makes no sense.
function dataset:batches(epoch, given)
  local where = "dataset:batches"
  local o = options.check(where, given, { "shuffle", "batch", "augment" })
  if epoch ~= nil and math.type(epoch) ~= "integer" then check.raise(where .. ": an epoch is a whole number") end
  if o.batch ~= nil and not whole(o.batch, 1) then check.raise(where .. ": 'batch' is a whole number from 1 up") end
  epoch = epoch or 1
  local shuffle = o.shuffle
  if shuffle == nil then shuffle = self.shuffle end
  local step, _, _, loader = self:load(shuffle and self:order(epoch) or nil, epoch, { batch = o.batch, augment = o.augment })
  local function readable()
    local images, labels, indices, failures = step()
    if images and labels and failures and indices:shape()[1] == 0 then return readable() end
    return images, labels, indices, failures
  end
  return readable, nil, nil, loader
end

--- The shuffled order of an epoch: i32 tensor of image numbers from 0.
---@param epoch integer
---@return table
---@private
function dataset:order(epoch) return core.permutation(self.count, self.seed, epoch) end

--- Loads images by their numbers, in batches like those of dataset:batches; a batch none of whose images can be read is empty.
---@param order? table i32 tensor of numbers from 0 (all images, as they come)
---@param epoch integer from which augmentation is drawn
---@param given { batch: integer?, augment: table|false|nil } in place of the data set's own; augment = false: none
---@return fun(): table?, table?, table?, table? iterator
---@private
function dataset:load(order, epoch, given)
  local augment = given.augment
  if augment == nil then augment = self.augment end
  if self.files and self.memory > 0 and not self.store then
    self.store = core.image_store(self.count, self.size[1], self.size[2], self.memory)
  end
  local loader = core.loader{
    files = self.files, images = self.images, height = self.size[1], width = self.size[2], workers = self.workers,
    reducing_gap = self.reducing_gap, store = self.store,
    seed = self.seed, augment = augment and augment_numbers("augment", augment, self.size) or nil,
  }
  loader:start(order, given.batch or self.batch, epoch)
  local wanted = self.classes or self.targets
  local function step()
    local images, indices, failures = loader:next()
    if not images then return nil end
    return images, wanted and core.gather(wanted, indices), indices, failures and take_note(self, failures)
  end
  return step, nil, nil, loader
end

--- How many images each class has, in the order of the labels.
---@return integer[]
---Raises when the data set has no labels.
function dataset:class_counts()
  if not self.classes then check.raise("dataset:class_counts: this data set has no labels") end
  return core.count(self.classes, #self.labels)
end

function dataset:__tostring()
  local parts = { ("data set of %d image%s"):format(self.count, self.count == 1 and "" or "s") }
  if self.classes then
    local counts, shown = self:class_counts(), {}
    for i = 1, math.min(#counts, 8) do shown[i] = ("%s %d"):format(self.labels[i], counts[i]) end
    if #counts > 8 then shown[9] = ("and %d more"):format(#counts - 8) end
    parts[1] = ("%s in %d classes (%s)"):format(parts[1], #counts, table.concat(shown, ", "))
  end
  parts[2] = ("%dx%d, batches of %d"):format(self.size[1], self.size[2], self.batch)
  parts[3] = self.shuffle and ("shuffled by seed %d"):format(self.seed) or "in file order"
  if self.augment then parts[#parts + 1] = "augmented" end
  if self.skipped > 0 then parts[#parts + 1] = ("%d broken and left out"):format(self.skipped) end
  return table.concat(text.wrap(check.escape(table.concat(parts, "; ")), text.width(), 2), "\n")
end

return dataset
