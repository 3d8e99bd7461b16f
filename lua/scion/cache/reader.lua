--- Reads a data set through the cache: the frozen part of the network runs once an image, and never again. Instead of images, batches
--- hold what that part gives for them. Images that are not kept yet are loaded and computed on the way, in the data set's order.
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
---@field variants integer? how many draws of the augmentation are kept for each image; epoch e uses draw e mod variants
---@field upto string? the layer or block at or before which the cache is laid: where a later stage begins to train, which then finds it

local several = check.whole(1, (1 << 31) - 1)
local about = check.table_of { variants = { several }, upto = { check.text } }

--- The option `cache`: read as a table, or false for none.
reader.kind = check.kind("true, false, a number of variants from 1 up or a table of options", function(value)
  if type(value) == "boolean" then return true, value and {} end
  if several.read(value) then return true, { variants = math.tointeger(value) } end
  return about.read(value)
end)

--- Whether nothing trains in a layer or block.
local function frozen_at(model, name)
  for _, position in ipairs(graph.find(model.order, name)) do
    if #model.order[position].layer:trainable() > 0 then return false end
  end
  return true
end

--- Where the cache is laid for a model and a data set: the deepest cut that is frozen, and why there is none otherwise.
---@param model scion.Model
---@param data scion.Dataset? nil: some data set of files, as it is
---@param o scion.CacheOptions|false
---@param given { augment: boolean?, whole: boolean? }
---@return { node: scion.Node, macs: integer }? cut
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

--- Says once on standard error what is done where options of the cache that were given can do nothing.
---@param where string
---@param model scion.Model
---@param data scion.Dataset
---@param o scion.CacheOptions|false
---@param given { augment: boolean?, whole: boolean? }
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

local state = {} -- of one reading: what is laid where, which images are on their way
state.__index = state

local function close(self)
  if self.loader then self.loader:stop() end
  self.loader, self.stream = nil, nil
end
state.__close = close

--- Loads images that are not kept, in batches: the numbers of the images, from 0.
local function load(self, indices)
  if #indices == 0 then return nil end
  for i, index in ipairs(indices) do indices[i] = index + 1 end
  local stream, _, _, loader = self.data:load((core.from_one(indices)), self.variant or self.epoch, { batch = self.batch, augment = self.augment })
  return stream, loader
end

--- The keys of all rows, by the images' numbers from 1.
local function keys_of(self)
  local hashes, stamps = key.of_images(self.data)
  self.stamps = stamps
  if not self.variant then return hashes end
  local keys = {}
  for i, hash in ipairs(hashes) do keys[i] = hash and key.of_variant(hash, self.data.augment, self.data.seed, self.variant, i) end
  return keys
end

--- Changes when what was laid no longer holds: layers were frozen or thawed, or weights below the cut changed.
local function signature(self)
  return self.model:freeze_state() .. graph.version(self.tensors)
end

--- Lays the cache at a cut, or none, for the rest of the reading.
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

--- Runs the frozen part on a batch of images, and keeps what it gives; false after an interrupt.
local function compute(self, images, indices)
  local n = inputs.batch_fits(self.given.where, self.model, images) -- before a row of another image can reach the disk
  if n == 0 then return true end
  local plan = self.model:plan_for { mode = "infer", batch = inputs.capacity(self.data, self.batch, n), input_dtype = images:dtype(), precision = self.precision,
                                     upto = self.node }
  if not self.model:execute(plan, { images = images }) then return false end
  local output, keys, rows = core.place(self.model.arena, plan.output, n), {}, {}
  for i, index in ipairs(indices:totable()) do
    local row, name = output:select(i):copy(), self.keys[index + 1]
    self.rows[index] = row
    -- a file that changed after it was hashed is not what its key says
    if name and (not self.stamps or core.file_stamp(self.data.files[index + 1]) == self.stamps[index + 1]) then
      keys[#keys + 1], rows[#rows + 1] = name, row
    end
  end
  self.store:put(keys, rows)
  return true
end

--- Takes a batch from a stream of images; false at its end and after an interrupt.
local function take(self, stream)
  local images, _, indices, failures = stream()
  if not images then return false end
  for _, failure in ipairs(failures or {}) do self.failed[failure.index - 1] = failure end
  return compute(self, images, indices)
end

--- The row of an image; or nil and, unless an interrupt came, why it cannot be had.
local function row_of(self, index)
  local name = self.keys[index + 1]
  while self.awaited[index] and not self.rows[index] and not self.failed[index] and take(self, self.stream) do end
  local row = self.rows[index] or (name and self.store:get(name))
  if not row and not self.failed[index] and not core.interrupted() then -- it was kept, and was damaged
    self.store:expect(1)
    local stream, loader = load(self, { index })
    take(self, stream)
    loader:stop()
    row = self.rows[index]
  end
  self.rows[index] = nil
  return row, self.failed[index]
end

--- The next batch of values, labels, indices, failures; nil at the end and after an interrupt.
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

local function next_images(self)
  local images, labels, indices, failures = self.stream()
  self.at = math.min(self.at + self.batch, #self.order)
  return images and inputs.batch_fits(self.given.where, self.model, images) > 0 and images, labels, indices, failures
end

--- A reading where nothing is kept.
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

--- Like data:load, with a fifth result: the node whose values the first result holds in place of images, or nil. Where no image of a
--- batch can be read, the first result is false: then there is nothing but failures. Raises when a batch is not what the model takes.
---@param model scion.Model
---@param data scion.Dataset
---@param epoch integer
---@param o scion.CacheOptions|false
---@param given { where: string, shuffle: boolean?, augment: boolean?, batch: integer?, whole: boolean?, precision: string? } where: who is
---asking, for messages
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
