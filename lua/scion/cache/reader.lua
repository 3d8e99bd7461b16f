--- Reads a data set through the cache. The frozen part of the network runs only once for each image, and its output is kept. Batches then
--- hold these outputs in place of images. Images whose output is not kept yet are loaded and computed along the way.
local check = require "scion.check"
local core = require "scion.core"
local cost = require "scion.ir.cost"
local cut = require "scion.ir.cut"
local dataset = require "scion.data.dataset"
local graph = require "scion.graph"
local inputs = require "scion.train.inputs"
local key = require "scion.cache.key"
local notice = require "scion.report.notice"
local precision = require "scion.precision"
local shape = require "scion.shape"
local store = require "scion.cache.store"

local reader = {}

---@class scion.CacheOptions
---@field variants integer? how many augmented variants of each image are kept; epoch e, from 0, uses number e mod variants
---@field upto string? the layer or block up to whose output the cache may reach. Name the last layer that stays frozen in a later stage of
--- training, which can then use the same cache

local several = check.whole(1, (1 << 31) - 1)
local about = check.table_of { variants = { several }, upto = { check.text } }

--- The option `cache`, which is read as a table of scion.CacheOptions, or false for no cache.
reader.kind = check.kind("true, false, a number of variants from 1 up or a table of options", function(value)
  if type(value) == "boolean" then return true, value and {} end
  if several.read(value) then return true, { variants = math.tointeger(value) } end
  return about.read(value)
end)

--- Whether no parameter of a layer or block trains.
local function frozen_at(model, name)
  for _, position in ipairs(graph.find(model.order, name)) do
    if #model.order[position].layer:trainable() > 0 then return false end
  end
  return true
end

--- Where the network is cut for the cache: at the last place up to which everything is frozen, or nil and the reason why there is none.
---@param model scion.Model
---@param data scion.Dataset? nil: any data set of files, without augmentation
---@param o scion.CacheOptions|false as reader.kind reads it
---@param given { augment: boolean?, whole: boolean? } augment = false: images are not augmented; whole: the cut may be the model's output
---@return { node: scion.Node, macs: integer, bytes: integer }? cut bytes: of the node's value for one image
---@return string? reason
function reader.lay(model, data, o, given)
  if not o then return nil, "it is switched off" end
  if data and not dataset.is(data) then return nil, "the data set is not Scion's" end
  if data and data.augment and given.augment ~= false and not o.variants then return nil, "the images are augmented" end
  local last = #model.order
  if o.upto then
    local found = graph.find(model.order, o.upto)
    last = found[#found]
  end
  local found = cut(model.order, model.output, last, given.whole)
  if not found then return nil, "nothing is frozen at which the network can be cut" end
  local bytes = shape.bytes(found.node.shape, "f32")
  if not cost.worth_keeping(bytes, found.macs, not data or data.files ~= nil) then return nil, "computing is as fast as reading" end
  found.bytes = bytes
  return found
end

--- Says once, on standard error, that `upto` or `variants` was given and has no effect, and why.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param o scion.CacheOptions|false
---@param given { augment: boolean?, whole: boolean? } as for reader.lay
function reader.tell(where, model, data, o, given)
  if not o or not (o.upto or o.variants) then return end
  local option = o.upto and ("upto = %s"):format(check.show(o.upto)) or ("variants = %d"):format(o.variants)
  local found, reason = reader.lay(model, data, o, given)
  if not found then
    return notice.once(("scion: %s: cache: %s does nothing, since nothing is kept: %s"):format(where, option, reason))
  end
  if o.variants and given.augment ~= false and not data.augment then
    notice.once(("scion: %s: cache: variants = %d does nothing, and one value of each image is kept: the data set is not augmented"):format(where, o.variants))
  end
  local further = o.upto and reader.lay(model, data, { variants = o.variants }, given)
  if further and further.node == found.node and not frozen_at(model, o.upto) then
    notice.once(("scion: %s: cache: %s is above what is frozen, so that values are kept at %s"):format(where, option, found.node.layer.name))
  end
end

-- ---- one reading ----------------------------------------------------------------------------------------------------

-- The state of one reading. Image numbers count from 0 in `order` and in the keys of `rows`, `failed` and `awaited`:
--   order    all images, in the order in which they are read; the first `at` of them were returned
--   keys     of the images' rows in `store`, by image number from 1
--   stream   loads the images that are missing in the store, in order; these are `awaited`
--   rows     what was computed and not yet returned
--   failed   why images could not be read
local state = {}
state.__index = state

local function close(self)
  if self.loader then self.loader:stop() end
  self.loader, self.stream = nil, nil
end
state.__close = close

--- A stream of batches of the images with these numbers, which count from 0. It changes the list.
local function load(self, indices)
  if #indices == 0 then return nil end
  for i, index in ipairs(indices) do indices[i] = index + 1 end
  local stream, _, _, loader = self.data:load((core.from_one(indices)), self.variant or self.epoch, { batch = self.batch, augment = self.augment })
  return stream, loader
end

--- The keys of all rows, by the images' numbers from 1; false for files that cannot be read.
local function keys_of(self)
  local hashes, stamps = key.of_images(self.data)
  self.stamps = stamps
  if not self.variant then return hashes end
  local keys = {}
  for i, hash in ipairs(hashes) do keys[i] = hash and key.of_variant(hash, self.data.augment, self.data.seed, self.variant, i) end
  return keys
end

--- Changes if the cut is no longer valid: if layers were frozen or thawed, as callbacks may do, or if weights before the cut changed.
local function signature(self)
  return self.model:freeze_state() .. graph.version(self.tensors)
end

--- Sets the cut for the rest of the reading; nil: images are returned as they are.
local function lay(self, found)
  close(self)
  self.rows, self.failed, self.awaited = {}, {}, {}
  self.node = found and found.node
  self.tensors = found and graph.weights(found.node) or {}
  local rest = table.move(self.order, self.at + 1, #self.order, 1, {})
  if found then
    self.store = store.open(key.of_node(self.node, self.precision), self.node.shape, "f32")
    self.keys = keys_of(self)
    local missing = {}
    for _, index in ipairs(rest) do
      local row = self.keys[index + 1]
      if not (row and self.store:has(row)) then missing[#missing + 1], self.awaited[index] = index, true end
    end
    self.store:expect(#missing)
    rest = missing
  end
  self.stream, self.loader = load(self, rest)
  self.signature = signature(self)
end

--- Runs the frozen part on a batch of images and keeps its outputs. Returns false after an interrupt.
local function compute(self, images, indices)
  local n = inputs.batch_fits(self.given.where, self.model, images) -- raises before outputs for unsuitable images reach the disk
  if n == 0 then return true end
  local plan = self.model:plan_for { mode = "infer", batch = inputs.capacity(self.data, self.batch, n), input_dtype = images:dtype(), precision = self.precision,
                                     upto = self.node }
  if not self.model:execute(plan, { images = images }) then return false end
  local output, keys, rows = core.place(self.model.arena, plan.output, n), {}, {}
  for i, index in ipairs(indices:totable()) do
    local row, name = output:select(i):copy(), self.keys[index + 1]
    self.rows[index] = row
    -- if a file changed after it was hashed, its key is not that of the image that was loaded: the row is not kept
    if name and (not self.stamps or core.file_stamp(self.data.files[index + 1]) == self.stamps[index + 1]) then
      keys[#keys + 1], rows[#rows + 1] = name, row
    end
  end
  self.store:put(keys, rows)
  return true
end

--- Computes the next batch of a stream. Returns false at the end of the stream and after an interrupt.
local function take(self, stream)
  local images, _, indices, failures = stream()
  if not images then return false end
  for _, failure in ipairs(failures or {}) do self.failed[failure.index - 1] = failure end
  return compute(self, images, indices)
end

--- The row of an image; or nil and the failure; or, after an interrupt, nil alone.
local function row_of(self, index)
  local name = self.keys[index + 1]
  while self.awaited[index] and not self.rows[index] and not self.failed[index] and take(self, self.stream) do end
  local row = self.rows[index] or (name and self.store:get(name))
  if not row and not self.failed[index] and not core.interrupted() then -- its record in the file is damaged
    self.store:expect(1)
    local stream, loader = load(self, { index })
    take(self, stream)
    loader:stop()
    row = self.rows[index]
  end
  self.rows[index] = nil
  return row, self.failed[index]
end

--- The next batch with values of the node: values, labels, indices, failures; nil after an interrupt.
local function next_values(self)
  local last = math.min(self.at + self.batch, #self.order)
  local rows, numbers, failures = {}, {}, {}
  for p = self.at + 1, last do
    local index = self.order[p]
    local row, failure = row_of(self, index)
    if row then rows[#rows + 1], numbers[#numbers + 1] = row, index + 1 end
    if failure then failures[#failures + 1] = failure end
    if not row and not failure then return nil end
  end
  self.at = last
  local wanted = self.data.classes or self.data.targets
  local indices = core.from_one(numbers)
  return #rows > 0 and core.stack(rows), wanted and core.gather(wanted, indices), indices, failures[1] and failures
end

--- The same with images, where there is no cut.
local function next_images(self)
  local images, labels, indices, failures = self.stream()
  self.at = math.min(self.at + self.batch, #self.order)
  return images and inputs.batch_fits(self.given.where, self.model, images) > 0 and images, labels, indices, failures
end

--- A reading without a cache. Data sets of users may lack data:load, and may have an iterator with state and control variables.
local function plain(model, data, epoch, given)
  local shuffle = given.shuffle
  local stream, on, control, loader
  if shuffle == nil then shuffle = data.shuffle end
  if dataset.is(data) then
    stream, on, control, loader = data:load(shuffle and data:order(epoch) or nil, epoch, { batch = given.batch, augment = given.augment })
  else
    stream, on, control, loader = data:batches(epoch, { shuffle = given.shuffle, augment = given.augment, batch = given.batch })
  end
  return function()
    local images, labels, indices, failures = stream(on, control)
    control = images
    if images == nil then return nil end
    return inputs.batch_fits(given.where, model, images) > 0 and images, labels, indices, failures
  end, nil, nil, loader
end

--- Iterates over a data set like data:load, with a fifth result: the node whose values the first result holds in place of images, or
--- nil. If no image of a batch can be read, the first result is false, and only the failures matter. Raises if a batch does not fit the
--- model.
---@param model scion.Model
---@param data scion.Dataset
---@param epoch integer from 0; order and augmentation depend on it
---@param o scion.CacheOptions|false as reader.kind reads it
---@param given { where: string, shuffle: boolean?, augment: boolean?, batch: integer?, whole: boolean?, precision: string? } where: the
--- name of the function that the user called, for messages; shuffle, batch, and augment if it is false, replace the data set's own;
--- whole: as for reader.lay; precision replaces the model's
---@return fun(): scion.Tensor|false|nil, scion.Tensor?, scion.Tensor?, table?, scion.Node?
function reader.batches(model, data, epoch, o, given)
  local found = reader.lay(model, data, o, given)
  if not found then return plain(model, data, epoch, given) end
  local self = setmetatable({ model = model, data = data, epoch = epoch, options = o, given = given,
                              batch = math.max(math.min(given.batch or data.batch, #data), 1), at = 0,
                              augment = given.augment, precision = precision.in_use(given.precision or model.precision) }, state)
  if data.augment and given.augment ~= false then self.variant = epoch % o.variants end
  local shuffle = given.shuffle
  if shuffle == nil then shuffle = data.shuffle end
  self.order = shuffle and data:order(epoch):totable() or {}
  for i = #self.order + 1, #data do self.order[i] = i - 1 end
  local function step()
    if self.at >= #self.order then return nil end
    if not self.signature then
      lay(self, found)
    elseif signature(self) ~= self.signature then
      lay(self, reader.lay(model, data, o, given))
    end
    local images, labels, indices, failures = (self.node and next_values or next_images)(self)
    return images, labels, indices, failures, self.node
  end
  return step, nil, nil, self
end

return reader
