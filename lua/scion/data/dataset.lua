--- The class of all data sets: images with or without labels. A loader reads them in batches, ahead of time, in threads of its own.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local augment = require "scion.data.augment"
local notice = require "scion.report.notice"
local results = require "scion.report.results"
local shape = require "scion.shape"
local text = require "scion.report.text"

---@class scion.Dataset
---@field labels? string[] names of the classes
---@field classes? scion.Tensor i32: the class of each image, from 0
---@field targets? scion.Tensor f32 N x K: numbers to predict, in place of classes
---@field files? string[] paths; nil for images in memory
---@field size integer[] {height, width} of the resized images
---@field batch integer images in a batch. Batch, shuffle, seed, augment and warn may be set; a new value applies from the next pass on
---@field seed integer of order and augmentation
---@field shuffle boolean whether each epoch has its own order
---@field augment? scion.augment
---@field memory number bytes of decoded and resized images that are kept for later epochs
---@field reducing_gap number a JPEG is decoded at least this many times as large as wanted; 0: always at full size
---@field skipped integer how many images could not be read so far and were left out
---@field problems? scion.Problem[] files in the folder that are not among its images
---@field warn fun(message: string) is called once for each image that cannot be read; by default it writes a line to standard error
---@field path? string of the folder
---@field images? scion.Tensor the images in memory: u8 N x H x W x 3
---@field workers? integer threads that read ahead
---@field private count integer how many images
---@field private grey boolean whether they were given with one channel
---@field private reported table<integer, boolean> the images, from 1, that warn was called for
---@field private store scion.ImageStore? the decoded images that are kept
local methods, internal = {}, {}

local function to_stderr(message) notice.line("scion: " .. message) end
local function nothing() end

local largest_side, most_workers, most_bytes = 16384, 256, 1e18 -- largest_side^2 is 2^28, the most pixels that an image may have
local side = check.whole(1, largest_side)
local several = check.whole(1, (1 << 31) - 1)

--- A number of pixels or { height, width }; both are read as { height, width }.
local size = check.kind(("a number of pixels from 1 to %d, or { height, width }"):format(largest_side), function(value)
  local ok, n = side.read(value)
  if ok then return true, { n, n } end
  if type(value) ~= "table" then return false end
  return check.list(side, 2, "a number of pixels or { height, width }").read(value)
end)

local names = check.distinct(check.list(check.text, nil, "a list of names"), "is a list of names, but %s is given twice")

local kinds = {
  size = size, batch = several, shuffle = check.boolean, seed = check.whole(), augment = check.unless_false(augment.kind),
  workers = check.whole(1, most_workers), memory = check.number { from = 0, below = most_bytes },
  reducing_gap = check.unless_false(check.number { from = 1, to = 1e6 }),
  labels = check.kind("a list of names, such as another set's labels", function(value)
    local ok, list, complaint = names.read(value)
    if ok and #list == 0 then return false, nil, "is a list of names, not an empty one" end
    return ok, list, complaint
  end),
}

---@class scion.DatasetOptions
---@field size? integer|integer[] images are resized to it: a side in pixels, or { height, width } (224, or that of the images in memory)
---@field batch? integer images in a batch (32)
---@field shuffle? boolean whether each epoch has its own order, drawn from the seed (true; false for scion.data.files)
---@field seed? integer of order and augmentation (0)
---@field augment? scion.augment|false (false)
---@field workers? integer threads that read ahead (as many as there are CPUs)

---@class scion.FilesOptions: scion.DatasetOptions
---@field memory? number bytes of decoded and resized images that are kept for later epochs (1e9 for folders, else 0)
---@field reducing_gap? number|false a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size and then resized, as by Pillow's thumbnail; the
--- decoded image is at least this many times as large as wanted. false decodes all at full size (2)

local dataset = {}

--- A schema, for check.options, of options with these defaults. Names in the list part are options without a default.
---@param defaults table
---@return table schema
function dataset.options(defaults)
  local schema = {}
  for key, value in pairs(defaults) do
    local name = math.type(key) and value or key
    schema[name] = { kinds[name], name == key and value or nil, usual = name == "size" }
  end
  return schema
end

local Dataset -- the class, made at the end of the file from these methods

--- Makes a data set; for the functions of scion.data.
---@param source table files, or images and count; perhaps classes or targets, labels, path, problems; quiet: no warnings by default
---@param o table the options, checked
---@return scion.Dataset
function dataset.new(source, o)
  return Dataset.new {
    files = source.files, images = source.images, count = source.count or #source.files, path = source.path,
    classes = source.classes, targets = source.targets, labels = source.labels, size = o.size, batch = o.batch, seed = o.seed, shuffle = o.shuffle,
    augment = o.augment or nil, workers = o.workers, memory = o.memory or 0, reducing_gap = o.reducing_gap or 0,
    grey = source.grey or false, skipped = 0, problems = source.problems, reported = {}, warn = source.quiet and nothing or to_stderr,
  }
end

--- Turns the loader's failures into those for users. Calls warn for each image that fails for the first time.
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
---@field shuffle? boolean (the data set's)
---@field batch? integer (the data set's)
---@field augment? scion.augment|false false: no augmentation (the data set's)

local passes = { shuffle = { check.boolean }, batch = { several }, augment = { kinds.augment } }
local epochs = check.whole(0, (1 << 32) - 1)

--- One pass over the images: `for images, labels, indices, failures in data:batches(epoch) do`.
---
--- images: a u8 tensor n x H x W x 3, which the caller may keep. labels: an i32 tensor of n class numbers from 0, or an f32 tensor n x K
--- of targets; nil without labels. indices: an i32 tensor of the images' numbers, from 0. failures: nil, or a list of { index = from 1,
--- file =, message = } for the images of this batch that could not be read; the batch has fewer images by their number. If no image of a
--- batch can be read, a data set with labels goes on to the next batch; one without labels gives an empty batch, so that the caller sees
--- the failures.
---
--- Order and augmentation depend on nothing but the seed and the epoch.
---@param epoch? integer (1)
---@param given? scion.BatchesOptions used in place of the data set's own
---@return fun(): scion.Tensor?, scion.Tensor?, scion.Tensor?, scion.Failure[]? iterator
---Raises on unknown options and invalid values.
function methods:batches(epoch, given)
  local where = "data:batches"
  local o = check.options(where, given, passes)
  epoch = epoch == nil and 1 or check.argument(where, "the epoch", epoch, epochs)
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

--- The shuffled order of an epoch: an i32 tensor of image numbers from 0.
---@param epoch integer
---@return scion.Tensor
---@private
function internal:order(epoch)
  return core.permutation(self.count, self.seed, epoch)
end

--- Loads images by their numbers, in batches like those of data:batches. A batch is empty if none of its images can be read.
---@param order? scion.Tensor i32 numbers from 0 (all images, in their order)
---@param epoch integer augmentation depends on it
---@param given { batch: integer?, augment: scion.augment|false|nil } used in place of the data set's own; augment = false: no augmentation
---@return fun(): scion.Tensor?, scion.Tensor?, scion.Tensor?, scion.Failure[]? iterator
---@private
function internal:load(order, epoch, given)
  local drawn = given.augment
  if drawn == nil then drawn = self.augment end
  if self.files and self.memory > 0 and not self.store then
    self.store = core.image_store(self.count, self.size[1], self.size[2], self.memory)
  end
  local loader = core.loader{
    files = self.files, images = self.images, height = self.size[1], width = self.size[2], workers = self.workers,
    reducing_gap = self.reducing_gap, store = self.store,
    seed = self.seed, augment = drawn and augment.numbers(drawn, self.size) or nil,
  }
  loader:start(order, math.max(math.min(given.batch or self.batch, self.count), 1), epoch)
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
---Raises if the data set has no classes.
function methods:class_counts()
  if not self.classes then check.raise "data:class_counts: this data set has no labels" end
  return core.count(self.classes, #self.labels)
end

local function as_text(self)
  local parts = { ("data set of %d image%s"):format(self.count, self.count == 1 and "" or "s") }
  if self.classes then
    local counts, shown = self:class_counts(), {}
    for i = 1, math.min(#counts, 8) do shown[i] = ("%s %d"):format(self.labels[i], counts[i]) end
    if #counts > 8 then shown[9] = ("and %d more"):format(#counts - 8) end
    parts[1] = ("%s in %d class%s (%s)"):format(parts[1], #counts, #counts == 1 and "" or "es", table.concat(shown, ", "))
  end
  if self.targets then
    local numbers = shape.elements(self.targets:shape()) // math.max(self.count, 1)
    parts[1] = ("%s with %d number%s to predict of each"):format(parts[1], numbers, numbers == 1 and "" or "s")
  end
  parts[2] = ("%dx%d, batches of %d"):format(self.size[1], self.size[2], self.batch)
  parts[3] = self.shuffle and ("shuffled by seed %d"):format(self.seed) or "in file order"
  if self.augment then parts[#parts + 1] = "augmented" end
  if self.skipped > 0 then parts[#parts + 1] = ("%d broken and left out"):format(self.skipped) end
  if self.problems and #self.problems > 0 then parts[#parts + 1] = ("%d file%s passed over"):format(#self.problems, #self.problems == 1 and "" or "s") end
  return table.concat(text.wrap(check.escape(table.concat(parts, "; ")), text.width(), 2), "\n")
end

Dataset = class.define {
  name = "scion.Dataset", title = "a data set", call = "data", methods = methods, internal = internal, fields = { "count", "grey", "reported", "store" },
  locked = { "files", "images", "path", "classes", "targets", "labels", "size", "workers", "memory", "reducing_gap", "skipped",
             "problems" },
  settable = {
    batch = kinds.batch, shuffle = kinds.shuffle, seed = kinds.seed, warn = check.callable,
    augment = check.kind("a table of options, such as { flip = 'horizontal' }, or nil", function(value)
      if value == nil then return true, nil end
      local ok, read, complaint = kinds.augment.read(value)
      return ok, read or nil, complaint
    end),
  },
  instead = {
    size = "make another data set with that size", labels = "give labels where the data set is made", batch_size = "it is 'batch'",
    memory = "give memory where the data set is made", workers = "give workers where the data set is made",
  },
  called = "for images, labels in data:batches() do … end goes over it",
  meta = { __len = function(self) return self.count end, __tostring = as_text },
}

dataset.kind, dataset.is = Dataset.kind, Dataset.is

return dataset
