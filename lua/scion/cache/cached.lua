--- A data set over a data set: the frozen part of the network runs only once for each image, its output is kept, and batches hold these
--- outputs in place of images. Images whose output is not kept yet are loaded and computed along the way, a batch at a time.
local batches = require "scion.data.batch"
local calibration = require "scion.calibration"
local check = require "scion.check"
local core = require "scion.core"
local cost = require "scion.ir.cost"
local cut = require "scion.ir.cut"
local dataset = require "scion.data.dataset"
local graph = require "scion.graph"
local held = require "scion.ir.held"
local inputs = require "scion.train.inputs"
local key = require "scion.cache.key"
local notice = require "scion.report.notice"
local pipeline = require "scion.data.pipeline"
local precision = require "scion.precision"
local quantization = require "scion.ir.quantization"
local shape = require "scion.shape"
local store = require "scion.cache.store"

local cached = {}

---@class scion.CacheOptions
---@field variants integer? how many augmented variants of each image are kept; epoch e, from 0, uses number e mod variants
---@field upto string? the layer or block up to whose output the cache may reach. Name the last layer that stays frozen in a later stage of
--- training, which can then use the same cache

local several = check.whole(1, (1 << 31) - 1)
local about = check.table_of { variants = { several }, upto = { check.text } }

--- The option `cache`, which is read as a table of scion.CacheOptions, or false for no cache.
cached.kind = check.kind("true, false, a number of variants from 1 up or a table of options", function(value)
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
---@param o scion.CacheOptions|false as cached.kind reads it
---@param given { augment: boolean?, whole: boolean?, precision: string?, frozen: boolean? } augment = false: images are not augmented; whole: the cut may
--- be the model's output; precision replaces the model's; frozen = false: the rest of the network is computed in int8, too
---@return { node: scion.Node, macs: integer, bytes: integer, codes: scion.Codes? }? cut bytes: of the node's value for one image; codes: of the value,
--- where it is kept as bytes
---@return string? reason
function cached.lay(model, data, o, given)
  if not o then return nil, "it is switched off" end
  if data and not dataset.is(data) then return nil, "the data set is not Scion's" end
  if data and data.augment and given.augment ~= false and not o.variants then return nil, "the images are augmented" end
  if data and data.augment and given.augment ~= false and not pipeline.identity(data.augment) then return nil, "the augmentation changes whole batches" end
  local last = #model.order
  if o.upto then
    local found = graph.find(model.order, o.upto)
    last = found[#found]
  end
  local found = cut(model.order, model.output, last, given.whole)
  if not found then return nil, "nothing is frozen at which the network can be cut" end
  local narrow = not given.whole and precision.parts(precision.in_use(given.precision or model.precision, model, data and #data)) == "int8"
  found.codes = narrow and held.alike(model.order, model.output, found.node) or nil
  if found.codes and given.frozen == false and held.differs(model.order, model.output, found.node, found.codes) then
    return nil, "in int8 its range is that of layers above, too"
  end
  local bytes = shape.bytes(found.node.shape, found.codes and "u8" or "f32")
  if not cost.worth_keeping(bytes, found.macs, not data or data.files ~= nil) then return nil, "computing is as fast as reading" end
  found.bytes = bytes
  return found
end

--- Says once, on standard error, that `upto` or `variants` was given and has no effect, and why.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset
---@param o scion.CacheOptions|false
---@param given { augment: boolean?, whole: boolean? } as for cached.lay
function cached.tell(where, model, data, o, given)
  if not o or not (o.upto or o.variants) then return end
  local option = o.upto and ("upto = %s"):format(check.show(o.upto)) or ("variants = %d"):format(o.variants)
  local found, reason = cached.lay(model, data, o, given)
  if not found then
    return notice.once(("scion: %s: cache: %s does nothing, since nothing is kept: %s"):format(where, option, reason))
  end
  if o.variants and given.augment ~= false and not data.augment then
    notice.once(("scion: %s: cache: variants = %d does nothing, and one value of each image is kept: the data set is not augmented"):format(where, o.variants))
  end
  local further = o.upto and cached.lay(model, data, { variants = o.variants }, given)
  if further and further.node == found.node and not frozen_at(model, o.upto) then
    notice.once(("scion: %s: cache: %s is above what is frozen, so that values are kept at %s"):format(where, option, found.node.layer.name))
  end
end

-- ---- one pass -------------------------------------------------------------------------------------------------------

-- The state of one pass; image numbers count from 0:
--   order    all images, in the order of the pass; the first `at` of them were returned
--   batch    how many are returned at once
--   loaded   how many are computed at once: where a process computes several parts of a batch, all of them
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

--- A stream of batches, of so many images, of the images with these numbers. Whoever takes it closes the loader.
local function load(self, indices, batch)
  if #indices == 0 then return nil end
  local stream, _, _, loader = self.data:pass { order = core.from_table(indices, "i32"), epoch = self.variant or self.epoch, batch = batch,
                                                augment = self.augment }
  return stream, loader
end

--- The keys of all rows, or of those of some images, by the images' numbers from 1; false for files that cannot be read.
local function keys_of(self, numbers)
  local hashes, stamps = key.of_images(self.data, numbers)
  self.stamps = stamps
  if not self.variant then return hashes end
  local keys, drawn = {}, pipeline.identity(self.data.augment)
  for i, hash in pairs(hashes) do keys[i] = hash and key.of_variant(hash, drawn, self.data.seed, self.variant, i) end
  return keys
end

--- Whether the cut is still valid. It is not if layers were frozen or thawed, as callbacks may do, or if weights before the cut changed.
local function holds(self)
  return self.state == self.model:freeze_state() and self.version == graph.version(self.tensors)
end

--- The store for the values of a cut.
local function open(found, as) return store.open(key.of_node(found.node, as, found.codes), found.node.shape, found.codes and "u8" or "f32") end

--- Values as numbers, where they are kept as bytes.
local function as_numbers(values, codes)
  if not codes then return values end
  local numbers = core.new(values:shape(), "f32")
  core.run { "dequantize", x = values, y = numbers, x_scale = codes.scale, x_zero = codes.zero }
  return numbers
end

--- Sets the cut for the rest of the pass; nil: images are returned as they are.
local function lay(self, found)
  close(self)
  self.rows, self.failed, self.awaited = {}, {}, {}
  self.node, self.codes = found and found.node, found and found.codes
  self.tensors = found and graph.weights(found.node) or {}
  local rest = table.move(self.order, self.at + 1, #self.order, 1, {})
  if found then
    self.store = open(found, self.precision)
    self.keys = keys_of(self, self.share and rest)
    local missing = {}
    for _, index in ipairs(rest) do
      local name = self.keys[index + 1]
      if index >= 0 and not (name and self.store:has(name)) then missing[#missing + 1], self.awaited[index] = index, true end
    end
    self.store:expect(#missing)
    rest = missing
  end
  self.stream, self.loader = load(self, rest, found and self.loaded or self.batch)
  self.state, self.version = self.model:freeze_state(), graph.version(self.tensors)
end

local totals = { hits = 0, misses = 0, bytes = 0 } -- of all passes of the process

local watch -- while one is open: see cached.watch

local function count(self, hits, misses)
  totals.hits, totals.misses = totals.hits + hits, totals.misses + misses
  totals.bytes = totals.bytes + (hits + misses) * self.store.bytes
end

--- Runs the frozen part on a batch of images and keeps its outputs. Returns false after an interrupt.
local function compute(self, batch)
  local n = inputs.batch_fits(self.where, self.model, batch.x) -- raises before outputs for unsuitable images reach the disk
  if n == 0 then return true end
  local plan = self.model:plan_for { mode = "infer", batch = inputs.capacity(self.data, self.loaded, n), input_dtype = batch.x:dtype(), precision = self.precision,
                                     upto = self.node, bytes = self.codes ~= nil }
  if not self.model:execute(plan, { images = batch.x }) then return false end
  local output, keys, rows = core.place(self.model.arena, plan.output, n):copy(), {}, {}
  for i, index in ipairs(batch.index:totable()) do
    local row, name = output:select(i), self.keys[index + 1]
    self.rows[index] = row
    -- if a file changed after it was hashed, its key is not that of the image that was loaded: the row is not kept
    if name and (not self.stamps or core.file_stamp(self.data.files[index + 1]) == self.stamps[index + 1]) then
      keys[#keys + 1], rows[#rows + 1] = name, row
    end
  end
  self.store:put(keys, rows)
  for _, name in ipairs(watch and keys or {}) do watch.own[name] = true end
  count(self, 0, n)
  return true
end

--- Computes the next batch of a stream. Returns false at the end of the stream and after an interrupt.
local function take(self, stream)
  local batch = stream()
  if not batch then return false end
  for _, failure in ipairs(batch.failed) do self.failed[failure.index] = failure end
  return compute(self, batch)
end

--- The rows of these images, by number, as far as they are there; and a list of those whose records in the file are damaged.
local function kept_rows(self, indices)
  local found, lost, hits = {}, {}, 0
  for _, index in ipairs(indices) do
    while self.awaited[index] and not self.rows[index] and not self.failed[index] and take(self, self.stream) do end
    local name, row = self.keys[index + 1], self.rows[index]
    if not row and name and not self.failed[index] then
      row = self.store:get(name)
      hits = hits + (row and 1 or 0)
      if watch and row and not watch.own[name] then watch.earlier = watch.earlier + 1 end
    end
    if not row and not self.failed[index] then lost[#lost + 1] = index end
    found[index], self.rows[index] = row, nil
  end
  count(self, hits, 0)
  return found, lost
end

--- The next batch with values of the node; nil after an interrupt.
local function next_values(self)
  local places, indices = table.move(self.order, self.at + 1, math.min(self.at + self.batch, #self.order), 1, {}), {}
  for _, index in ipairs(places) do indices[#indices + 1] = index >= 0 and index or nil end
  local found, lost = kept_rows(self, indices)
  if lost[1] and not core.interrupted() then
    self.store:expect(#lost)
    local stream, loader = load(self, lost, self.loaded)
    take(self, stream)
    loader:stop()
    for _, index in ipairs(lost) do found[index], self.rows[index] = self.rows[index], nil end
  end
  local rows, numbers, failed = {}, {}, {}
  for _, index in ipairs(indices) do
    if found[index] then
      rows[#rows + 1], numbers[#numbers + 1] = found[index], index
    elseif self.failed[index] then
      failed[#failed + 1] = self.failed[index]
    else
      return nil -- an interrupt came before it was computed
    end
  end
  self.at = self.at + #places
  local x = #rows > 0 and as_numbers(core.stack(rows), self.codes) or core.new({ 0, table.unpack(self.node.shape) }, "f32")
  return self.data:batch_of(x, core.from_table(numbers, "i32"), failed, self.node)
end

--- The same with images, where there is no cut.
local function next_images(self)
  local batch = self.stream()
  self.at = math.min(self.at + self.batch, #self.order)
  if batch then inputs.batch_fits(self.where, self.model, batch.x) end
  return batch
end

--- How many outputs of a cut are not kept yet, of all images and variants.
---@param data scion.Dataset
---@param found { node: scion.Node, codes: scion.Codes? } as cached.lay gives it
---@param variants integer? of each image; nil: images are not augmented
---@param as string precision
---@return integer
function cached.missing(data, found, variants, as)
  local kept, missing = open(found, as), 0
  for variant = 0, (variants or 1) - 1 do
    for _, name in ipairs(keys_of { data = data, variant = variants and variant }) do
      if not (name and kept:has(name)) then missing = missing + 1 end
    end
  end
  return missing
end

-- ---- the data set ---------------------------------------------------------------------------------------------------

local Cached = {}
Cached.__index = Cached

--- Whether the images come in an order of the epoch's own.
local function shuffles(self)
  if self.given.shuffle == nil then return self.data.shuffle end
  return self.given.shuffle
end

--- The frozen part's values of these batches in place of their images: computed at once, and not kept. Returns false after an interrupt.
local function through_frozen(self, list)
  local model, as, images, n = self.model, precision.in_use(self.given.precision or self.model.precision, self.model, #self.data), {}, 0
  local cut_state = ("%s %d"):format(model:freeze_state(), quantization.revision())
  if self.cut_state ~= cut_state then
    local found = cut(model.order, model.output, #model.order)
    self.cut_state, self.cut_node = cut_state, found and found.macs > 0 and found.node or nil
    self.cut_codes = precision.parts(as) == "int8" and self.cut_node and held.alike(model.order, model.output, self.cut_node) or nil
  end
  local node = self.cut_node
  if not node then return true end
  for _, batch in ipairs(list) do
    if #batch > 0 then images[#images + 1], n = batch.x, n + #batch end
  end
  local values = core.new({ 0, table.unpack(node.shape) }, "f32")
  if n > 0 then
    local share = self.given.share
    local plan = model:plan_for { mode = "infer", batch = math.max(n, share.size * share.pieces), input_dtype = images[1]:dtype(),
                                  precision = as, upto = node, bytes = self.cut_codes ~= nil }
    if not model:execute(plan, { images = #images == 1 and images[1] or core.concat(images) }) then return false end
    values = as_numbers(core.place(model.arena, plan.output, n):copy(), self.cut_codes)
  end
  local at = 0
  for _, batch in ipairs(list) do
    batch.x, batch.node, at = values:slice(1, at + 1, at + #batch), node, at + #batch
  end
  return true
end

--- An iterator whose batches hold values of the frozen part; those of a step are computed at once.
local function ahead(self, next_batch)
  local queue = {}
  return function()
    if #queue == 0 then
      for i = 1, self.given.share.pieces do queue[i] = next_batch() end
      if not through_frozen(self, queue) then return nil end
    end
    return table.remove(queue, 1)
  end
end

--- Iterates over a data set without a cache: Scion's, or one of a user's own, whose iterator may have state and control variables.
local function plain(self, epoch, skip)
  local data, given = self.data, self.given
  local o = { epoch = epoch, skip = skip, shuffle = given.shuffle, augment = given.augment, batch = given.batch }
  local share = given.share
  if share then
    o.order, o.batch, o.number, o.skip = share.order(data, epoch, shuffles(self)), share.size, share.number, skip * share.pieces
  end
  local scions = dataset.is(data)
  local step, on, control, closed
  if scions then
    step, on, control, closed = data:pass(o)
  else
    o.epoch, o.skip = nil, nil
    step, on, control, closed = data:batches(epoch + 1, o) -- users count from 1
  end
  local function next_batch()
    local batch = step(on, control)
    control = batch
    if batch == nil then return nil end
    if not scions then batch = batches.from_user(given.where, batch) end
    inputs.batch_fits(given.where, self.model, batch.x)
    return batch
  end
  -- what a user's data set gives cannot be left out before it is read
  for _ = 1, scions and 0 or skip do next_batch() end
  return given.ahead and ahead(self, next_batch) or next_batch, nil, nil, closed
end

--- Iterates over batches as they are inside Scion, where numbers count from 0. `node` of a batch is the node whose values `x` holds in
--- place of images. Batches may be empty. Raises if a batch does not fit the model.
---@param epoch integer from 0; order and augmentation depend on it
---@param skip? integer how many batches the pass begins after (0)
---@return fun(): scion.Batch? iterator
---@return nil
---@return nil
---@return table closed when the loop ends
function Cached:pass(epoch, skip)
  local model, data, o, given = self.model, self.data, self.options, self.given
  local found = cached.lay(model, data, o, given)
  if not found then return plain(self, epoch, skip or 0) end
  local batch = given.share and given.share.size or math.max(math.min(given.batch or data.batch, #data), 1)
  local pass = setmetatable({ where = given.where, model = model, data = data, epoch = epoch, augment = given.augment, share = given.share, batch = batch,
                              loaded = batch * (given.share and given.share.pieces or 1),
                              precision = precision.in_use(given.precision or model.precision, model, #data) }, state)
  if data.augment and given.augment ~= false then pass.variant = epoch % o.variants end
  if given.share then
    pass.order = given.share.order(data, epoch, shuffles(self)):totable()
  else
    pass.order = shuffles(self) and data:permutation(epoch):totable() or {}
    for i = #pass.order + 1, #data do pass.order[i] = i - 1 end
  end
  pass.at = math.min((skip or 0) * pass.batch * (given.share and given.share.pieces or 1), #pass.order)
  return function()
    if pass.at >= #pass.order then return nil end
    if not pass.state then
      lay(pass, found)
    elseif not holds(pass) then
      lay(pass, cached.lay(model, data, o, given))
    end
    return (pass.node and next_values or next_images)(pass)
  end, nil, nil, pass
end

--- Counts, until it is closed, how often an output is taken that was kept before.
---@return { earlier: integer } watch closed by <close>
function cached.watch()
  watch = setmetatable({ earlier = 0, own = {} }, { __close = function() watch = nil end })
  return watch
end

--- The images of a batch that holds values of a node: for a step whose callbacks have thawed a layer below it.
---@param batch scion.Batch
---@param epoch integer from 0
---@return scion.Batch? images nil after an interrupt
function Cached:images_of(batch, epoch)
  local data, given, variants = self.data, self.given, self.options and self.options.variants
  local drawn = data.augment and given.augment ~= false and variants and epoch % variants or epoch
  local step, _, _, loader = data:pass { order = batch.index, epoch = drawn, batch = #batch, augment = given.augment }
  local images = step()
  if loader then loader:stop() end
  return images
end

--- What all passes of the process took from the cache so far: `hits`, images whose output was there; `misses`, images whose output was
--- computed; `bytes` of all these outputs.
---@return { hits: integer, misses: integer, bytes: integer }
function cached.stats() return { hits = totals.hits, misses = totals.misses, bytes = totals.bytes } end

--- What was added to them since; nil if nothing was.
---@param before { hits: integer, misses: integer, bytes: integer } of cached.stats
---@return { hits: integer, misses: integer, bytes: integer }?
function cached.since(before)
  if totals.hits + totals.misses == before.hits + before.misses then return nil end
  return { hits = totals.hits - before.hits, misses = totals.misses - before.misses, bytes = totals.bytes - before.bytes }
end

--- A data set that gives the outputs of a model's frozen part in place of images; or, where nothing can be kept, the batches of the data
--- set itself.
---@param model scion.Model
---@param data scion.Dataset or a user's own
---@param o scion.CacheOptions|false as cached.kind reads it
---@param given { where: string, shuffle: boolean?, augment: boolean?, batch: integer?, whole: boolean?, precision: string?, frozen: boolean?,
--- trains: boolean?, share: scion.Share?, ahead: boolean? } where: the name of the function that the user called, for messages; shuffle, batch, and
--- augment if it is false, replace the data set's own; whole: as for cached.lay; precision replaces the model's; frozen: whether only what does not
--- train is computed in int8; trains: whether it is what a fit trains on; share: what this process sees of the pass (all); ahead: whether batches hold
--- values of the frozen part even where these are not kept
---@return { pass: function }
---@return string as the precision in use, which the plans of the batches need, too: "fast" depends on how many images there are
function cached.over(model, data, o, given)
  local as = precision.in_use(given.precision or model.precision, model, #data)
  if precision.parts(as) == "int8" then calibration.prepare(given.where, model, data, given.frozen or false, { trains = given.trains, keeps = o }) end
  return setmetatable({ model = model, data = data, options = o, given = given }, Cached), as
end

return cached
