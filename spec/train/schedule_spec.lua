-- Freeze schedules: what each stage trains, what is checked before anything runs, and what a stage is said to take.
local messages = dofile "spec/support/messages.lua"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local nn = scion.nn

local images = scion.uniform({ 24, 8, 8, 3 }, 0, 255):to "u8"
local labels = {}
for i = 1, 24 do labels[i] = i % 3 + 1 end
local data = scion.data.tensors(images, labels, { batch = 6, labels = { "a", "b", "c" } })

local function trunk()
  scion.seed(2)
  return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "low/conv", activation = "relu" }), nn.conv2d(4, 3, { name = "mid/conv", activation = "relu" }),
                            nn.batch_norm { name = "mid/norm" }, nn.conv2d(4, 3, { name = "top/conv", activation = "relu" }) }
end

local function network() return trunk():graft { nn.global_avg_pool(), nn.dense(5, "relu", { name = "hidden" }), nn.dense(3, "softmax", { name = "out" }) } end

local function trained_by(stage)
  local model, first = network(), nil
  stage.epochs = 1
  model:fit(data, { schedule = scion.schedule { stage }, verbose = false, quiet = true })
  for _, layer in ipairs(model:layers()) do
    if layer.trainable > 0 then first = first or layer.name end
  end
  return first
end

describe("a stage", function()
  it("trains the head, blocks from the trunk's end on, or what it names", function()
    assert.equal("hidden", trained_by { train = "head" })
    assert.equal("low/conv", trained_by { train = "all" })
    assert.equal("top/conv", trained_by { blocks = 1 })
    assert.equal("mid/conv", trained_by { blocks = 2 })
    assert.equal("low/conv", trained_by { blocks = 3 })
    assert.equal("mid/norm", trained_by { from = "mid/norm" })
    assert.equal("mid/conv", trained_by { from = "mid" })
    assert.equal("top/conv", trained_by { upto = "mid" })
    assert.equal("top/conv", trained_by { first = 4 })
    assert.equal("low/conv", trained_by {})
  end)

  it("knows the head of a model that was saved, grafted further, or never grafted", function()
    local function head(model)
      model:fit(data, { schedule = scion.schedule { { train = "head" } }, verbose = false, quiet = true })
      for _, layer in ipairs(model:layers()) do
        if layer.trainable > 0 then return layer.name end
      end
    end
    local path = os.tmpname() .. ".safetensors"
    network():save(path)
    assert.equal("hidden", head(scion.load(path)))
    os.remove(path)
    local twice = trunk():graft { nn.global_avg_pool() }:graft { nn.dense(3, "softmax", { name = "out" }) }
    assert.equal("out", head(twice))
    scion.seed(2)
    assert.equal("last", head(scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3), nn.flatten(), nn.dense(3, "softmax", { name = "last" }) }))
  end)

  it("has an optimizer and a rate of its own, or those before", function()
    local adam, sgd = scion.optim.adam { lr = 2e-3 }, scion.optim.sgd { lr = 0.25 }
    local history = network():fit(data, { verbose = false, quiet = true, optimizer = adam,
      schedule = scion.schedule { { train = "head" }, { blocks = 1, lr = 1e-3 }, { train = "all", optimizer = sgd }, { lr = 0.125 } } })
    local rates = {}
    for i, entry in ipairs(history) do rates[i] = entry.lr end
    assert.same({ 2e-3, 1e-3, 0.25, 0.125 }, rates)
  end)

  it("keeps its stages, and says how to make another one of them", function()
    local s = scion.schedule { { train = "head" }, { blocks = 1 } }
    local text = "a schedule keeps the elements that it was made with: make another one of its stages: scion.schedule{ s[1], s[2], … }"
    assert.equal(text, messages.refused(function() s[3] = { train = "all" } end))
    assert.equal(text, messages.refused(function() table.remove(s, 1) end))
    local longer = scion.schedule { s[2], s[1], { train = "all", epochs = 2 } }
    assert.same({ "1 epoch, blocks = 1", "1 epoch, train = 'head'", "2 epochs, train = 'all'" }, { tostring(longer[1]), tostring(longer[2]), tostring(longer[3]) })
    longer[1].epochs = 5
    assert.equal(1, s[2].epochs)
  end)

  it("shortens nothing where the table has no room", function()
    local s = scion.schedule { { epochs = 2, train = "head", optimizer = scion.optim.adamw { lr = scion.lr.warmup(scion.lr.cosine(1e-3), { epochs = 1 }) } }, { blocks = 1 } }
    local text = require("scion.report.text").at_width(40, tostring, s)
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 40, text) end
    assert.equal(("1. %s 2. %s"):format(tostring(s[1]), tostring(s[2])), (text:gsub("%s+", " ")))
  end)

  it("is refused where it freezes more layers than there are", function()
    assert.equal("fit: schedule: stage 1: first = 500, but the model has " .. #network():layers() .. " layers", messages.refused(function()
      network():fit(data, { schedule = scion.schedule { { first = 500 } } })
    end))
  end)

  it("takes another choice only in place of the one that it has", function()
    local s = scion.schedule { { train = "head" } }
    assert.equal("a stage: blocks cannot stand beside train, as a stage takes one of train, from, upto, first and blocks: set train = nil first",
                 messages.refused(function() s[1].blocks = 1 end))
    s[1].train = "all"
    s[1].train = nil
    s[1].blocks = 1
    assert.equal("1 epoch, blocks = 1", tostring(s[1]))
  end)

  it("begins with an optimizer's own rate where it names the optimizer, whatever rate a stage before has given to it", function()
    local adam = scion.optim.adam { lr = 2e-3 }
    local history = network():fit(data, { verbose = false, quiet = true,
      schedule = scion.schedule { { train = "head", optimizer = adam }, { blocks = 1, lr = 1e-4 }, { blocks = 1, optimizer = scion.optim.sgd { lr = 0.25 } },
                                  { train = "all", optimizer = adam } } })
    local rates = {}
    for i, entry in ipairs(history) do rates[i] = entry.lr end
    assert.same({ 2e-3, 1e-4, 0.25, 2e-3 }, rates)
  end)

  it("leaves its optimizers as they were, so that the next fit begins with the same rates", function()
    local adam, sgd, failing = scion.optim.adam { lr = 2e-3 }, scion.optim.sgd { lr = 0.25 }, false
    local s = scion.schedule { { train = "head", optimizer = adam }, { blocks = 1, lr = scion.lr.cosine(1e-3) }, { train = "all", optimizer = sgd }, { lr = 0.125 } }
    local function rates()
      local list = {}
      local own = { epoch_ends = function(run)
        list[#list + 1] = run.entry.lr
        if failing and run.stage == 4 then error "enough" end
      end }
      pcall(function() network():fit(data, { verbose = false, quiet = true, schedule = s, callbacks = { own } }) end)
      return list
    end
    local first, text = rates(), tostring(s)
    assert.equal(2e-3, first[1])
    failing = true
    assert.same(first, rates())
    assert.same({ first, text, 2e-3, 0.25 }, { rates(), tostring(s), adam.lr, sgd.lr })
  end)

  it("raises before the first stage where a later one's rate cannot be", function()
    local model, warm = network(), scion.lr.warmup(1e-3, { epochs = 9 })
    local function fit(stage)
      return function()
        model:fit(data, { verbose = false, quiet = true, schedule = scion.schedule { { epochs = 1, train = "head" }, stage } })
      end
    end
    local expected = "fit: stage 2: the warm-up of the learning rate takes"
    assert.matches(expected, messages.refused(fit { epochs = 1, blocks = 1, lr = warm }), 1, true)
    assert.matches(expected, messages.refused(fit { epochs = 1, blocks = 1, optimizer = scion.optim.adam { groups = { { layers = "*", lr = warm } } } }), 1, true)
    assert.same({ 0, 0 }, { model.epoch, model.steps })
  end)

  it("ends early on a plateau, and a callback hears of its end", function()
    local ends = {}
    local history = network():fit(data, { verbose = false, quiet = true, callbacks = { { stage_ends = function(run) ends[#ends + 1] = { run.stage, run.epoch } end } },
      schedule = scion.schedule { { epochs = 9, train = "head", optimizer = scion.optim.sgd { lr = 0 }, patience = 2 }, { epochs = 2, train = "all" } } })
    assert.equal(5, #history) -- the loss of the first epoch is the best, and two more do not fall below it
    assert.same({ { 1, 3 }, { 2, 5 } }, ends)
  end)

  it("may be changed while the one before it runs", function()
    local s = scion.schedule { { epochs = 1, train = "head" }, { epochs = 5, train = "all" } }
    local history = network():fit(data, { schedule = s, verbose = false, quiet = true, callbacks = { { stage_ends = function() s[2].epochs = 2 end } } })
    assert.equal(3, #history)
    assert.matches("a stage: epochs is a whole number from 1", messages.refused(function() s[2].epochs = 0 end), 1, true)
    assert.matches("a stage has no field 'epoch': did you mean 'epochs'?", messages.refused(function() s[2].epoch = 3 end), 1, true)
  end)
end)

describe("a schedule", function()
  it("is made of stages, of two prongs, or block by block", function()
    local two = scion.schedule.two_pronged { from = "top", epochs = { 1, 3 } }
    assert.same({ 2, "head", "top", 3 }, { #two, two[1].train, two[2].from, two[2].epochs })
    assert.equal("sgd(lr = 0.0001, momentum = 0.9)", tostring(two[2].optimizer))
    local gradual = scion.schedule.gradual { blocks = 2, lr = { 1e-3, 1e-4 } }
    assert.same({ 3, "head", 1, 2, 1e-4 }, { #gradual, gradual[1].train, gradual[2].blocks, gradual[3].blocks, gradual[3].lr })
    assert.equal(2, scion.schedule.gradual { when = "plateau", patience = 2 }[2].patience)
    assert.equal("stage  epochs  trains          optimizer  lr      patience\n    1       1  train = 'head'  as before\n" ..
                 "    2       1  blocks = 1      as before  0.001\n    3       1  blocks = 2      as before  1e-04",
                 (tostring(gradual):gsub("[ ]+\n", "\n"):gsub("0.0001", "1e-04"):gsub(" +$", "")))
  end)

  it("is refused before anything runs where it makes no sense", function()
    local model = network()
    local function refused(text, stages, o)
      local given = o or {}
      local before = model:layers()
      assert.matches(text, messages.refused(function()
        given.schedule = type(stages) == "table" and getmetatable(stages) == nil and scion.schedule(stages) or stages
        model:fit(data, given)
      end), 1, true)
      assert.same({ 0, 0 }, { model.epoch, #model.history })
      for i, layer in ipairs(model:layers()) do assert.equal(before[i].frozen, layer.frozen) end
    end
    refused("fit: schedule: stage 2: no layer is named 'mixed9'; the nearest are", { { train = "head" }, { from = "mixed9" } })
    refused("fit: schedule: stage 2 (first = 8) trains nothing: every layer with weights is frozen", { { train = "head" }, { first = 8 } })
    refused("fit: schedule: stage 1: blocks = 4, but the trunk has 3 blocks with weights", { { blocks = 4 } })
    refused("scion.schedule: stage 1 takes one of train, from, upto, first and blocks, not both train and from", { { train = "head", from = "top" } })
    refused("scion.schedule: stage 2: unknown option 'epoch' (did you mean 'epochs'?)", { {}, { epoch = 2 } })
    refused("scion.schedule: stage 1: optimizer is an optimizer, such as scion.optim.adam(), not 'adam'", { { optimizer = "adam" } })
    refused("scion.schedule: a schedule is a list of stages, such as { { epochs = 2, train = 'head' }", {})
    refused("fit: schedule is a schedule, as scion.schedule{ { epochs = 2, train = 'head' }, … } makes one, not 7", 7)
    refused("fit: a schedule has its own epochs; leave out either", { {} }, { epochs = 2 })
    assert.matches("scion.schedule has no 'gradul': did you mean 'gradual'?", messages.refused(function() return scion.schedule.gradul end), 1, true)
    assert.matches("scion.schedule.two_pronged: from is missing", messages.refused(function() scion.schedule.two_pronged {} end), 1, true)
    assert.matches("scion.schedule.gradual: lr is a list of 2, but 3 blocks are thawed", messages.refused(function() scion.schedule.gradual { lr = { 1, 2 } } end), 1, true)
  end)

  it("tells what each stage would take, and changes nothing", function()
    local model = network()
    local before = model.order[2].layer:weight("kernel"):bytes()
    model:freeze { upto = "low" }
    local prices = scion.schedule { { epochs = 2, train = "head" }, { epochs = 3, blocks = 1 } }:plan(model, data, { validate = data })
    assert.same({ 2, 2, 3 }, { #prices, prices[1].epochs, prices[2].epochs })
    assert.same({ 43, 43 + 4 * 4 * 9 + 4 }, { prices[1].trainable, prices[2].trainable })
    assert.equal("mid/norm", prices[2].frontier)
    assert.is_true(prices[1].seconds > 0 and math.abs(prices.seconds - prices[1].seconds - prices[2].seconds) < 1e-9)
    assert.matches("^stage 1: 2 epochs, 43 parameters train,", tostring(prices))
    assert.is_true(model.order[2].layer.frozen)
    assert.is_false(model.order[3].layer.frozen)
    assert.equal(before, model.order[2].layer:weight("kernel"):bytes())
    assert.same({ 0, 0 }, { model.steps, model.epoch })
  end)

  it("keeps outputs of frozen layers where its stages can share them", function()
    local limits = require("scion.train.schedule").cache_limits
    local model = network()
    local function of(stages) return limits(scion.schedule(stages), model) end
    assert.same({}, of { { train = "head" } })
    assert.same({ "low/conv" }, of { { epochs = 1, train = "head" }, { epochs = 1, blocks = 2 } })
    assert.same({}, of { { epochs = 50, train = "head" }, { epochs = 1, blocks = 2 } }) -- 50 epochs pay for a second pass
    assert.same({}, of { { epochs = 5, train = "head" }, { train = "all" } })
  end)

  it("uses what is kept in a later stage", function()
    local out = support.stderr_of(function()
      scion.seed(2)
      local wide = scion.sequential { nn.input(24, 24, 3), nn.conv2d(32, 3, { name = "low/one" }), nn.conv2d(32, 5, { name = "low/two" }),
                                      nn.conv2d(32, 3, { name = "mid/conv" }) }
        :graft { nn.conv2d(8, 3, { name = "head/conv" }), nn.global_avg_pool(), nn.dense(3, "softmax") }
      local set = scion.data.tensors(scion.uniform({ 24, 24, 24, 3 }, 0, 255):to "u8", labels, { batch = 6 })
      local history = wide:fit(set, { verbose = false, quiet = true, schedule = scion.schedule { { epochs = 1, train = "head" }, { epochs = 1, blocks = 1 } } })
      assert.same({ 24, 24 }, { history.cache.misses, history.cache.hits })
    end)
    assert.equal("", out)
  end)
end)
