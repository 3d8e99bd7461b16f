--- Calibration: finds the ranges in which the values of a network lie on images, for precision "int8", and how much of the result is lost by
--- bytes in these ranges. Layers whose bytes would lose too much stay in f32.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local graph = require "scion.graph"
local notice = require "scion.report.notice"
local plan = require "scion.plan"
local printable = require "scion.printable"
local quantization = require "scion.ir.quantization"
local ranges = require "scion.cache.ranges"

local calibration = {}

local most_images = 200 -- on which ranges are found
local compared_images = 64 -- on which results are compared with those of f32
local most_groups, tried_batches = 12, 2 -- of convolutions that go back to f32 together; and with how many batches, the worst, it is tried which
local batch = 4 -- the values of all layers are in memory at once

--- The least cosine between the results in int8 and in f32, of the images that are compared: below it, layers stay in f32. It is meant to be 0.99
--- of any image, and is larger since others lie lower: of 328 the least was 0.9908 where that of 64 was 0.9970.
calibration.bound = 0.995

calibration.least_images = 16 -- of fewer the ranges cannot be told

local least_channels = 8 -- whose means are compared
local least_levels = 8 -- of brightness, by the upper bits of an f32: images of fewer tell little of others

-- ---- ranges ---------------------------------------------------------------------------------------------------------

--- The number in the middle of a bin of core's histogram, which are the upper 13 bits of an f32.
local function middle(bin) return (string.unpack("<f", string.pack("<I4", bin << 19 | 1 << 18))) end

--- The numbers that occur, with how often; and the lowest and highest. nil where some are not finite.
local function read_counts(counts)
  local list, low, high = {}, 0.0, 0.0
  for i, n in ipairs(counts:totable()) do
    if n > 0 and i > 1 then -- the first bin is of 0, which has a code
      local value = middle(i - 1)
      if value ~= value or math.abs(value) == math.huge then return nil end
      list[#list + 1] = { value = value, n = n }
      low, high = math.min(low, value), math.max(high, value)
    end
  end
  return list, low, high
end

--- The sum of squared errors where numbers from low to high have codes: within, those of rounding; outside, the distance to the range.
local function error_of(list, low, high)
  local step, sum = (high - low) / 255, 0.0
  local rounding = step * step / 12
  for _, bin in ipairs(list) do
    local outside = bin.value > high and bin.value - high or bin.value < low and low - bin.value or 0
    sum = sum + bin.n * (outside > 0 and outside * outside or rounding)
  end
  return sum
end

--- The range with the least error: of that of all numbers, a share that is found by trying.
local function best_range(list, low, high)
  local best, best_share = nil, 1.0
  for i = 0, 60 do
    local share = 0.95 ^ i
    local sum = error_of(list, low * share, high * share)
    if not best or sum < best then best, best_share = sum, share end
  end
  return low * best_share, high * best_share
end

-- ---- images ---------------------------------------------------------------------------------------------------------

--- How many images a data set has; one of a user's own need not tell, and may have any number.
local function size_of(data) return #data == 0 and not dataset.is(data) and math.huge or #data end

--- The numbers, from 0, of up to so many images, from all over the data set.
local function chosen(data, most)
  local numbers, n = {}, math.min(most, #data)
  for i = 1, n do numbers[i] = (i - 1) * #data // n end
  return numbers
end

--- Calls f with batches of up to so many images, without augmentation. Returns how many there were.
local function each_batch(where, model, data, most, f)
  local done = 0
  local function take(x)
    local n = math.min(x:shape()[1], most - done)
    if n > 0 then f(n < x:shape()[1] and x:slice(1, 1, n):copy() or x, n) end
    done = done + n
  end
  if dataset.is(data) then
    local step, _, _, closed <close> = data:pass { order = core.from_table(chosen(data, most), "i32"), epoch = 0, batch = batch, augment = false }
    for each in step do take(each.x) end
    _ = closed
  else
    local inputs = require "scion.train.inputs"
    for each in data:batches(1, { shuffle = false, augment = false, batch = batch }) do
      inputs.batch_fits(where, model, each.x)
      for first = 1, each.x:shape()[1], batch do take(each.x:slice(1, first, math.min(first + batch - 1, each.x:shape()[1])):copy()) end
      if done >= most then break end
    end
  end
  return done
end

local runner = {}
runner.__index = runner

--- Frees the memory at once, and not when the collector comes.
function runner:__close()
  local arena <close> = self.arena -- luacheck: ignore 211
  self.arena = nil
end

--- Runs a plan, which is compiled for the first batch, in memory of its own.
---@param x scion.Tensor images
function runner:__call(x)
  if not self.plan then
    self.request.input_dtype = x:dtype()
    self.plan = plan.compile(self.request)
    self.arena = core.new({ self.plan.arena_bytes }, "u8")
  end
  self.plan:run(self.arena, { images = x })
end

--- The value at a place, for n images.
---@param place scion.Place
---@param n integer
---@return scion.Tensor a view that is valid until the next run
function runner:value(place, n) return core.place(self.arena, place, n) end

local function new_runner(order, output, precision, taps)
  return setmetatable({ request = { order = order, output = output, mode = "infer", capacity = batch, precision = precision, taps = taps } }, runner)
end

-- ---- what is to be done ---------------------------------------------------------------------------------------------

--- The operations of the part of the network that is computed in int8: of an inference all; in training what lies below the frontier.
local function operations(model, frozen)
  local ops, list, steady = plan.operations(model.order, model.output), {}, {}
  for _, op in ipairs(ops) do
    local fixed = #op.layer:trainable() == 0 and not (op.norm and #op.norm:trainable() > 0)
    for _, input in ipairs(op.inputs) do fixed = fixed and steady[input] end
    steady[op] = fixed
    if fixed or not frozen then list[#list + 1] = op end
  end
  return list
end

--- What is sought of a network.
---@class scion.Sought
---@field ops scion.Operation[] that are computed in int8
---@field nodes scion.Node[] that are images and of which something is not known for the weights as they are
---@field ranged table<scion.Node, boolean> of these, whether the range is sought: of all that are read and not merely handed on

--- What is sought, whether some layers' ranges are known, and whether all are. What is known stays, since other parts of the network rest on it,
--- unless it was found on fewer images than `enough`.
local function sought_of(ops, enough)
  local list, ranged, some, all = {}, {}, false, true
  for _, op in ipairs(ops) do
    if op.node and #op.shape == 3 then
      local needed, range = #op.users > 0 and not quantization.carries(op), quantization.range(op.node)
      local known = range ~= nil and range.images >= enough
      if needed then some, all = some or range ~= nil and op.layer.kind ~= "input", all and known end
      if needed and not known or not quantization.has_mean(op.node, enough) then list[#list + 1], ranged[op.node] = op.node, needed and not known end
    end
  end
  return { ops = ops, nodes = list, ranged = ranged }, some, all
end

--- The node at which results are compared: the first one behind all convolutions on which everything that follows depends.
local function result_of(ops)
  local position, last, reach = {}, 0, 0
  for i, op in ipairs(ops) do
    position[op] = i
    if op.layer.int8 == "computes" then last = i end
  end
  for i, op in ipairs(ops) do
    if i >= last and reach <= i and op.node then return op.node end
    for _, user in ipairs(op.users) do reach = math.max(reach, position[user] or math.huge) end
  end
  for i = #ops, 1, -1 do
    if ops[i].node then return ops[i].node end
  end
end

local function refuse(where, images)
  check.raise(("%s: precision = \"int8\" needs the ranges of the layers' values, and %d image%s cannot tell them: fit, evaluate or features on %d " ..
               "images or more find them first"):format(where, images, images == 1 and "" or "s", calibration.least_images))
end

--- Finds ranges and means. Returns how many images there were, and whether they are flat: see scion.Int8Report. nil after an interrupt.
local function find_ranges(where, model, data, sought)
  local nodes, ranged = sought.nodes, sought.ranged
  local counts, means, flat = {}, {}, false
  for i, node in ipairs(nodes) do counts[i], means[i] = core.new { 8192 }, core.new { node.shape[3] } end
  local run <close> = new_runner(model.order, model.output, "f32", nodes)
  local images = each_batch(where, model, data, most_images, function(x, n)
    run(x)
    for i, node in ipairs(nodes) do
      local value, mean = run:value(run.plan.taps[node], n), core.new { n, node.shape[3] }
      if ranged[node] then core.run { "histogram", x = value, counts = counts[i] } end
      core.run { "global_average_pool_forward", x = value, y = mean }
      means[i] = means[i] + mean:sum(1)
    end
  end)
  if core.interrupted() then return nil end
  if images < calibration.least_images then refuse(where, images) end
  local found, asked = {}, math.min(most_images, size_of(data)) -- those that could not be read count, too: no later fit could read them
  for i, node in ipairs(nodes) do
    local list, low, high = read_counts(counts[i])
    if not list then
      check.raise(("%s: precision = \"int8\": values of layer %s are NaN or infinite: see to its weights, and to the images"):format(where, node.layer.name))
    end
    if ranged[node] then found[node] = { best_range(list, low, high) } end
    flat = flat or ranged[node] and node.layer.kind == "input" and #list < least_levels
  end
  for i, node in ipairs(nodes) do
    quantization.set_mean(node, means[i] / images, asked)
    if found[node] then quantization.set_range(node, found[node][1], found[node][2], asked) end
    if not quantization.range(node) then quantization.keep_wide(node, false) end
  end
  return images, flat
end

--- The values of a node for a batch: of an image of channels their means, as most heads take them, unless a few means would tell little.
local function result(run, node, x, n)
  run(x)
  local values = run:value(run.plan.output, n)
  if #node.shape ~= 3 or node.shape[3] < least_channels then return values:copy():reshape { n, -1 } end
  local means = core.new { n, node.shape[3] }
  core.run { "global_average_pool_forward", x = values, y = means }
  return means
end

--- Batches of images, with the results in f32.
local function references(where, model, data, node)
  local list = {}
  local run <close> = new_runner(graph.order(node), node, "f32")
  local images = each_batch(where, model, data, compared_images, function(x, n)
    list[#list + 1] = { x = x, n = n, result = result(run, node, x, n) }
  end)
  return list, images
end

local function cosine_of(u, v)
  local product, size = (u * v):sum(), math.sqrt((u * u):sum() * (v * v):sum())
  return size > 0 and product / size or (u - v):sum() == 0 and 1.0 or 0.0
end

--- The least cosine, over the images of some batches, of results in int8 to those in f32. Leaves in each batch that of its own images.
local function compare(batches, node)
  local least = 1.0
  local run <close> = new_runner(graph.order(node), node, "int8")
  for _, each in ipairs(batches) do
    local narrow = result(run, node, each.x, each.n)
    each.cosine = 1.0
    for i = 1, each.n do
      each.cosine = math.min(each.cosine, cosine_of(each.result:slice(1, i, i), narrow:slice(1, i, i)))
    end
    least = math.min(least, each.cosine)
  end
  return least
end

--- The batches with the least cosines, which tell best what helps.
local function worst(batches)
  local list = { table.unpack(batches) }
  for i, each in ipairs(list) do each.order = i end
  table.sort(list, function(a, b)
    if a.cosine ~= b.cosine then return a.cosine < b.cosine end
    return a.order < b.order
  end)
  return { table.unpack(list, 1, tried_batches) }
end

--- The convolutions in bytes whose ranges are new, in order, in so many groups of neighbours. The first groups are the smallest: what is lost early goes
--- through everything that follows.
local function grouped(sought)
  local list, groups, before = {}, {}, nil
  for _, op in ipairs(sought.ops) do
    if op.layer.int8 == "computes" and op.node and sought.ranged[op.node] ~= nil and not quantization.stays_wide(op.node) then list[#list + 1] = op end
  end
  for i, op in ipairs(list) do
    local at = math.floor(most_groups * math.sqrt((i - 1) / #list))
    if at ~= before then groups[#groups + 1] = { order = at } end
    table.insert(groups[#groups], op)
    before = at
  end
  return groups
end

--- Leaves the convolutions of a group in f32, or in bytes again.
local function keep_wide(group, wide)
  for _, op in ipairs(group) do quantization.keep_wide(op.node, wide) end
end

---@class scion.Int8Report
---@field images integer on which ranges were found
---@field compared integer images on which results were compared with those of f32
---@field cosine number the least one of these images, between results in int8 and in f32: of an image of 8 channels or
--- more, their means
---@field bound number below which layers stay in f32
---@field layer string whose values are compared
---@field convolutions integer that could be computed in bytes
---@field wide string[] those of them that stay in f32
---@field flat boolean? whether the images have so little contrast that they tell little of others: then the next call finds ranges anew
---@field seconds number that it took; 0 where it is from the cache

--- Of the groups that are in bytes the one that, in f32, helps the worst images most; the first one that helps them enough.
local function most_helpful(groups, list, node)
  local tried, best, most = worst(list), nil, nil
  for _, group in ipairs(groups) do
    if not group.wide then
      keep_wide(group, true)
      local cosine = compare(tried, node)
      keep_wide(group, false)
      if not best or cosine > most then best, most = group, cosine end
      if cosine >= calibration.bound then break end
    end
  end
  return best
end

--- Leaves groups in f32 until results are as good as they have to be, and takes back those that turn out not to be needed. Returns the cosine.
local function widen(groups, list, node, cosine)
  local taken = {}
  while cosine < calibration.bound and #taken < #groups and not core.interrupted() do
    local group = most_helpful(groups, list, node)
    taken[#taken + 1], group.wide = group, true
    keep_wide(group, true)
    cosine = compare(list, node)
  end
  for i = #taken - 1, 1, -1 do -- the last one was needed
    keep_wide(taken[i], false)
    local without = compare(worst(list), node) >= calibration.bound and compare(list, node) or 0
    if without >= calibration.bound then cosine = without else keep_wide(taken[i], true) end
  end
  return cosine
end

--- Leaves convolutions in f32 until results are as good as they have to be: groups of neighbours, those first that most help the images that lose
--- most.
local function verify(where, model, data, sought)
  local node = result_of(sought.ops)
  local list, compared = references(where, model, data, node)
  local cosine = compare(list, node)
  if cosine < calibration.bound then cosine = widen(grouped(sought), list, node, cosine) end
  local names, count = {}, 0
  for _, op in ipairs(sought.ops) do
    if op.layer.int8 == "computes" and op.node then
      count = count + 1
      if quantization.stays_wide(op.node) then names[#names + 1] = op.layer.name end
    end
  end
  return { compared = compared, cosine = cosine, bound = calibration.bound, layer = node.layer.name, convolutions = count,
           wide = printable.table(names) }
end

--- What was found before and kept; nil if nothing was.
local function earlier(where, place)
  local about = place and ranges.take(place)
  if not about then return nil end
  notice.line(("scion: %s: int8: ranges of %d images, from the cache: least cosine to f32 at %s %.4f; in f32 for that: %d of %d convolutions"):format(
    where, about.images, about.layer, about.cosine, #about.wide, about.convolutions))
  about.seconds = 0.0
  printable.table(about.wide)
  return printable.table(about)
end

--- Where in the cache it is, or will be.
local function place_of(data, sought)
  local compared = ("%s %a"):format(result_of(sought.ops).layer.name, calibration.bound)
  return ranges.place(data, { chosen(data, most_images), chosen(data, compared_images) }, sought, compared)
end

--- Forgets what was found of nodes when it is closed, unless it is verified by then.
local function attempt_of(nodes)
  return setmetatable({ verified = false }, { __close = function(self)
    for _, node in ipairs(self.verified and {} or nodes) do quantization.forget(node) end
  end })
end

--- Finds ranges and what stays in f32, and tells it. Returns nil after an interrupt.
local function find(where, model, data, sought, keeps)
  local began = core.clock()
  if size_of(data) < calibration.least_images then refuse(where, #data) end
  local place = keeps and place_of(data, sought) or nil
  local before = earlier(where, place)
  if before then return before end
  notice.line(("scion: %s: int8: measuring the ranges of all values on up to %d images, once for these weights"):format(where, math.min(most_images, size_of(data))))
  local images, flat = find_ranges(where, model, data, sought)
  if not images then return nil end -- after an interrupt: whoever has called ends, too
  local attempt <close> = attempt_of(sought.nodes)
  local report = verify(where, model, data, sought)
  if core.interrupted() then return nil end
  attempt.verified = true
  report.images, report.seconds = images, core.clock() - began
  notice.line(("scion: %s: int8: %d images in %.1f s; least cosine to f32 at %s %.4f (%d images; %.3f is enough); in f32 for that: %d of %d convolutions"):format(
    where, images, report.seconds, report.layer, report.cosine, report.compared, report.bound, #report.wide, report.convolutions))
  if flat then
    report.flat = true
    for _, node in ipairs(sought.nodes) do quantization.doubt(node) end
    notice.line(("scion: %s: int8: these images have so little contrast that their ranges may not hold for others: the next call finds them anew"):format(where))
  elseif place then
    ranges.keep(place, report)
  end
  return printable.table(report)
end

local known = setmetatable({}, { __mode = "k" }) -- by model: what was found, and for which weights and which part

--- Says what is f32 all the same, where that is everything.
local function tell_none(where, ops, frozen)
  for _, op in ipairs(ops) do
    if op.layer.int8 == "computes" then return false end
  end
  if #ops > 1 then notice.once(("scion: %s: int8: no layer here computes in bytes, so that all of it is f32"):format(where))
  elseif frozen then notice.once(("scion: %s: int8: nothing is frozen, so that all of it is f32"):format(where)) end
  return true
end

--- Finds the ranges of the values that a model computes in int8, unless they are known for the weights as they are. A fit on more images than those
--- on which they were found, up to 200, finds them anew. Raises where the data set has too few images to tell.
---@param where string the name of the function that the user called, for messages
---@param model scion.Model
---@param data scion.Dataset or a user's own
---@param frozen boolean whether only what does not train is computed in int8
---@param given? { trains: boolean?, keeps: any } trains: whether this is the data set of a fit, and not of its validation; keeps: whether what is found is
--- kept in the cache, and taken from there
function calibration.prepare(where, model, data, frozen, given)
  given = given or {}
  local before, enough = known[model] or {}, given.trains and math.min(most_images, size_of(data)) or 1
  local function state() return ("%s %d %d %d"):format(frozen, graph.version(graph.weights(model.output)), graph.revision(), quantization.revision()) end
  local few = size_of(data) < calibration.least_images
  if before.state == state() and enough <= before.enough and (few or not before.missing) then return end
  local ops = operations(model, frozen)
  local sought, some, all = sought_of(ops, enough)
  local entry = { enough = enough, report = before.report, of_fit = before.of_fit }
  local missing = not tell_none(where, ops, frozen) and not all
  if missing and some and few then
    entry.missing = true
    local count = 0
    for _, new in pairs(sought.ranged) do count = count + (new and 1 or 0) end
    notice.once(("scion: %s: int8: no ranges are known of %d layers with their weights as they are, and %d image%s cannot tell them: they are f32 until " ..
                 "evaluate or features on %d images or more find them"):format(where, count, #data, #data == 1 and "" or "s", calibration.least_images))
  elseif missing then
    local report = find(where, model, data, sought, given.keeps)
    if not report then return end
    entry.report, entry.of_fit = report, frozen and report or before.of_fit
    if report.flat then entry.enough = 0 end
  end
  entry.state = state()
  known[model] = entry
end

--- What was found of a model, for a file; nil before the first calibration.
---@param model scion.Model
---@return { report: scion.Int8Report, ranges: scion.SavedRange[], means: scion.Tensor }?
function calibration.state(model)
  local report = calibration.report(model)
  local state = report and quantization.state(model.order)
  if state then state.report = report end
  return state
end

--- Takes back what `state` has given, so that nothing has to be found anew.
---@param model scion.Model whose weights are those of that time
---@param state { report: scion.Int8Report, ranges: scion.SavedRange[], means: scion.Tensor }
function calibration.restore(model, state)
  quantization.restore(model.order, state)
  local report = printable.table(state.report)
  printable.table(report.wide)
  known[model] = { report = report, of_fit = report, enough = 0 }
end

--- What a calibration of a model found; nil before the first.
---@param model scion.Model
---@param frozen? boolean that of what does not train in a fit, if there was one, and not that of the whole network
---@return scion.Int8Report?
function calibration.report(model, frozen)
  local found = known[model] or {}
  return frozen and found.of_fit or found.report
end

return calibration
