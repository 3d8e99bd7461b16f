-- What the reference says and what there is are the same: every public function, every option that one takes, every field of what
-- one gives.
local check = require "scion.check"
local core = require "scion.core"
local scion = require "scion"
local docs = dofile ".make/docs.lua"
local support = dofile "spec/support/images.lua"
local nn = scion.nn

local pages = docs.load "."
local classes = docs.classes(pages)
local documented = {}
for _, page in ipairs(pages) do
  for _, item in ipairs(page.items) do documented[item.name] = item end
end

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = tostring(name) end
  table.sort(list)
  return list
end

--- What is in one set and not in the other, in words.
local function difference(title, there, told)
  local found = {}
  for _, name in ipairs(sorted(there)) do
    if not told[name] then found[#found + 1] = ("%s: %s is not documented"):format(title, name) end
  end
  for _, name in ipairs(sorted(told)) do
    if not there[name] then found[#found + 1] = ("%s: %s is documented, and does not exist"):format(title, name) end
  end
  return found
end

local function append(list, more) table.move(more, 1, #more, #list + 1, list) end

-- ---- things of every class -------------------------------------------------------------------------------------------

local folder

--- A folder with two classes of pictures of 8 x 8, and a file that is none.
local function pictures()
  if folder then return folder end
  folder = support.folder()
  for k, class in ipairs { "left", "right" } do
    support.shell(("mkdir %q"):format(folder .. "/" .. class))
    for i = 1, 4 do assert(scion.image.save(("%s/%s/%d.png"):format(folder, class, i), support.pattern(8, 8, 40 * k + i))) end
  end
  return folder
end

local function network(head) return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "a/conv" }), nn.batch_norm(), nn.relu(), nn.flatten(), head } end

local function data(given) return scion.data.folder(pictures(), given or { size = 8, batch = 4 }) end

--- A fit whose frozen part computes in bytes.
local function in_bytes()
  local model, list = network(nn.dense(2, "softmax")), {}
  for i = 1, 16 do list[i] = i % 2 + 1 end
  local history
  local told = support.stderr_of(function()
    history = model:freeze { first = 4 }:fit(scion.data.tensors(scion.zeros({ 16, 8, 8, 3 }, "u8"), list), { precision = "int8", verbose = false, quiet = true })
  end)
  assert.matches("measuring the ranges", told, 1, true)
  return history
end

--- A fit that Ctrl-C ends in its second epoch.
local function interrupted()
  local model = network(nn.dense(2, "softmax"))
  return model:fit(data(), { epochs = 3, verbose = false, on_interrupt = "return", callbacks = { step = function(step)
    if step.epoch == 2 then io.popen("kill -INT $PPID"):close() end
  end } })
end

--- Lists of values by the class that documents their fields; together they have every field that there is.
local function samples()
  local found, model, set = {}, network(nn.dense(2, "softmax")), data()
  local step, run
  local history = model:fit(set, { validate = set, quiet = true, loss = "categorical", verbose = false,
                               callbacks = { step = function(info) step = info end, epoch_ends = function(of) run = of end } })
  local broken = support.spit(pictures() .. "/left/broken.png", "no picture")
  local list = model:predict({ set.files[1], broken }, { top = 2 })
  found["scion.Batch"] = { { files = {}, y = true, weight = true } }
  for batch in scion.data.files({ broken }, { size = 8 }):batches() do found["scion.Failure"], found["scion.Batch"][2] = batch.failed, batch end
  os.remove(broken)
  local linear = network(nn.dense(3))
  local targets = scion.data.tensors(scion.zeros({ 2, 8, 8, 3 }, "u8"), scion.zeros(2, 3), { batch = 2 })
  local several = scion.data.tensors(scion.zeros({ 2, 8, 8, 3 }, "u8"), { { "a" }, { "b" } }, { batch = 2 })
  local labelled = network(nn.dense(2, "sigmoid"))
  local known = scion.models.squeezenet1_0 { input = 64 }
  local blocks = require "scion.report.blocks"
  found["scion.BlockRow"] = blocks.merged(blocks.of(known:layers())) -- as a history's stages have them, and drawings
  known.precision, known.loss, known.metrics = "f32", "categorical", { "top_3" }
  found["scion.Model"] = { model, known }
  known.reading = { background = "white", truncated = "keep" }
  found["scion.Reading"] = { model.reading, known.reading }
  found["scion.Augmentation"] = { scion.augment.flip() }
  local rows = scion.data.tensors(scion.zeros(1, 2), scion.tensor { { 0.5, 0.5 } }, { labels = { "a", "b" } })
  local other = support.spit(pictures() .. "/left/other.text", "no picture")
  support.stderr_of(function()
    local lost = scion.data.files { { path = "no such.png", label = "a" }, { path = "none.png", label = "b" } }
    for _ in lost:batches() do end -- luacheck: ignore 542
    found["scion.Problem"] = { data().problems[1], lost.problems[2] }
  end)
  os.remove(other)
  found["scion.Dataset"] = { set, data { size = 8, augment = { flip = "both" }, workers = 1 }, targets, rows, several,
                             data { size = 8, background = "white", truncated = "keep", max_pixels = 1000 } }
  local deep = scion.sequential { nn.input(64, 64, 3), nn.conv2d(32, 3), nn.conv2d(32, 3), nn.global_avg_pool(), nn.dense(2, "softmax") }
  local cached = deep:freeze { upto = "global_avg_pool_1" }:fit(data { size = 64 }, { epochs = 2, verbose = false })
  found["scion.ImageStatistics"] = {}
  for i, name in ipairs { "featurewise_std_normalization", "zca_whitening" } do
    found["scion.ImageStatistics"][i] = scion.data.statistics(scion.zeros(2, 2), { [name] = true })
  end
  found["scion.History"], found["scion.Epoch"], found["scion.Step"] = { history, interrupted(), cached, in_bytes() }, { history[1], cached[2] }, { step }
  found["scion.Run"], found["scion.StageRecord"], found["scion.CalibrationBin"] = { run }, history.stages, history.evaluation.calibration
  found["scion.StagePrice"] = { scion.schedule { { epochs = 1, train = "all" } }:plan(model, set)[1],
                                scion.schedule { { epochs = 1, train = "head" } }:plan(deep:thaw():graft { nn.dense(2, "softmax") }, data { size = 64 })[1] }
  found["scion.Loss"] = { scion.loss.focal { alpha = 0.5, activation = "sigmoid" }, scion.loss.categorical { smoothing = 0.1 }, scion.loss.huber {} }
  local logs, C = support.folder(), scion.callbacks
  found["scion.OwnCallback"] = { C.early_stopping { monitor = "loss", min_delta = 1e9, restore_best = false }, C.model_checkpoint(logs .. "/m.safetensors"),
                                 C.reduce_lr_on_plateau { monitor = "loss" }, C.csv_logger(logs .. "/log.csv"), C.tensorboard(logs), C.ema() }
  model:fit(set, { epochs = 2, verbose = false, quiet = true, callbacks = found["scion.OwnCallback"] })
  found["scion.Warning"] = model:fit(data { size = 8, augment = { shear = 0.2 } }, { epochs = 0, quiet = true }).warnings
  found["scion.Diagnosis"] = { scion.data.doctor(set) }
  found["scion.CopyGroup"] = scion.data.doctor(scion.data.tensors(scion.zeros({ 2, 8, 8, 3 }, "u8"), { 1, 2 })).copies
  local probe = model:probe(set)
  local telling = dofile "spec/support/blocks.lua"
  found["scion.Probe"], found["scion.ProbedBlock"] = { probe, telling.forgetful():probe(telling.colours(60)) }, { probe[1] }
  local two = scion.data.files({ { path = set.files[1], label = set.labels[1] }, { path = set.files[1], label = set.labels[2] } }, { size = 8, labels = set.labels })
  local wrong = scion.insight.mistakes(model, two)
  found["scion.Mistakes"], found["scion.Mistake"], found["scion.Confused"] = { wrong }, { wrong[1] }, { wrong.confused[1] }
  local near = scion.insight.neighbours(model, set, set.files[1], { n = 1, layer = model.order[#model.order - 1].layer.name })
  found["scion.Neighbours"], found["scion.Neighbour"] = { near }, { near[1] }
  found["scion.Explanation"] = { model:explain(set.files[1]) }
  local compared = scion.compare({ { "one", model }, { "two", function() return model end } }, set)
  found["scion.Comparison"], found["scion.Compared"] = { compared }, { compared[1] }
  support.stderr_of(function() table.insert(found["scion.Compared"], scion.compare({ { "one", model }, { "none", function() error "x" end } }, set)[2]) end)
  found["scion.ComparedPair"] = { compared:pair("one", "two") }
  found["scion.Transfer"] = { scion.insight.transfer(model, set, set, { repeats = 1, scratch = true }) }
  found["scion.TransferPart"] = { found["scion.Transfer"][1].whole }
  local curve = scion.insight.curve(model, set)
  found["scion.LearningCurve"], found["scion.CurvePoint"] = { curve }, { curve[1] }
  found["scion.Advice"] = { scion.insight.advise(model, set) }
  local ranking = scion.insight.rank(telling.colours(60), { telling.forgetful() })
  found["scion.Ranking"], found["scion.RankedNetwork"] = { ranking }, { ranking[1] }
  local evaluation = model:evaluate(set)
  found["scion.Evaluation"], found["scion.Score"] = { evaluation, linear:evaluate(targets), labelled:evaluate(several) }, { evaluation.classes[1] }
  found["scion.Prediction"] = { list[1], list[2], linear:predict(set.files[1])[1], labelled:predict(set.files[1])[1] }
  found["scion.LayerDescription"] = { model:layer(2) }
  found["scion.Node"], found["scion.Layer"] = { model.output }, { model.output.inputs[1].layer, nn.flatten { name = "x", origin = { keras = "y" } } }
  found["scion.Parameter"] = { model.order[2].layer.parameters[1] }
  model:freeze { upto = "a/conv" }
  found["scion.PlanReport"] = { model:plan(set), network(nn.dense(2, "softmax")):plan { cache = false } }
  local frozen = scion.models.squeezenet1_0 { input = 224 }:graft { nn.global_avg_pool(), nn.dense(2, "softmax") }
  found["scion.PlanReport"][3] = frozen:freeze { upto = "fire9" }:plan { batch = 1 }
  local narrow = network(nn.dense(2, "softmax"))
  narrow.precision = "int8"
  found["scion.PlanReport"][4] = narrow:plan { mode = "infer" }
  local precision = require "scion.precision"
  local emulates = precision.emulates
  precision.emulates, narrow.precision = true, { frozen = "int8", trained = "bf16" }
  found["scion.PlanReport"][5], found["scion.PrecisionOptions"] = narrow:plan(), { narrow.precision }
  precision.emulates, narrow.precision = emulates, "fast"
  found["scion.PlanReport"][6] = narrow:plan()
  local machine, bytes = require "scion.machine", core.int8()
  local rate = machine.narrow.int8[bytes]
  machine.narrow.int8[bytes] = 9 -- so that one image is too few for it, whatever the instructions
  found["scion.Fastest"] = { found["scion.PlanReport"][6].fast, require("scion.fastest").of(network(nn.dense(2, "softmax")), 1) }
  machine.narrow.int8[bytes] = rate
  found["scion.Optimizer"] = {}
  for _, make in pairs(scion.optim) do table.insert(found["scion.Optimizer"], make()) end
  found["scion.Rate"] = { scion.lr.cosine(1) }
  found["scion.OptimizerGroup"] = scion.optim.sgd({ groups = { { layers = "a", lr = 1, weight_decay = 0 } } }).groups
  found["scion.ModelList"], found["scion.Architecture"] = { scion.models.list() }, { table.unpack(scion.models.list()) }
  found["scion.Variant"], found["scion.WeightsFile"] = {}, {}
  for _, architecture in ipairs(found["scion.Architecture"]) do
    append(found["scion.Variant"], architecture.variants)
    for _, variant in ipairs(architecture.variants) do append(found["scion.WeightsFile"], variant.weights) end
  end
  local comm = require "scion.mpi"
  local machines = comm:plan(model, set, { bandwidth = 1e9, latency = 1e-4 })
  found["scion.Comm"], found["scion.Machines"], found["scion.MachinesRow"], found["scion.StepCost"] = { comm }, { machines }, { machines[1] }, { machines.cost }
  local place = support.folder()
  local saved = place .. "/m.safetensors"
  model:save(saved)
  found["scion.WeightsReport"] = { scion.weights.load(model, saved) }
  os.remove(saved)
  model:export(saved)
  support.spit(place .. "/config.json", core.json_encode {
    architecture = "other", num_classes = 2, model_args = { act_layer = "gelu" }, label_names = { "a", "b" },
    pretrained_cfg = { mean = { 0, 0, 0 }, std = { 1, 1, 1 }, input_size = { 3, 8, 8 }, interpolation = "bicubic", crop_pct = 0.875 } })
  table.insert(found["scion.WeightsReport"], model:load_weights(saved))
  local convolutions = scion.sequential { nn.input(8, 9, 3), nn.conv2d(6, { 3, 2 }, { bias = false, name = "features/0" }) }
  table.insert(found["scion.WeightsReport"], convolutions:load_weights("spec/fixtures/weights/checkpoint_1.pth", { strict = false }))
  assert(core.safetensors_write(saved, { ["0.weight"] = scion.zeros { 6, 3, 3, 2 }, ["1.weight"] = scion.zeros { 2, 6, 1, 1 } }))
  os.remove(place .. "/config.json")
  local parts = scion.sequential { nn.input(8, 9, 3), nn.conv2d(6, { 3, 2 }, { bias = false, name = "a" }), nn.conv2d(2, 1, { bias = false, name = "b" }) }
  table.insert(found["scion.WeightsReport"], parts:load_weights(saved))
  found["scion.WeightsConfig"] = { found["scion.WeightsReport"][2].config }
  return found
end

-- ---- options, as they are checked --------------------------------------------------------------------------------------

local inner = {} -- the options of options that were met: their schemas

--- Calls f, and gives the names of the options that it looks for in tables that hold `no_such_option`, by the place of the check.
local function options_of(f)
  local before, seen, places = check.options, {}, {}
  local function look(where, given, schema, ...)
    if type(given) == "table" and rawget(given, "no_such_option") ~= nil then
      for name in pairs(schema) do seen[name] = true end
      if where == "" then inner[schema] = true end
      local info = debug.getinfo(2, "Sl")
      places[("%s:%d"):format(info.short_src:match "lua/scion/.*$" or info.short_src, info.currentline)] = true
    end
    return before(where, given, schema, ...)
  end
  check.options = look
  local ok, message = pcall(f)
  check.options = before
  if not ok and not tostring(message):find("no_such_option", 1, true) then error(message, 0) end
  return seen, places
end

--- The names that a comment gives: of a class and its parents, or of a type such as { lr: number?, momentum: number? }.
local function names_told(of)
  local told = {}
  for _, class in ipairs(docs.family(classes[of:match "^[%w_.]+"], classes)) do
    for _, field in ipairs(class.fields) do told[field.name] = true end
  end
  for name in (of:match "^{(.*)}" or ""):gmatch "([%w_]+): " do told[name] = true end
  return told
end

local unknown = { no_such_option = 1 }

--- How every function is called that takes options: by its name in the reference, or by what the options are documented as.
local function calls()
  local model, set = network(nn.dense(2, "softmax")), data()
  local images = scion.zeros({ 2, 8, 8, 3 }, "u8")
  local list = {
    ["model:fit"] = function(given) model:fit(set, given) end,
    ["model:evaluate"] = function(given) model:evaluate(set, given) end,
    ["model:predict"] = function(given) model:predict(set, given) end,
    ["model:features"] = function(given) model:features(set, "a/conv", given) end,
    ["model:plan"] = function(given) model:plan(given) end,
    ["history:report"] = function(given) model.history:report(pictures() .. "/run.html", given) end,
    ["model:freeze"] = function(given) model:freeze(given) end,
    ["model:thaw"] = function(given) model:thaw(given) end,
    ["scion.model"] = function(given) scion.model(given) end,
    ["scion.data.folder"] = function(given) scion.data.folder(pictures(), given) end,
    ["scion.data.files"] = function(given) scion.data.files({}, given) end,
    ["scion.data.csv"] = function(given) scion.data.csv("x.csv", given) end,
    ["scion.data.tensors"] = function(given) scion.data.tensors(images, nil, given) end,
    ["scion.image.resize"] = function(given) scion.image.resize(scion.zeros({ 4, 4, 3 }, "u8"), 2, given) end,
    ["scion.data.statistics"] = function(given) scion.data.statistics(images, given) end,
    ["scion.data.doctor"] = function(given) scion.data.doctor(set, given) end,
    ["data:show"] = function(given) set:show(pictures() .. "/sheet.png", given) end,
    ["data:batches"] = function(given) set:batches(1, given) end,
    ["data:with"] = function(given) set:with(given) end,
    ["scion.SplitOptions"] = function(given) set:split(0.5, given) end,
    ["model:export"] = function(given) model:export(pictures() .. "/net.h5", given) end,
    ["model:load_weights"] = function(given) model:load_weights("x.h5", given) end,
    ["scion.models.from_keras"] = function(given) scion.models.from_keras("x.keras", given) end,
    ["scion.weights.load"] = function(given) scion.weights.load(model, pictures() .. "/left/1.png", given) end,
    ["scion.PrecisionOptions"] = function(given) model:fit(set, { precision = given }) end,
    ["scion.CacheOptions"] = function(given) model:fit(set, { cache = given }) end,
    ["scion.Statistics"] = function(given) nn.input { shape = { 8, 8, 3 }, preprocess = given } end,
    ["scion.Preprocessing"] = function() nn.input { shape = { 8, 8, 3 }, preprocess = { scale = { 1, 1, 1 }, no_such_option = 1 } } end,
    ["scion.OptimizerGroup"] = function(given) local _ = scion.optim.sgd { groups = { given } } end,
    ["scion.Callback"] = function(given) model:fit(set, { callbacks = given }) end,
    ["scion.ClipOptions"] = function(given) model:fit(set, { clip = given }) end,
    ["scion.OwnMetric"] = function(given) model:evaluate(set, { metrics = { given } }) end,
  }
  for name, make in pairs(scion.optim) do list["scion.optim." .. name] = make end
  for name, make in pairs(scion.lr) do list["scion.lr." .. name] = make end
  for name, make in pairs(scion.schedule) do list["scion.schedule." .. name] = make end
  for name, make in pairs(scion.loss) do list["scion.loss." .. name] = name ~= "check" and make or nil end
  list["scion.StageOptions"] = function(given) scion.schedule { given } end
  list["scion.LrFindOptions"] = function(given) model:lr_find(set, given) end
  list["scion.ProbeOptions"] = function(given) model:probe(set, given) end
  list["scion.MistakesOptions"] = function(given) scion.insight.mistakes(model, set, given) end
  list["scion.NeighboursOptions"] = function(given) scion.insight.neighbours(model, set, set.files[1], given) end
  list["scion.ExplainOptions"] = function(given) model:explain(set.files[1], given) end
  list["scion.insight.filters"] = function(given) scion.insight.filters(model, model.order[2].layer.name, support.folder() .. "/x.png", given) end
  list["scion.insight.activations"] = function(given) scion.insight.activations(model, set.files[1], model.order[2].layer.name, support.folder() .. "/x.png", given) end
  list["mistakes:show"] = function(given) scion.insight.mistakes(model, set):show(support.folder() .. "/x.png", given) end
  list["scion.AdviseOptions"] = function(given) scion.insight.advise(model, set, given) end
  list["scion.insight.rank"] = function(given) scion.insight.rank(set, { model }, given) end
  list["scion.CurveOptions"] = function(given) scion.insight.curve(model, set, given) end
  list["scion.EmbedOptions"] = function(given) scion.insight.embed(scion.zeros { 4, 3 }, given) end
  list["scion.TransferOptions"] = function(given) scion.insight.transfer(model, set, given) end
  list["scion.MachinesOptions"] = function(given) require "scion.mpi":plan(model, set, given) end
  list["schedule:plan"] = function(given) scion.schedule { { train = "all" } }:plan(model, set, given) end
  list["scion.RateOptions"] = function(given) scion.lr.cosine(1):at(given) end
  for name, make in pairs(nn) do list["scion.nn." .. name] = make end
  for name, make in pairs(scion.augment) do list["scion.augment." .. name] = make end
  for name, make in pairs(scion.callbacks) do list["scion.callbacks." .. name] = make end
  list["scion.augment.image_data_generator"] = function(given) scion.data.folder(pictures(), { augment = given }) end
  return list
end

--- What the reference says of the options of one of these.
local function told_of(name)
  if classes[name] then return names_told(name) end
  local item = documented[name]
  if not item then return names_told "scion.LayerOptions" end -- nn.relu and the like
  if item.kind ~= "function" then return names_told(item.doc.class) end
  local given = item.doc.type and item.doc.type:match "^fun%(given%??: ([%w_.]+)"
  if given then return classes[given] and names_told(given) or {} end
  for _, p in ipairs(item.doc.params) do
    if p.name == "given" then return names_told(p.type) end
  end
  return {}
end

-- ---- the specs ---------------------------------------------------------------------------------------------------------

describe("the reference", function()
  teardown(support.done)

  it("has every public function, and no other", function()
    local there, told = {}, {}
    local function walk(prefix, of)
      for name, value in pairs(of) do
        if type(value) == "function" then there[prefix .. name] = true end
      end
    end
    walk("scion.", scion)
    for _, module in ipairs { "augment", "callbacks", "data", "image", "insight", "loss", "lr", "models", "nn", "optim", "schedule", "weights" } do
      walk("scion." .. module .. ".", scion[module])
    end
    local set, model = data(), network(nn.dense(2, "softmax"))
    local function methods(of)
      local meta, public = getmetatable(of), {}
      for name, method in pairs(meta.__methods or meta.methods or meta.__index) do
        if not name:find "^__" then public[name] = method end
      end
      return public
    end
    walk("model:", methods(model))
    walk("data:", methods(set))
    walk("history:", methods(model.history))
    walk("t:", methods(scion.zeros(1)))
    walk("layer:", methods(nn.relu()))
    walk("rate:", methods(scion.lr.cosine(1)))
    walk("schedule:", methods(scion.schedule { { epochs = 1 } }))
    walk("comm:", methods(require "scion.mpi"))
    local saved = pictures() .. ".safetensors"
    walk("statistics:", methods(scion.data.statistics(scion.zeros(2, 2), { featurewise_center = true })))
    walk("explanation:", methods(model:explain(set.files[1])))
    walk("comparison:", methods(scion.compare({ { "one", model } }, set)))
    walk("advice:", methods(scion.insight.advise(model, set)))
    walk("mistakes:", methods(scion.insight.mistakes(model, set)))
    walk("neighbours:", methods(scion.insight.neighbours(model, set, set.files[1], { layer = model.order[2].layer.name })))
    walk("report:", methods(scion.weights.load(model:save(saved), saved)))
    os.remove(saved)
    for name, item in pairs(documented) do
      if item.kind ~= "class" and item.kind ~= "alias" then told[name] = true end
    end
    local activation = table.concat(documented["scion.nn.activation"].doc.text, " ")
    for _, name in ipairs { "relu", "relu6", "sigmoid", "tanh", "softmax", "swish", "hard_swish", "hard_sigmoid", "gelu", "gelu_tanh" } do
      assert.matches("%f[%w_]" .. name .. "%f[^%w_]", activation)
      told["scion.nn." .. name] = true
    end
    assert.is_true(#sorted(there) > 90)
    assert.equal("", table.concat(difference("functions", there, told), "\n"))
  end)

  it("has every option that a function takes, and no other", function()
    local found, reached = {}, {}
    local list = calls()
    for _, name in ipairs(sorted(list)) do
      local there, places = options_of(function() list[name](unknown) end)
      for place in pairs(places) do reached[place] = true end
      append(found, difference(name, there, told_of(name)))
    end
    local of_models = {}
    for _, architecture in ipairs(scion.models.list()) do
      local there, places = options_of(function() architecture(unknown) end)
      for name in pairs(there) do of_models[name] = true end
      for place in pairs(places) do reached[place] = true end
    end
    append(found, difference("scion.models", of_models, names_told "scion.ModelOptions"))
    assert.equal("", table.concat(found, "\n"))
    -- and no check of options in the sources was left out
    local pipe = io.popen "grep -rnE 'check\\.options\\(' lua/scion --include=*.lua"
    for line in pipe:lines() do
      local place, code = line:match "^(.-:%d+):%s*(.*)"
      local ours = code:find "%(where" and code:find "^return" -- a tail call, which leaves no place: nn.X, of which every one is called here
        or code:find '%("augment"' -- which reads on what data sets were given
        or place:find "/saved.lua" -- files, not users
      if not ours and not code:find "^%-%-" and not place:find "/check.lua" and not reached[place] then
        found[#found + 1] = place .. ": these options are compared with no documentation: " .. code
      end
    end
    pipe:close()
    assert.equal("", table.concat(found, "\n"))
    local tables = support.shell "grep -rho 'check\\.table_of' lua/scion --include=*.lua --exclude=saved.lua --exclude=reading.lua | wc -l"
    assert.is_true(#sorted(inner) >= tonumber(tables) - 1) -- one is its definition
  end)

  it("has every field of what users get, and no other", function()
    local found = {}
    local of = samples()
    for _, name in ipairs(sorted(of)) do
      local there, told, public = {}, {}, {}
      for _, value in ipairs(of[name]) do
        for key in pairs(value) do there[math.type(key) == "integer" and "[integer]" or key] = true end
      end
      for _, field in ipairs((classes[name] or error(name .. " is not documented")).fields) do
        told[field.name] = true
        if not field.private then public[field.name] = true end
        for _, value in ipairs(of[name]) do -- constants of a class, and methods that are documented as fields
          local ok, got = pcall(function() return value[field.name] end)
          if ok and got ~= nil then there[field.name] = true end
        end
      end
      for key in pairs(told) do
        if not public[key] then there[key] = true end -- private ones come and go
      end
      append(found, difference(name, there, told))
    end
    assert.equal("", table.concat(found, "\n"))
    local calls_made = calls()
    for name, class in pairs(classes) do -- a class that nobody compares is one that nobody would miss
      local given = name:find "Options$" or name:find "^scion%.nn%." or name:find "^scion%.callbacks%." or calls_made[name] or #class.fields == 0
      local indexed = class.fields[1] and class.fields[1].name:find "^%[integer" -- a tensor: it has methods alone
      if not given and not indexed and not of[name] then found[#found + 1] = name .. " has no sample here" end
    end
    assert.equal("", table.concat(found, "\n"))
  end)

  it("is missed where it is missing", function()
    assert.same({ "x: b is not documented", "x: c is documented, and does not exist" }, difference("x", { a = true, b = true }, { a = true, c = true }))
    assert.same({ lr = true, rho = true }, names_told "{ lr: number?, rho: number? }?")
    local there = options_of(function() scion.optim.sgd(unknown) end)
    assert.is_true(there.momentum)
    assert.is_nil(there.beta1)
  end)

  it("has a page for each module, with contents, and nothing empty", function()
    local target = support.folder()
    local out, status = support.shell("lua5.4 .make/docs.lua " .. target)
    assert.same({ "", 0 }, { out, status })
    for _, page in ipairs(pages) do
      local text = support.slurp(("%s/%s.md"):format(target, page.name))
      assert.matches("^# " .. page.name .. "\n", text)
      for title in text:gmatch "\n### ([^\n]+)" do
        local link = title:gsub("`", ""):lower():gsub("[^%w _-]", ""):gsub(" ", "-")
        assert.is_truthy(text:find("](#" .. link .. ")", 1, true), title .. " is not among the contents")
      end
      local empty = text:match "\n### ([^\n]+)\n+###" or text:match "\n### ([^\n]+)\n*$"
      assert.is_nil(empty)
      assert.is_nil(text:match "%- `[^`\n]*$")
    end
    assert.matches("(data.md#sciondatafolderpath-given)", support.slurp(target .. "/README.md"), 1, true)
  end)
end)
