--- model:plan(): what a step would execute, without running it.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local fastest = require "scion.fastest"
local graph = require "scion.graph"
local inputs = require "scion.train.inputs"
local machine = require "scion.machine"
local precision = require "scion.precision"
local cached = require "scion.cache.cached"
local calibration = require "scion.calibration"
local shape = require "scion.shape"
local store = require "scion.cache.store"
local targets = require "scion.train.targets"
local text = require "scion.report.text"

local report = {}

---@class scion.PlanReport
---@field batch integer images in a batch
---@field trainable integer parameters that a step changes
---@field forward integer multiply-adds of the forward pass for one image
---@field backward integer multiply-adds of the backward pass for one image
---@field frozen integer the part of `forward` that lies below the frontier
---@field memory integer bytes: the arena, the parameters and packed copies of them; the optimizer's state is not counted
---@field frontier string? name of the last layer up to which nothing trains
---@field calls integer kernel calls in a step
---@field cache { name: string, bytes: integer, images: integer? }? the layer whose output fit keeps, bytes per image, and how many images
--- there are, variants included
---@field cache_reason string? why fit keeps nothing
---@field seconds_per_image number predicted
---@field seconds_per_epoch number? predicted, if a data set is given
---@field parameters integer of all layers, moving averages included
---@field mode "train"|"infer"
---@field arena integer bytes of activations and gradients, a part of `memory`
---@field images integer? in the data set, if one is given
---@field int8 { convolutions: integer, of: integer, wide: string[], found: scion.Int8Report? }? of precision "int8": how many convolutions compute in bytes, of how
--- many below which nothing trains, and which of these stay in f32; and what was found with the ranges
---@field fast scion.Fastest? of precision "fast": what it is here, and why
---@field bf16 { layers: integer, of: integer, wide: string[] }? where precision asks for bf16: how many layers that compute do so in bf16, of how many; and
--- which of them have no kernels for it, and stay in f32

--- A text that says which output of frozen layers is kept, how large it is, and where it is kept.
local function cache_text(self)
  local cache = self.cache
  if not cache then return "nothing: " .. self.cache_reason end
  local places, folder = {}, store.folder()
  local total = cache.bytes * (cache.images or 1)
  if total <= store.memory() then places[1] = "in memory" end
  if folder then places[#places + 1] = "in " .. folder end
  return ("%s, %s an image%s, %s"):format(cache.name, text.bytes(cache.bytes), cache.images and ", " .. text.bytes(total) .. " in all" or "",
                                         #places > 0 and table.concat(places, " and ") or "as far as memory goes")
end

local function frontier_text(self)
  if self.mode == "train" and self.trainable == 0 then return "everything is frozen" end
  return self.frontier and "nothing trains up to " .. self.frontier or "none: everything trains"
end

local most_names = 4

local function names_text(list)
  local names, more = table.concat(list, ", ", 1, math.min(#list, most_names)), #list - most_names
  return more > 0 and ("%s and %d more"):format(names, more) or names
end

local function int8_text(self)
  local found = self.found
  if self.of == 0 then return "nothing is frozen, so that all of it is f32" end
  if not found and self.convolutions > 0 then return ("%d of %d convolutions"):format(self.convolutions, self.of) end
  if not found then return "no ranges are known yet: fit, evaluate and features find them, on 16 images or more" end
  local wide = #self.wide > 0 and "; in f32, since bytes lose too much there: " .. names_text(self.wide) or ""
  return ("%d of %d convolutions; at %s the least cosine to f32 of %d images is %.4f (%.3f is enough)%s"):format(self.convolutions, self.of, found.layer,
    found.compared, found.cosine, found.bound, wide)
end

local function bf16_text(self)
  return ("%d of %d layers%s"):format(self.layers, self.of, #self.wide > 0 and "; in f32, for want of kernels: " .. names_text(self.wide) or "")
end

local function fast_text(fast)
  local few = ("f32, since %d images or more make up for the time that ranges of bytes take"):format(fastest.worth_images)
  local frozen = fast.few and few or fast.frozen == "f32" and "f32, than which nothing is faster here by a tenth" or
    ("%s for what is frozen, by %s, an estimated %.1f times as fast as f32"):format(fast.frozen, fast.instructions, fast.gain)
  return ("%s; %s for what trains%s"):format(frozen, fast.trained, fast.trained == "f32" and ", since this CPU has no instructions for bf16" or "")
end

local function as_text(self)
  local lines, width = nil, text.width()
  local function line(name, format, ...)
    local parts = text.wrap(format:format(...), width - 16, 0)
    lines[#lines + 1] = ("  %-14s%s"):format(name, parts[1])
    for i = 2, #parts do lines[#lines + 1] = (" "):rep(16) .. parts[i] end
  end
  local head = ("plan for %s step, batch %d: %d kernel calls"):format(self.mode == "train" and "a training" or "an inference", self.batch, self.calls)
  lines = text.wrap(head, width, 2)
  line("trainable", "%s of %s parameters", text.grouped(self.trainable), text.grouped(self.parameters))
  line("frontier", "%s", frontier_text(self))
  line("forward", "%s an image, %.0f%% of it frozen", text.macs(self.forward), 100 * self.frozen / math.max(self.forward, 1))
  line("backward", "%s an image", text.macs(self.backward))
  line("peak memory", "%s (activations %s, weights %s)", text.bytes(self.memory), text.bytes(self.arena), text.bytes(self.memory - self.arena))
  if self.mode == "train" then line("cache", "%s", cache_text(self)) end
  if self.fast then line("fast", "%s", fast_text(self.fast)) end
  if self.bf16 then line("bf16", "%s", bf16_text(self.bf16)) end
  if self.int8 then line("int8", "%s", int8_text(self.int8)) end
  line("predicted", "%.1f images/s%s", 1 / self.seconds_per_image,
       self.seconds_per_epoch and (", %.0f s an epoch of %d images"):format(self.seconds_per_epoch, self.images) or "")
  return table.concat(lines, "\n")
end

local speeds = {} -- multiply-adds per second, by precision: measured once in a process

local families = { f32 = "conv2d", bf16 = "conv2d_bf16", int8 = "conv2d_int8" } -- of kernels, by precision

--- The multiply-adds per second of a convolution of medium size in a precision: the best of five runs.
local function measure_speed(word)
  local family, dtype, bytes = families[word], word == "int8" and "u8" or word, word == "int8"
  local x, y, kernel = core.new({ 4, 28, 28, 128 }, dtype), core.new({ 4, 28, 28, 128 }, dtype), core.new({ 3, 3, 128, 128 }, "f32")
  local packed, scales, sums, shift = core.new({ core[family .. "_packed"](kernel, false) }, dtype), nil, nil, nil
  if bytes then scales, sums, shift = core.new { 128 }, core.new({ 128 }, "i32"), core.new { 128 } end
  core.run { family .. "_pack", kernel = kernel, packed = packed, scales = scales, sums = sums, shift = shift }
  local window = { kernel = { 3, 3 }, stride = { 1, 1 }, dilation = { 1, 1 }, before = { 1, 1 }, after = { 1, 1 } }
  local scale = bytes and 1 or nil
  local best
  for _ = 1, 5 do
    local start = core.clock()
    core.run { family .. "_forward", x = x, packed = packed, scales = scales, sums = sums, y = y, window = window, x_scale = scale, y_scale = scale }
    local seconds = core.clock() - start
    best = math.min(best or seconds, seconds)
  end
  return 4 * 28 * 28 * 128 * 9 * 128 / best
end

local function speed(word)
  speeds[word] = speeds[word] or measure_speed(word) * machine.share_of_speed
  return speeds[word]
end

-- the name of the last layer before the first one that needs a gradient
local function last_frozen(made)
  local name
  for _, op in ipairs(made.ops) do
    if op.grad then return name end
    if op.layer.kind ~= "input" then name = (op.norm or op.layer).name end
  end
  return name
end

--- What a plan of precision int8 computes in bytes: how many convolutions, of how many that nothing trains below, and which of these stay in f32;
--- and what was found when the ranges were.
local function int8_of(model, made, mode)
  local n, all, wide = 0, 0, {}
  for _, op in ipairs(made.ops) do
    local convolution = op.layer.kind == "conv2d" or op.layer.kind == "depthwise_conv2d"
    if convolution and not op.grad then
      local narrow = op.reads == "u8"
      n, all, wide[#wide + 1] = n + (narrow and 1 or 0), all + 1, not narrow and op.layer.name or nil
    end
  end
  return { convolutions = n, of = all, wide = wide, found = calibration.report(model, mode == "train") }
end

--- What a plan computes in bf16: how many of the layers of which it is asked for, and which of them have no kernels for it. Layers that only hand
--- numbers on are not counted, and an activation is its layer's.
local function bf16_of(made)
  local frozen, trained = precision.parts(made.precision)
  local n, all, wide, seen = 0, 0, {}, {}
  for _, op in ipairs(made.ops) do
    local asked = (op.grad or op.batch_statistics) and trained or frozen
    local kind, name = op.layer.kind, op.layer.name
    if asked == "bf16" and not op.identity and op.layer.bf16 ~= "carries" and kind ~= "input" and kind ~= "convert" and not seen[name] then
      local narrow = op.reads == "bf16"
      seen[name] = true
      n, all, wide[#wide + 1] = n + (narrow and 1 or 0), all + 1, not narrow and name or nil
    end
  end
  return { layers = n, of = all, wide = wide }
end

local function bytes_of_parameters(rows)
  local n = 0
  for _, row in ipairs(rows) do n = n + row.parameters end
  return 4 * n
end

--- Bytes of the tensors that the plan derives from parameters: packed and folded copies.
local function bytes_derived(made)
  local total, seen = 0, {}
  local function add(t)
    if seen[t] then return end
    seen[t] = true
    total = total + shape.bytes(t:shape(), t:dtype())
  end
  for _, entry in ipairs(made.derived) do
    if type(entry.target) == "userdata" then add(entry.target) else for _, t in pairs(entry.target) do add(t) end end
  end
  return total
end

local plan_report = class.define {
  name = "scion.PlanReport", title = "a plan", meta = { __tostring = as_text },
  locked = { "mode", "batch", "calls", "trainable", "parameters", "forward", "backward", "frozen", "arena", "memory", "frontier", "seconds_per_image",
             "cache", "cache_reason", "images", "seconds_per_epoch", "int8", "bf16", "fast" },
}

local schema = { batch = { inputs.batch }, data = { inputs.kind }, mode = { check.one_of("train", "infer"), "train" }, cache = { cached.kind, {} },
                 precision = { precision.kind } }

--- Reads the argument of model:plan, which is a table of options or a data set.
local function read(model, given)
  if given ~= nil and inputs.kind.read(given) then given = { data = given } end
  local o = check.options("plan", given, schema)
  if o.data then inputs.fits("plan", model, o.data) end
  if o.cache and o.cache.upto then graph.find(model.order, o.cache.upto) end
  return o
end

--- Makes the report: see model:plan. It compiles the plan, and measures the machine's speed once.
---@param model scion.Model
---@param given { batch: integer?, data: scion.Dataset?, mode: "train"|"infer"|nil, cache: boolean|integer|scion.CacheOptions|nil,
--- precision: string|scion.PrecisionOptions|nil }|scion.Dataset|nil
---@return scion.PlanReport
---Raises on unknown options and invalid values, and if the images of the data set do not fit the model.
function report.new(model, given)
  local o = read(model, given)
  local data, mode, rows = o.data, o.mode, model:layers()
  local batch = o.batch or data and data.batch or 32
  if data then batch = inputs.capacity(data, batch, 1) end
  local as_given = dataset.is(data) and data.values
  local made = model:plan_for { mode = mode, batch = batch, input_dtype = as_given and "f32" or "u8", loss = mode == "train" and targets.loss(model) or nil,
                                precision = precision.in_use(o.precision or model.precision, model, data and #data) }
  local laid, reason = cached.lay(model, data, o.cache, { precision = made.precision })
  local variants = data and data.augment and o.cache and o.cache.variants or 1
  local cache = laid and { name = laid.node.layer.name, bytes = laid.bytes, images = data and #data * variants }
  local trainable, parameters = 0, bytes_of_parameters(rows) // 4
  for _, row in ipairs(rows) do trainable = trainable + row.trainable end
  local frozen, trained = precision.parts(made.precision)
  local int8 = frozen == "int8" and int8_of(model, made, mode) or nil
  local of = made.cost
  local seconds = of.narrow_work / speed(frozen) + (of.frozen_work - of.narrow_work) / speed "f32" + of.work / speed(trained)
  return plan_report.new { mode = mode, batch = batch, calls = #made.calls, trainable = mode == "train" and trainable or 0, parameters = parameters,
    forward = made.cost.forward, backward = made.cost.backward, frozen = made.cost.frozen, arena = made.arena_bytes,
    memory = made.arena_bytes + 4 * parameters + bytes_derived(made), frontier = last_frozen(made), seconds_per_image = seconds,
    cache = cache or nil, cache_reason = reason, images = data and #data, seconds_per_epoch = data and seconds * #data or nil, int8 = int8,
    fast = (o.precision or model.precision) == "fast" and fastest.of(model, data and #data) or nil,
    bf16 = (frozen == "bf16" or mode == "train" and trained == "bf16") and bf16_of(made) or nil }
end

return report
