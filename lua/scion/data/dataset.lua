--- The class of all data sets: images with or without labels. A loader reads them in batches, ahead of time, in threads of its own.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local decoding = require "scion.data.decoding"
local batches = require "scion.data.batch"
local broken = require "scion.data.broken"
local interrupts = require "scion.interrupts"
local notice = require "scion.report.notice"
local pass = require "scion.data.pass"
local reading = require "scion.data.reading"
local pipeline = require "scion.data.pipeline"
local read_only = require "scion.read_only"
local shape = require "scion.shape"
local printable = require "scion.printable"
local split = require "scion.data.split"
local text = require "scion.report.text"
local view = require "scion.data.view"

---@class scion.Dataset
---@field labels? string[] names of the classes
---@field classes? scion.Tensor i32: the class of each image, from 1; setting one relabels the image
---@field soft? scion.Tensor f32 N x K: the share of each class, in place of classes
---@field multi? scion.Tensor f32 N x K: which of the labels each image has, from 0 to 1, in place of classes
---@field targets? scion.Tensor f32 N x K: numbers to predict, in place of classes
---@field files? string[] paths; nil for images in memory. The lists files, labels, size and background are read-only
---@field size? integer[] {height, width} of the resized images; nil for features
---@field batch integer images in a batch. Batch, shuffle, seed, augment and warn may be set; a new value applies from the next pass on
---@field seed integer of order and augmentation
---@field shuffle boolean whether each epoch has its own order
---@field augment? scion.Augment
---@field memory number bytes of decoded and resized images that are kept for later epochs
---@field fit "squash"|"crop"|"pad" how images of another shape become as large as `size`
---@field filter "bilinear"|"bicubic"|"area"|"nearest" of the resize
---@field reducing_gap number a JPEG is decoded at least this many times as large as wanted; 0: always at full size
---@field on_broken "skip"|"error" what happens to an image that cannot be read
---@field max_pixels? integer files with larger images are refused
---@field background? integer[] { red, green, blue }, what transparent pixels are laid upon
---@field truncated? string "keep" reads JPEGs whose end is missing
---@field skipped integer how many images could not be read so far and were left out
---@field problems scion.Problem[] files in the folder that are not among its images, images that could not be read so far (sets that are
--- made of this one by with, subset, take and split begin with those of theirs), and classes of which none is left
---@field warn fun(message: string) is called once for each image that cannot be read, and for each class of which none is left; by default it
--- writes a line to standard error
---@field path? string of the folder
---@field images? scion.Tensor the images in memory: u8 N x H x W x 3
---@field values? scion.Tensor the examples in memory that are taken as they are: f32 N x …
---@field workers? integer threads that read ahead
---@field private beside scion.Problem[] files in the folder that are not among its images
---@field private count integer how many images
---@field private broken table<integer, string>? why examples are left out, by their numbers from 0
---@field private left integer[]? once an example is left out: how many each class or label still has
---@field private grey boolean whether they were given with one channel
---@field private reported table<integer, string> why the images, from 0, that warn was called for are left out
---@field private store scion.ImageStore? the decoded images that are kept
local methods, internal = {}, {}

local function to_stderr(message, elsewhere) notice.line("scion: " .. message, not elsewhere) end
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
  size = size, batch = several, shuffle = check.boolean, seed = check.whole(), augment = check.unless_false(pipeline.kind),
  workers = check.whole(1, most_workers), memory = check.number { from = 0, below = most_bytes },
  fit = reading.fits, filter = reading.filters,
  reducing_gap = reading.gap,
  on_broken = check.one_of("skip", "error"),
  labels = check.kind("a list of names, such as another set's labels", function(value)
    local ok, list, complaint = names.read(value)
    if ok and #list == 0 then return false, nil, "is a list of names, not an empty one" end
    return ok, list, complaint
  end),
}

for name, kind in pairs(decoding.kinds) do kinds[name] = kind end

---@class scion.DatasetOptions
---@field size? integer|integer[] images are resized to it: a side in pixels, or { height, width } (224, or that of the images in memory)
---@field fit? "squash"|"crop"|"pad" how images of another shape become as large as `size`: width and height by factors of their own; by the
--- largest part in the middle; as a whole between black borders ("squash")
---@field filter? "bilinear"|"bicubic"|"area"|"nearest" of the resize, as for scion.image.resize ("bilinear")
---@field batch? integer images in a batch (32)
---@field shuffle? boolean whether each epoch has its own order, drawn from the seed (true where there are labels, else false)
---@field seed? integer of order and augmentation (0)
---@field augment? scion.Augment|false (false)
---@field workers? integer threads that read ahead (as many as there are CPUs)

---@class scion.FilesOptions: scion.DatasetOptions, scion.DecodingOptions
---@field memory? number bytes of decoded and resized images that are kept for later epochs (1e9 for folders, else 0)
---@field reducing_gap? number|false a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size and then resized, as by Pillow's thumbnail; the
--- decoded image is at least this many times as large as wanted. false decodes all at full size (2)
---@field on_broken? "skip"|"error" "skip": an image that cannot be read is told of, counted and left out; "error": it raises ("skip")

local dataset = {}

--- A schema, for check.options, of options with these defaults; fit and filter, which all have, are added. Names in the list part are options without a default.
---@param defaults table
---@return table schema
function dataset.options(defaults)
  local schema = { fit = { kinds.fit }, filter = { kinds.filter } }
  for key, value in pairs(defaults) do
    local name = math.type(key) and value or key
    schema[name] = { kinds[name], name == key and value or nil, usual = name == "size" }
  end
  return schema
end

local Dataset -- the class, made at the end of the file from these methods

local advice = {
  size = "make another data set with that size", labels = "give labels where the data set is made", batch_size = "it is 'batch'",
  memory = "give memory where the data set is made", workers = "give workers where the data set is made",
  files = "data:subset{ … } picks images and orders them", background = "data:with{ background = … } makes another data set",
}

-- A list of a data set as users see it.
local function fixed(name, list) return read_only.view(list, "a data set: " .. name, advice[name]) end

--- Makes a data set; for the functions of scion.data.
---@param source table files, or images and count, or values, broken and count; perhaps classes (from 1), soft, multi or targets, and labels;
--- path, problems; known: why files cannot be read that are known to be broken, by their numbers from 0; quiet: no warnings by default
---@param o table the options, checked
---@return scion.Dataset
function dataset.new(source, o)
  for _, label in ipairs(source.labels or {}) do
    if not utf8.len(label) then
      check.raise(("the class name %s is not UTF-8, in which models keep their labels: rename its folder, or give labels in UTF-8"):format(check.show(label)))
    end
  end
  local beside = printable.records(source.problems or {})
  local made = Dataset.new {
    files = fixed("files", source.files), images = source.images, values = source.values, broken = source.broken, count = source.count or #source.files,
    path = source.path, classes = source.classes, soft = source.soft, multi = source.multi, targets = source.targets,
    labels = fixed("labels", source.labels), size = fixed("size", o.size), batch = o.batch, seed = o.seed, shuffle = o.shuffle,
    fit = o.fit or "squash", filter = o.filter or "bilinear", augment = o.augment or nil, workers = o.workers, memory = o.memory or 0,
    reducing_gap = o.reducing_gap or 0, max_pixels = o.max_pixels, truncated = o.truncated, background = fixed("background", o.background),
    on_broken = o.on_broken or "skip", grey = source.grey or false, skipped = 0, reported = {},
    beside = beside, problems = printable.table(table.move(beside, 1, #beside, 1, {})), -- the latter is the users' own
    warn = source.quiet and nothing or to_stderr,
  }
  broken.count_known(made, source.known or source.broken or {})
  return made
end

--- Tells of an example that cannot be read, see broken.leave_out.
---@param failure scion.Failure its index counts from 0
---@param elsewhere? boolean whether another process has read it (false)
---@private
function internal:leave_out(failure, elsewhere) broken.leave_out(self, failure, self.warn == to_stderr, elsewhere) end

---@class scion.BatchesOptions
---@field shuffle? boolean (the data set's)
---@field batch? integer (the data set's)
---@field augment? scion.Augment|false false: no augmentation (the data set's)

local passes = { shuffle = { check.boolean }, batch = { several }, augment = { kinds.augment } }
local epochs = check.whole(1, 1 << 32)

--- One pass over the images, in batches: `for batch in data:batches(epoch) do`. What a batch holds is the caller's to keep. Images that
--- cannot be read are in `batch.failed`, and the batch has fewer images by their number, perhaps none.
---
--- Order and augmentation depend on nothing but the seed and the epoch.
---@param epoch? integer from 1, as of a new model's fit (1)
---@param given? scion.BatchesOptions used in place of the data set's own
---@return fun(): scion.Batch? iterator
---Raises on unknown options and invalid values, and while a batch is awaited after Ctrl-C. Where Ctrl-C is for a function further out, as in
---a callback of fit, the pass ends.
---@example for batch in train:batches() do print(#batch, batch.y) end
function methods:batches(epoch, given)
  local where = "data:batches"
  local o = check.options(where, given, passes)
  epoch = epoch == nil and 1 or check.argument(where, "the epoch", epoch, epochs)
  local step, _, _, loader = self:pass { epoch = epoch - 1, shuffle = o.shuffle, batch = o.batch, augment = o.augment }
  return function()
    local caught <close> = interrupts.catch()
    local batch = step()
    if caught.mine and core.interrupted() then interrupts.raise(where .. ": interrupted in the middle of a pass") end
    return batch and batches.for_user(batch, self.files)
  end, nil, nil, loader
end

--- The order in which an epoch goes through the images: their numbers, from 1.
---@param epoch? integer (1)
---@return scion.Tensor i32
---Raises on an invalid epoch.
---@example print(train:order(2))
function methods:order(epoch)
  epoch = epoch == nil and 1 or check.argument("data:order", "the epoch", epoch, epochs)
  return self.shuffle and self:permutation(epoch - 1) + 1 or core.arange(1, self.count, 1, "i32")
end

--- The shuffled order of an epoch: numbers from 0.
---@param epoch integer
---@return scion.Tensor i32
---@private
function internal:permutation(epoch) return core.permutation(self.count, self.seed, epoch) end

--- The memory of decoded images, made at first use; nil if none are kept.
---@return userdata?
---@private
function internal:image_store()
  if self.files and self.memory > 0 and not self.store then
    self.store = core.image_store(self.count, self.size[1], self.size[2], self.memory)
  end
  return self.store
end

--- Iterates over batches as they are inside Scion, where numbers count from 0.
---@param o { epoch: integer, shuffle: boolean?, order: scion.Tensor?, batch: integer?, augment: scion.Augment|false|nil, skip: integer?, number: function? }
--- shuffle, batch and augment replace the data set's own; order, number: as for pass.over, order in place of shuffle; skip: how many batches
--- the pass begins after
---@return fun(): scion.Batch? iterator
---@return nil
---@return nil
---@return table closed when the loop ends
---@private
function internal:pass(o)
  local shuffle = o.shuffle
  if shuffle == nil then shuffle = self.shuffle end
  local order, skip = o.order or (shuffle and self:permutation(o.epoch) or nil), o.skip or 0
  if skip > 0 then
    order = order or core.arange(0, self.count - 1, 1, "i32")
    order = order:slice(1, math.min(skip * (o.batch or self.batch), #order) + 1, #order):copy()
  end
  return pass.over(self, { epoch = o.epoch, order = order, batch = o.batch, augment = o.augment, skip = skip, number = o.number })
end

--- Classes from 0 of numbers from 1. Raises where one is none of the labels', as somebody may have set it.
local function from_zero(self, classes)
  local y = classes - 1
  if #y == 0 or y:min() >= 0 and y:max() < #self.labels then return y end
  for i, number in ipairs(self.classes:totable()) do
    if number < 1 or number > #self.labels then
      check.raise(("the data set's classes: image %d has class %d, and there are %d: set it to a number from 1 to %d"):format(i, number, #self.labels, #self.labels))
    end
  end
end

--- The labels of these images: i32 classes from 0, or f32 rows; nil where there are none.
---@param index scion.Tensor i32 numbers from 0
---@return scion.Tensor?
---@private
function internal:labels_at(index)
  local wanted = self.soft or self.multi or self.targets
  return self.classes and from_zero(self, core.gather(self.classes, index)) or wanted and core.gather(wanted, index)
end

--- A batch of these images: adds what the data set knows of them.
---@param x scion.Tensor images, or values of a node
---@param index scion.Tensor i32 numbers from 0
---@param failed scion.Failure[]? their numbers count from 0
---@param node scion.Node? of the values
---@return scion.Batch
---@private
function internal:batch_of(x, index, failed, node)
  return batches.new { x = x, y = self:labels_at(index), index = index, failed = failed, node = node }
end

local function check_classes(self, where)
  if self.classes then return end
  local instead = self.multi and "several labels of each example" or self.soft and "shares of several classes of each example" or
    self.targets and "numbers to predict"
  check.raise(("%s: the data set has %s"):format(where, instead and instead .. ", and no classes to count" or "no labels"))
end

--- How many examples each class has, of those with these numbers, without those that are known to be left out.
---@param index? scion.Tensor i32, from 0 (all)
---@return integer[]
---@private
function internal:count_classes(index)
  local counts, known = core.count(from_zero(self, index and core.gather(self.classes, index) or self.classes), #self.labels), self.broken or {}
  local function leave_out(number)
    local place = self.classes:get(number + 1)
    counts[place] = counts[place] - 1
  end
  for _, number in ipairs(index and next(known) and index:totable() or {}) do
    if known[number] then leave_out(number) end
  end
  for number in pairs(index and {} or known) do leave_out(number) end
  return counts
end

--- How many images each class has, in the order of the labels. A file that cannot be read counts, as it does in class_weights, since that shows
--- only when it is read: the doctor's `classes` counts those that can be. Examples in memory that hold NaN do not count.
---@return integer[]
---Raises if the data set has no classes.
---@example print(train:class_counts())
function methods:class_counts()
  check_classes(self, "data:class_counts")
  return printable.by_label(self:count_classes(), self.labels, "%d")
end

--- A weight for each class that makes up for how many images it has, as scikit-learn's "balanced": images / (classes * images of the class),
--- where classes are those with images; 1 for a class without. Shares of classes count as such. They are what
--- `class_weights = "balanced"` of model:fit takes.
---@return number[] in the order of the labels
---Raises if the data set has no classes.
---@example print(train:class_weights())
function methods:class_weights()
  if not self.soft then check_classes(self, "data:class_weights") end
  local counts = self.soft and self.soft:sum(1):totable() or self:count_classes()
  local total, present, weights = 0, 0, {}
  for _, count in ipairs(counts) do total, present = total + count, present + (count > 0 and 1 or 0) end
  for i, count in ipairs(counts) do weights[i] = count > 0 and total / (present * count) or 1.0 end
  return printable.by_label(weights, self.labels, "%.4f")
end

-- ---- data sets of the same images ------------------------------------------------------------------------------------

--- Options that do not apply to examples that are no files, and to those that are no images.
local of_files = { "memory", "reducing_gap", "max_pixels", "truncated", "background", "on_broken" }
local of_images = { "size", "fit", "filter", "augment", "workers" }

--- The options that a data set can be made with again, for check.options.
local function schema_of(self)
  local schema = {}
  for name, kind in pairs(kinds) do schema[name] = { kind } end
  schema.labels = nil
  for _, name in ipairs(self.files and {} or of_files) do schema[name] = nil end
  for _, name in ipairs(self.values and of_images or {}) do schema[name] = nil end
  return schema
end

--- A data set of a part of this one's images, or of all, with its options where no others are given. What is known to be broken remains so, and
--- is told no more.
local function again(self, index, given)
  local o = {}
  for name in pairs(kinds) do o[name] = self[name] end
  for name, value in pairs(given) do o[name] = value end
  local source = view.of(self, index)
  if given.truncated or given.max_pixels then source.known = nil end -- other files can be read
  local made = dataset.new(source, o)
  made.warn = self.warn
  broken.tell_lost(made, self)
  return made
end

--- The same images with other options, which are those of the function that made the data set, without labels:
--- `train:with{ augment = { flip = "horizontal" } }`.
---@param given scion.FilesOptions
---@return scion.Dataset
---Raises on unknown options and invalid values.
---@example small = train:with{ batch = 8, augment = { flip = "horizontal" } }
function methods:with(given)
  local where = "data:with"
  if given == nil then check.raise(where .. " takes the options that change, such as { batch = 16 }") end
  return again(self, nil, check.options(where, given, schema_of(self)))
end

---@class scion.SplitOptions
---@field seed? integer (the data set's)

--- Divides the images in two or more data sets by class: `local train, val = data:split(0.8)`, or data:split(0.7, 0.15, 0.15). Exact copies
--- of an image stay on one side. Where examples have several labels, each part gets its share of every label, as nearly as it can be
--- (Sechidis et al. 2011), and the first part has some of each, as far as it has room; of shares of classes the largest counts. The first part
--- keeps order and augmentation; the others are neither shuffled nor augmented. The same seed gives the same parts on every machine, and more
--- images in a folder leave most of the others where they were.
---@param ... number|scion.SplitOptions the share of the first of two parts, or the shares of all, which add up to 1; then perhaps options
---@return scion.Dataset first
---@return scion.Dataset ... the other parts
---Raises if the shares do not add up to 1, if a part would be empty, and on unknown options and invalid values. A line on standard error
---names classes that a part lacks.
---@example train, val = data:split(0.8)
function methods:split(...)
  local shares, given = split.arguments(...)
  local o = check.options("data:split", given, { seed = { kinds.seed, self.seed } })
  local parts = split.parts(self, shares, o.seed)
  for k, index in ipairs(parts) do parts[k] = again(self, index, k > 1 and { shuffle = false, augment = false } or {}) end
  return table.unpack(parts)
end

local indices = check.list(check.whole(1), nil, "a list of the images' numbers, from 1")

--- The images with these numbers, in this order; a number may come several times.
---@param numbers integer[]|scion.Tensor from 1: a list, or an i32 tensor
---@return scion.Dataset
---Raises if there are none, or if one is not an image's.
---@example few = data:subset{ 1, 3, 5 }
function methods:subset(numbers)
  local where = "data:subset"
  local given = check.tensor.read(numbers)
  if given and (numbers:dtype() ~= "i32" or #numbers:shape() ~= 1) then
    check.raise(("%s: numbers of images are a list, or an i32 tensor in a row, not %s"):format(where, check.show(numbers)))
  end
  local ok, index, largest = pcall(core.from_one, given and numbers or check.argument(where, "the first argument", numbers, indices))
  if not ok then check.raise(("%s: numbers of images count from 1, but %s"):format(where, index)) end
  if #index == 0 then check.raise(where .. ": no number is given") end
  if largest > self.count then check.raise(("%s: image %d of %d"):format(where, largest, self.count)) end
  return again(self, index, {})
end

--- A smaller data set to try things on: the first n images in the order of the first epoch, so that of shuffled images there are some of
--- each class.
---@param n integer
---@return scion.Dataset
---Raises unless n is a whole number from 1 to the number of images.
---@example few = data:take(4)
function methods:take(n)
  n = check.argument("data:take", "the number of images", n, check.whole(1, self.count))
  local first = self:order(1):slice(1, 1, n):totable()
  table.sort(first)
  return self:subset(first)
end

---@class scion.ShowOptions
---@field n? integer how many images, at most 1000 (32, or all if there are fewer)
---@field epoch? integer which of a new model's epochs, from 1: order and augmentation depend on it (1)

--- Writes a contact sheet: the first images that training will see, in the epoch's order, augmented, with their labels below. Tiles have at
--- most 160 pixels a side. Labels in other letters than Latin are shown as the numbers of their classes, and a line says which is which.
---@param path string .png, or .jpg; its folder is made if there is none
---@param given? scion.ShowOptions
---@return string path
---Raises if the file cannot be written, if none of the images can be read, for another extension, and on unknown options and invalid
---values.
---@example train:show("sheet.png", { n = 4 })
function methods:show(path, given) return require "scion.data.sheet"(self, path, given) end

local function as_text(self)
  local parts = { ("data set of %d %s%s"):format(self.count, self.values and "example" or "image", self.count == 1 and "" or "s") }
  if self.classes then
    local counts, shown = self:class_counts(), {}
    for i = 1, math.min(#counts, 8) do shown[i] = ("%s %d"):format(self.labels[i], counts[i]) end
    if #counts > 8 then shown[9] = ("and %d more"):format(#counts - 8) end
    parts[1] = ("%s in %d class%s (%s)"):format(parts[1], #counts, #counts == 1 and "" or "es", table.concat(shown, ", "))
  end
  if self.soft or self.multi then
    parts[1] = ("%s with %s (%s)"):format(parts[1], self.soft and "shares of classes" or "several labels each", table.concat(self.labels, ", "))
  end
  if self.targets then
    local numbers = shape.elements(self.targets:shape()) // math.max(self.count, 1)
    parts[1] = ("%s with %d number%s to predict of each"):format(parts[1], numbers, numbers == 1 and "" or "s")
  end
  local sizes = self.values and self.values:shape() or { self.count, self.size[1], self.size[2] }
  local one = shape.text(table.move(sizes, 2, #sizes, 1, {})) .. (#sizes == 2 and " numbers each" or "")
  parts[2] = ("%s, batches of %d"):format(one, self.batch)
  parts[3] = self.shuffle and ("shuffled by seed %d"):format(self.seed) or "in file order"
  if self.augment then parts[#parts + 1] = "augmented" end
  local left_out = 0
  for _ in pairs(self.broken or {}) do left_out = left_out + 1 end
  left_out = math.max(left_out, self.skipped)
  if left_out > 0 then parts[#parts + 1] = ("%d%s broken and left out"):format(left_out, self.files and " of them" or "") end
  local passed = #self.beside
  if passed > 0 then parts[#parts + 1] = ("%d file%s passed over"):format(passed, passed == 1 and "" or "s") end
  return table.concat(text.wrap(check.escape(table.concat(parts, "; ")), text.width(), 2), "\n")
end

Dataset = class.define {
  name = "scion.Dataset", title = "a data set", call = "data", methods = methods, internal = internal,
  fields = { "beside", "broken", "count", "grey", "left", "reported", "store" },
  locked = { "files", "images", "values", "path", "classes", "soft", "multi", "targets", "labels", "size", "fit", "filter", "workers", "memory",
             "reducing_gap", "max_pixels", "truncated", "background", "on_broken", "skipped", "problems" },
  settable = {
    batch = kinds.batch, shuffle = kinds.shuffle, seed = kinds.seed, warn = check.callable,
    augment = check.kind("a table of options, such as { flip = 'horizontal' }, a list of augmentations, or nil", function(value)
      if value == nil then return true, nil end
      local ok, read, complaint = kinds.augment.read(value)
      return ok, read or nil, complaint
    end),
  },
  instead = advice,
  indexed = "for batch in data:batches() do … end goes over its batches, and data.files and data.classes have an element for each image",
  called = "for batch in data:batches() do … end goes over it",
  meta = { __len = function(self) return self.count end, __tostring = as_text },
}

dataset.kind, dataset.is = Dataset.kind, Dataset.is

return dataset
