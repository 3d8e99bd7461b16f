--- model:features: the output of a layer for many images at once.
local cached = require "scion.cache.cached"
local check = require "scion.check"
local checkpoint = require "scion.train.checkpoint"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local distributed = require "scion.train.distributed"
local inputs = require "scion.train.inputs"
local interrupts = require "scion.interrupts"
local notice = require "scion.report.notice"
local precision = require "scion.precision"
local predict = require "scion.train.predict"
local results = require "scion.report.results"
local untrained = require "scion.train.untrained"

local pools = { avg = "global_average_pool_forward", max = "global_max_pool_forward" }

local schema = { pool = { check.one_of("avg", "max") }, batch = { inputs.batch }, cache = { cached.kind, {} }, precision = { precision.kind },
                 distributed = { distributed.kind } }

local function submodel(model, name)
  model.parts = model.parts or {}
  model.parts[name] = model.parts[name] or model:upto(name)
  return model.parts[name]
end

--- The shape of the features of one image.
local function shape_of(part, name, pool)
  local shape = { table.unpack(part.output.shape) }
  if not pool then return shape end
  if #shape ~= 3 then check.raise(("features: pool is for images, and %s gives %s"):format(name, table.concat(shape, "x"))) end
  return { shape[3] }
end

--- Writes the rows of a batch to the rows of their images: all in one call if these are consecutive.
local function put(features, output, indices, pool)
  local function write(from, to)
    if pool then core.run { pools[pool], x = from, y = to } else core.copy(from, to) end
  end
  local n = #indices
  if indices[n] - indices[1] == n - 1 then return write(output, features:slice(1, indices[1], indices[n])) end
  for i, index in ipairs(indices) do write(output:slice(1, i, i), features:slice(1, index, index)) end
end

--- Fills the rows of images that could not be read with NaN, and says so. Returns the failures as a list, in order.
local function mark(features, failures, say)
  local list = {}
  for index, failure in pairs(failures) do
    features:slice(1, index, index):fill(0 / 0)
    list[#list + 1] = failure
  end
  table.sort(list, function(a, b) return a.index < b.index end)
  if list[1] then
    say(("scion: features: %d of %d images could not be read, and their rows are NaN; the first is %s"):format(#list, #features, list[1].message))
  end
  return results.failures(list)
end

--- Says once, on standard error, that layers still have their random initial weights.
local function tell_random(part)
  local words = untrained.text(part.order, function() return true end)
  if words then notice.once(("scion: features: %s: give the model weights, such as weights = \"imagenet\""):format(words)) end
end

--- The rows of all images from those that each rank has computed, and all failures.
local function join(comm, set, features, failures, share)
  local first, last, own = share.first, share.last, {}
  for _, failure in pairs(failures) do own[#own + 1] = { index = failure.index - 1, message = failure.message } end
  local joined = comm:rows("features", { last > first and features:slice(1, first + 1, last) or features:slice(1, 1, 0) })
  local all = joined and distributed.failures(comm, "features", set, own)
  if not all then interrupts.check "features" end
  local told = {}
  for _, failure in ipairs(all) do told[failure.index + 1] = { index = failure.index + 1, file = failure.file, message = failure.message } end
  return joined[1], told
end

--- The features of all images and the failures by the images' numbers, from 1.
local function compute(part, set, name, o)
  local features, share = core.new({ #set, table.unpack(shape_of(part, name, o.pool)) }, "f32"), distributed.block_of(o.distributed, set, o.batch)
  local failures = predict.run("features", part, set, { batch = o.batch, cache = o.cache, share = share }, function(output, indices)
    put(features, output, indices, o.pool)
  end)
  if not share then return features, failures end
  return join(distributed.comm(o.distributed), set, features, failures, share)
end

local function features_of(model, data, name, given, say)
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  local set = inputs.any("features", data, model, type(given) == "table" and inputs.batch.read(given.batch) and given.batch or nil)
  name = check.argument("features", "the name of the layer", name, check.text)
  local o = check.options("features", given, schema)
  if #set == 0 and not dataset.is(set) then
    check.raise "features: this data set of your own does not tell how many images it has, or has none: give its metatable __len"
  end
  inputs.fits("features", model, set, nil, type(data) == "userdata")
  local part = submodel(model, name)
  part.precision = o.precision or model.precision
  tell_random(part)
  cached.tell("features", part, set, o.cache, { augment = false, whole = true })
  distributed.check("features", o.distributed, set)
  if distributed.comm(o.distributed) then
    local facts = checkpoint.facts_of(part, set, o.batch, precision.in_use(part.precision, part, #set))
    facts[#facts + 1] = { "pool", o.pool or "none" }
    distributed.same("features", o.distributed, facts)
  end
  local features, failures = compute(part, set, name, o)
  if type(data) == "string" and not set.path and failures[1] then check.raise("features: " .. failures[1].message) end
  local told = mark(features, failures, say or notice.line)
  interrupts.check "features" -- one that came last, too: who pressed Ctrl-C waits for it
  return features, set.classes or set.soft or set.multi or set.targets, told
end

--- Computes the output of a layer for each image: see model:features.
---@param model scion.Model
---@param data scion.Dataset|string|string[]|scion.Tensor
---@param name string of a layer or block
---@param given { pool: "avg"|"max"|nil, batch: integer?, cache: boolean?, precision: string?, distributed: scion.Comm|table|nil } cache = false: outputs of
--- frozen layers, and ranges of precision "int8", are not kept
---@param say? fun(line: string) says how many images cannot be read (notice.line)
---@return scion.Tensor features f32, one row for each image in the data set's order; NaN for an image that cannot be read
---@return scion.Tensor? labels if the data set has them, as scion.data.tensors takes them: i32 classes from 1, or its f32 rows
---@return { index: integer, file: string?, message: string }[] failures the images that could not be read
---Raises if the images do not fit the model, on an unknown layer or option and on invalid values, and if `data` is a single file that
---cannot be read.
return function(model, data, name, given, say)
  return distributed.guard(given, "features", features_of, model, data, name, given, say)
end
