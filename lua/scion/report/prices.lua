--- schedule:plan(model, data): what each stage of a schedule would take. A batch of each stage is timed on this machine, on noise and
--- without an update, so that nothing changes; and so is the reading of a batch of images.
local cached = require "scion.cache.cached"
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local inputs = require "scion.train.inputs"
local preprocessing = require "scion.preprocessing"
local precision = require "scion.precision"
local results = require "scion.report.results"
local schedule = require "scion.train.schedule"
local targets = require "scion.train.targets"
local text = require "scion.report.text"

---@class scion.PriceOptions
---@field validate? scion.Dataset a data set that fit evaluates after each epoch (none)
---@field cache? boolean|integer|scion.CacheOptions as for model:fit (true)
---@field precision? "f32"|"bf16"|"int8"|"fast"|scion.PrecisionOptions as for model:fit (the model's)

--- What a schedule would take. It prints as a table.
---@class scion.Prices
---@field [integer] scion.StagePrice
---@field seconds number of all stages together, predicted
---@field images integer in the data set

---@class scion.StagePrice
---@field stage integer
---@field epochs integer
---@field trainable integer parameters that a step changes
---@field frontier string? the last layer up to which nothing trains
---@field macs integer multiply-adds of a step for one image, forward and backward, without what is kept
---@field memory integer bytes, as in model:plan()
---@field cache string? the layer whose outputs are kept
---@field cache_bytes integer of all these outputs; 0 without them
---@field first_epoch number seconds, predicted: with the outputs computed that are not kept yet
---@field epoch number seconds of each further epoch, predicted
---@field seconds number of the stage, predicted

local tries = 3

--- The seconds of a plan's run on noise: the least of a few, the first of which prepares weights.
local function time_plan(model, request, n)
  local plan = model:plan_for(request)
  local shape = request.from and request.from.shape or (request.input_dtype == "u8" and preprocessing.image_shape(model.input.shape) or model.input.shape)
  local x = core.uniform({ n, table.unpack(shape) }, 1, 0)
  if request.input_dtype == "u8" and not request.from then x = (x * 255):to "u8" end
  local labels = plan.labels and core.new({ n, table.unpack(plan.labels.shape, 2) }, plan.labels.dtype)
  local least
  for _ = 1, tries do
    local start = core.clock()
    if not model:execute(plan, { images = x, labels = labels, step = 0 }) then break end
    local seconds = core.clock() - start
    least = math.min(least or seconds, seconds)
  end
  return least or 0
end

--- The seconds that reading an image takes, with all the data set's workers; 0 for images in memory. What computes meanwhile needs the
--- same cores, so that these seconds add to its own.
local function time_reading(data)
  if not dataset.is(data) or not data.files then return 0 end
  local n, order = math.min(math.max(data.batch, 1), #data), {}
  for i = 1, n do order[i] = (i - 1) * #data // n end
  local start = core.clock()
  for _ in data:pass { order = core.from_table(order, "i32"), epoch = 0, batch = n } do start = core.clock() - start end
  return start / n
end

--- The seconds per image of what a stage computes: the frozen part whose outputs are kept, the rest of a training step, and the rest of an
--- inference.
local function speeds(model, data, laid, o, loss)
  local n = inputs.capacity(data, nil, 1)
  local dtype = dataset.is(data) and data.values and "f32" or "u8"
  local from = laid and laid.node
  local label = data.classes and "i32" or nil
  local function of(request)
    request.batch, request.precision, request.input_dtype = n, o.precision, request.from and "f32" or dtype
    return time_plan(model, request, n) / n
  end
  local frozen = laid and of { mode = "infer", upto = laid.node } or 0
  local step = of { mode = "train", loss = loss, labels = label, from = from }
  local inference = o.validate and of { mode = "infer", from = from } or 0
  return frozen, step, inference
end

local function stage_text(p)
  local function plural(n, what) return ("%s %s%s"):format(text.grouped(n), what, n == 1 and "" or "s") end
  local parts = {
    ("stage %d: %s"):format(p.stage, plural(p.epochs, "epoch")), plural(p.trainable, "parameter") .. " train",
    p.frontier and "nothing up to " .. p.frontier or "from the input on", text.macs(p.macs) .. " an image", text.bytes(p.memory),
    p.cache and ("%s is kept (%s)"):format(p.cache, text.bytes(p.cache_bytes)) or "nothing is kept",
    p.epochs > 1 and p.first_epoch > p.epoch and ("%s the first epoch, %s the others"):format(results.duration(p.first_epoch), results.duration(p.epoch)) or
      results.duration(p.epoch) .. " an epoch",
  }
  return ("%s: %s"):format(table.concat(parts, ", "), results.duration(p.seconds))
end

local price = class.define {
  name = "scion.StagePrice", title = "a stage's price",
  locked = { "stage", "epochs", "trainable", "frontier", "macs", "memory", "cache", "cache_bytes", "first_epoch", "epoch", "seconds" },
  meta = { __tostring = function(self) return table.concat(text.wrap(stage_text(self), text.width(), 2), "\n") end },
}

local function as_text(self)
  local shown = {}
  for _, p in ipairs(self) do
    for _, line in ipairs(text.wrap(stage_text(p), text.width(), 2)) do shown[#shown + 1] = line end
  end
  for _, line in ipairs(text.wrap(("%s in all for %d images, predicted from a batch of each stage"):format(results.duration(self.seconds), self.images),
                                  text.width(), 2)) do shown[#shown + 1] = line end
  return table.concat(shown, "\n")
end

local prices = class.define {
  name = "scion.Prices", title = "a schedule's price", locked = { "seconds", "images" },
  meta = { __tostring = as_text, __len = class.list_length },
}

local schema = { validate = { inputs.kind }, cache = { cached.kind, {} }, precision = { precision.kind } }

--- Prices a schedule: see schedule:plan.
---@param of scion.Schedule
---@param model scion.Model
---@param data scion.Dataset
---@param given scion.PriceOptions?
---@return scion.Prices
return function(of, model, data, given)
  local where = "schedule:plan"
  check.argument(where, "the first argument", model, check.instance("scion.Model", "a model"))
  inputs.dataset(where, data)
  inputs.fits(where, model, data)
  local o = check.options(where, given, schema)
  o.precision = precision.in_use(o.precision or model.precision, model, #data)
  local loss = targets.loss(model)
  targets.check(where, model, data, loss)
  schedule.check(of, model, where)
  local limits, list, kept, total, reading = schedule.cache_limits(of, model), {}, {}, 0, time_reading(data)
  local validating = o.validate and time_reading(o.validate) or 0
  schedule.each(of, model, where, function(number, stage)
    local cache = o.cache and { variants = o.cache.variants, upto = o.cache.upto or limits[number] }
    local laid = cached.lay(model, data, cache, { precision = o.precision })
    local report = model:plan { data = data, cache = cache }
    local frozen, step, inference = speeds(model, data, laid, o, loss)
    local images, validated = #data, o.validate and #o.validate or 0
    local name = laid and laid.node.layer.name
    local variants = data.augment and o.cache and o.cache.variants or 1
    local news, tests = 0, 0 -- outputs that neither an earlier stage keeps nor one before the fit has kept
    if laid and not kept[name] then
      news = cached.missing(data, laid, data.augment and variants, o.precision)
      tests = o.validate and cached.missing(o.validate, laid, nil, o.precision) or 0
    end
    kept[name or ""] = laid ~= nil
    local epoch = images * step + validated * inference + (laid and 0 or images * reading + validated * validating)
    local made = news * (frozen + reading) -- over as many epochs as there are variants
    local once = tests * (frozen + validating)
    local first = epoch + made / variants + once
    local seconds = stage.epochs * epoch + made * math.min(stage.epochs / variants, 1) + once
    total = total + seconds
    list[number] = price.new {
      stage = number, epochs = stage.epochs, trainable = report.trainable, frontier = report.frontier,
      macs = report.forward + report.backward - (laid and laid.macs or 0), memory = report.memory, cache = name,
      cache_bytes = laid and laid.bytes * images * variants or 0, first_epoch = first, epoch = epoch, seconds = seconds,
    }
  end)
  list.seconds, list.images = total, #data
  return prices.new(list)
end
