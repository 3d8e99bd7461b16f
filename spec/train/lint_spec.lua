-- What fit tells of a recipe before it begins: each rule seen, and each silent on the recipe of README.md.
local core = require "scion.core"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local A, nn = scion.augment, scion.nn

-- A folder of `count` images for each class: of one class's own value.
local function folder(path, count)
  assert(lfs.mkdir(path))
  for class, n in pairs(count) do
    assert(lfs.mkdir(path .. "/" .. class))
    for i = 1, n do assert(scion.image.save(("%s/%s/%d.png"):format(path, class, i), core.new({ 8, 8, 3 }, "u8"):fill(20 * i % 250 + #class))) end
  end
  return path
end

local root, trunk_file

local function set(name, given)
  local o = { size = 8, batch = 8 }
  for key, value in pairs(given or {}) do o[key] = value end
  return scion.data.folder(root .. "/" .. name, o)
end

-- A trunk whose weights were loaded, under a new head.
local function grafted()
  local base = scion.load(trunk_file)
  return base:graft { nn.global_avg_pool(), nn.dense(2, "softmax", { name = "head" }) }, base
end

-- The rules that fit tells of, and the messages by rule.
local function told(model, data, given)
  local rules, by_rule = {}, {}
  local o = { epochs = 0, verbose = false, warn = function(message, rule)
    assert.is_nil(by_rule[rule])
    by_rule[rule] = message
  end }
  for key, value in pairs(given or {}) do o[key] = value or nil end
  local history = model:fit(data, o)
  for i, warning in ipairs(history.warnings) do
    rules[i] = warning.rule
    assert.equal(warning.message, by_rule[warning.rule])
  end
  return rules, by_rule
end

describe("fit's warnings", function()
  setup(function()
    root = support.folder()
    folder(root .. "/train", { jar = 10, lid = 10 })
    folder(root .. "/test", { jar = 2, lid = 2 })
    assert(lfs.mkdir(root .. "/more"))
    folder(root .. "/more/test", { jar = 2, lid = 2 })
    folder(root .. "/more/val", { jar = 2, lid = 2 })
    folder(root .. "/rare", { jar = 10, lid = 3 })
    folder(root .. "/tiny", { jar = 4, lid = 3 })
    trunk_file = root .. "/trunk.safetensors"
    scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "first" }), nn.conv2d(4, 3, { name = "second" }) }:save(trunk_file)
  end)
  teardown(support.done)

  it("are none for the recipe of two prongs, nor for a network from scratch", function()
    local train = set("train", { augment = { shear = 11.5, zoom = 0.2, flip = "horizontal" } })
    local test = set("test", { labels = train.labels, shuffle = false })
    local model, base = grafted()
    base:freeze()
    local seen = support.stderr_of(function()
      local history = model:fit(train, { epochs = 1, validate = test, optimizer = scion.optim.rmsprop(), verbose = false })
      assert.same({}, history.warnings)
      model:freeze { upto = "first" }
      assert.same({}, model:fit(train, { epochs = 1, validate = test, optimizer = scion.optim.sgd { lr = 1e-4, momentum = 0.9 }, verbose = false }).warnings)
      assert.same({}, model:fit(train, { epochs = 1, optimizer = scion.optim.adam { lr = 1e-3 }, verbose = false }).warnings)
    end)
    assert.equal("", seen)
    local scratch = scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3), nn.global_avg_pool(), nn.dense(2, "softmax") }
    assert.same({}, (told(scratch, train, { epochs = 1, optimizer = scion.optim.sgd { lr = 0.1 } })))
    assert.same({}, (told(scratch, train, { optimizer = scion.optim.sgd { lr = 0.1 } }))) -- trained, and not pretrained
    scratch:save(root .. "/scratch.safetensors")
    assert.same({}, (told(scion.load(root .. "/scratch.safetensors"), train, { optimizer = scion.optim.sgd { lr = 0.1 } })))
  end)

  it("are told of a pretrained trunk that trains under a new head", function()
    local model = grafted()
    local rules, by_rule = told(model, set "train")
    assert.same({ "fresh_head" }, rules)
    assert.equal("head has random weights, and the pretrained layers below it train from the first step (first on): its first gradients spoil " ..
                 "them; freeze them (base:freeze()) for the first epochs, and thaw some afterwards", by_rule.fresh_head)
    told(model, set "train", { epochs = 1 })
    assert.same({}, (told(model, set "train"))) -- now it has learned something
  end)

  it("are told of a high learning rate for a pretrained trunk", function()
    local model, base = grafted()
    base:freeze()
    assert.same({}, (told(model, set "train", { epochs = 1, optimizer = scion.optim.adam { lr = 0.1 } })))
    base:thaw { layers = "second" }
    local rules, by_rule = told(model, set "train", { optimizer = scion.optim.adam { lr = 2e-3 } })
    assert.same({ "learning_rate" }, rules)
    assert.equal("a learning rate of 0.002 is high for the pretrained layers that train (second on), which it makes forget: adam takes 0.001 or less there",
                 by_rule.learning_rate)
    assert.same({}, (told(model, set "train", { optimizer = scion.optim.sgd { lr = 0.01 } })))
    assert.same({ "learning_rate" }, (told(model, set "train", { optimizer = scion.optim.sgd { lr = 0.011 } })))
  end)

  it("are told, once, of a rate of 0, of groups that never train, and of callbacks that are there twice", function()
    local C, sgd = scion.callbacks, scion.optim.sgd
    local model, base = grafted()
    base:freeze()
    local function one(text, given)
      local rules, by_rule = told(model, set "train", given)
      assert.equal(1, #rules)
      assert.matches(text, by_rule[rules[1]], 1, true)
      return rules[1]
    end
    local function none(given) assert.same({}, (told(model, set "train", given))) end
    assert.equal("zero_rate", one("the learning rate is 0, so that no step changes a weight", { optimizer = sgd { lr = 0 } }))
    none { optimizer = sgd { lr = 0, groups = { { layers = "head", lr = 0.1 } } } }
    one("the learning rate is 0", { optimizer = sgd(), epochs = false, schedule = scion.schedule { { train = "head" }, { lr = 0 } } })
    local function grouped() return sgd { lr = 1e-3, groups = { { layers = "second", lr = 1e-5 } } } end
    assert.equal("frozen_group", one("the optimizer's group { layers = 'second', lr = 1e-05 } does nothing, since no weight of its layers trains: thaw them",
                                     { optimizer = grouped() }))
    one("trains in any stage", { optimizer = grouped(), epochs = false, schedule = scion.schedule { { train = "head" }, { lr = 1e-4 } } })
    none { optimizer = grouped(), epochs = false, schedule = scion.schedule { { train = "head" }, { train = "all" } } }
    local early, mine = C.early_stopping { monitor = "loss" }, { epoch_ends = function() end }
    assert.equal("doubled_callback", one("the same one twice (early_stopping(monitor = loss)), which is called twice", { callbacks = { early, early } }))
    one("the same one twice (one of your own)", { callbacks = { mine, mine } })
    one("there are two callbacks ema: each has averages of its own", { callbacks = { C.ema(0.9), mine, C.ema() } })
    one("there are two callbacks early_stopping: ", { callbacks = { early, C.early_stopping { monitor = "accuracy" } } })
    none { callbacks = { early, mine, { epoch_ends = function() end }, C.csv_logger(root .. "/a.csv"), C.csv_logger(root .. "/b.csv") } }
  end)

  it("are told of frozen layers with random weights, and of images that are scaled twice", function()
    local model = scion.sequential { nn.input(8, 8, 3), nn.rescaling(1 / 255, { name = "again" }), nn.conv2d(4, 3, { name = "first" }), nn.global_avg_pool(),
                                     nn.dense(2, "softmax") }
    model:freeze { layers = "first" }
    local rules, by_rule = told(model, set "train")
    assert.same({ "frozen_random", "rescaled_twice" }, rules)
    assert.matches("the frozen layer first has random weights", by_rule.frozen_random, 1, true)
    assert.matches("again scales images down", by_rule.rescaled_twice, 1, true)
  end)

  it("are told of shear in radians, an augmented validation set, and validation on the test set beside another", function()
    local model, base = grafted()
    base:freeze()
    local rules, by_rule = told(model, set("train", { augment = { shear = 0.2 } }), { validate = set("more/test", { augment = { flip = "horizontal" } }) })
    assert.same({ "shear", "augmented_validation", "test_set" }, rules)
    assert.matches("shear = 0.2 is an angle in degrees", by_rule.shear, 1, true)
    assert.matches("shear = 11.5", by_rule.shear, 1, true)
    assert.matches("measured on the images as they are", by_rule.augmented_validation, 1, true)
    assert.matches(("the validation set is %s/more/test although %s/more/val is there"):format(root, root), by_rule.test_set, 1, true)
    assert.same({}, (told(model, set("train", { augment = { shear = 1 } }), { validate = set "more/val" })))
    for _, list in ipairs { { A.flip(), A.shear(0.2) }, { A.image_data_generator { shear = 0.2 } } } do
      assert.same({ "shear" }, (told(model, set("train", { augment = list }), { validate = set "more/val" })))
    end
  end)

  it("are told of examples that are both trained on and validated on", function()
    local model, base = grafted()
    base:freeze()
    local train = set "train"
    local function shared(data, validate)
      local rules, by_rule = told(model, data, { validate = validate })
      assert.is_true(#rules == 0 or rules[1] == "shared_examples" and #rules == 1)
      return by_rule.shared_examples
    end
    assert.equal("all 20 validation examples are in the training set, too: what is measured there tells nothing of new images; data:split(0.8) makes two " ..
                 "sets that share none", shared(train, train))
    assert.matches("^all 20 validation examples are", shared(train, train:with { batch = 3 }))
    assert.matches("^all 4 validation examples are", shared(train, train:take(4)))
    assert.matches("^1 of the 4 validation examples is", shared(train:subset { 1, 2, 20 }, train:subset { 20, 3, 4, 5 }))
    assert.is_nil(shared(train:split(0.8)))
    local rows = scion.data.tensors(core.new({ 4, 8, 8, 3 }, "u8"), { "jar", "lid", "jar", "lid" })
    assert.matches("^all 4 validation examples are", shared(rows, rows))
  end)

  it("are told of classes that come one after the other", function()
    local model, base = grafted()
    base:freeze()
    local rules, by_rule = told(model, set("train", { shuffle = false }))
    assert.same({ "unshuffled" }, rules)
    assert.matches("has shuffle = false, and its classes come one after the other", by_rule.unshuffled, 1, true)
    assert.same({}, (told(model, set("train", { shuffle = false, batch = 20 }))))
    local mixed = {}
    for i = 1, 10 do mixed[2 * i - 1], mixed[2 * i] = i, i + 10 end
    assert.same({}, (told(model, set("train", { shuffle = false, batch = 4 }):subset(mixed))))
  end)

  it("are told of a class that has hardly any images among larger ones", function()
    local model, base = grafted()
    base:freeze()
    local rules, by_rule = told(model, set "rare")
    assert.same({ "few_images" }, rules)
    assert.equal("one of the classes has fewer than 10 images (lid 3): they are hardly learned; find more, or leave the class out", by_rule.few_images)
    assert.same({}, (told(model, set "tiny"))) -- few of each are meant
    rules, by_rule = told(model, set("rare"):subset { 1, 2, 3, 4, 5, 6, 11, 12 })
    assert.same({ "few_images" }, rules)
    assert.equal("all of the classes have fewer than 10 images (jar 6, lid 2): they are hardly learned; find more", by_rule.few_images)
    assert.matches("(jar 1, lid 0)", select(2, told(model, set("rare"):subset { 1 })).few_images, 1, true)
  end)

  it("are kept quiet, told once, or given to a function", function()
    local function seen(given)
      local history
      local text = support.stderr_of(function()
        given.epochs, given.verbose = 0, false
        local model = grafted()
        model:freeze { layers = "second" }
        history = model:fit(set "train", given)
      end)
      assert.equal("fresh_head", history.warnings[1].rule)
      return text
    end
    assert.equal("", seen { quiet = true })
    assert.equal("", seen { quiet = true, warn = function() error "quiet" end })
    assert.matches("^scion: fit: head has random weights, and the pretrained layers below it train from the first step %(first on%)[^\n]*\n$", seen {})
    assert.equal("", seen {}) -- once
    local count = 0
    assert.equal("", seen { warn = function() count = count + 1 end })
    assert.equal(1, count)
    local model = grafted()
    assert.matches("fit: warn is a function", messages.refused(function() model:fit(set "train", { warn = 3 }) end), 1, true)
  end)

  it("are none for data sets of the user's own", function()
    local model, base = grafted()
    base:freeze()
    local own = { labels = { "jar", "lid" }, batches = function() return function() end end }
    local ok, message = pcall(told, model, setmetatable(own, { __len = function() return 1 end }))
    assert.is_true(ok, message)
  end)
end)
