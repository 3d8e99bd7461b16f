-- Metrics: their values beside scikit-learn's, and what fit, evaluate and saved models do with them.
local core = require "scion.core"
local messages = require "spec.support.messages"
local metrics = require "scion.train.metrics"
local scion = require "scion"
local support = require "spec.support.files"
local nn = scion.nn

local golden = core.json_decode(support.slurp "spec/fixtures/metrics.json")
local seed = os.time()
print("metrics_spec: seed " .. seed)
math.randomseed(seed)

--- What is told of a case's examples, as of targets.told, and their targets, as batches give them.
local function told_of(case)
  local truth = scion.tensor(case.truth, (case.kind == "classes" or case.kind == "single") and "i32" or "f32")
  if case.kind == "classes" then return "classes", #case.probabilities[1], truth - 1 end
  if case.kind == "single" then return "classes", 2, truth - 1 end
  if case.kind == "labels" then return "labels", #case.truth[1], truth end
  return nil, nil, truth
end

--- Adds rows `from` to `to` of a case to sums.
local function add(sums, case, from, to)
  local _, _, y = told_of(case)
  sums:add(scion.zeros(to - from + 1), scion.tensor(case.probabilities):slice(1, from, to), y:slice(1, from, to))
end

--- The sums of a case in batches of random sizes.
local function summed(case, list)
  local told, count = told_of(case)
  metrics.check("evaluate", list, told, count)
  local sums, at, n = metrics.new(told, count, list), 1, #case.truth
  while at <= n do
    local to = math.min(n, at + math.random(0, 20))
    add(sums, case, at, to)
    at = to + 1
  end
  return sums
end

local function keys(t)
  local list = {}
  for key in pairs(t) do list[#list + 1] = key end
  table.sort(list)
  return list
end

local all_names = { "accuracy", "average_precision", "balanced_accuracy", "calibration_error", "exact_match", "f1", "f1_macro", "f1_micro", "f1_weighted", "kappa",
                    "mae", "mse", "precision", "precision_macro", "precision_micro", "precision_weighted", "recall", "recall_macro", "recall_micro",
                    "recall_weighted", "roc_auc", "top_1", "top_2", "top_3", "top_4" }

describe("metrics", function()
  teardown(support.done)

  it("say why they are not defined, and of which classes they are the mean", function()
    local told = support.stderr_of(function()
      summed(golden["one class alone, taken for it"], { "kappa", "roc_auc" }):values()
      summed(golden["a class without examples"], { "roc_auc" }):values()
      summed(golden["labels that none has, and that all have"], { "roc_auc", "average_precision" }):values()
    end)
    for _, line in ipairs {
      "the metric 'kappa' is NaN: all examples are of one class and were taken for it",
      "the metric 'roc_auc' is NaN: of a class, it needs examples of it and others, and there are none",
      "the metric 'roc_auc' is the mean over 4 of 5 classes: of a class, it needs examples of it and others",
      "the metric 'roc_auc' is the mean over 2 of 4 labels: of a label, it needs examples of it and others",
      "the metric 'average_precision' is the mean over 3 of 4 labels: of a label, it needs examples of it",
    } do assert.matches(line, told, 1, true) end
  end)

  for name, case in pairs(golden) do
    it("are scikit-learn's: " .. name, function()
      local list, expected, found = keys(case.expected), case.expected, nil
      support.stderr_of(function() found = summed(case, list):values() end)
      for _, metric in ipairs(list) do
        local value = expected[metric]
        if value == core.null then
          assert.is_true(found[metric] ~= found[metric], metric .. " is " .. found[metric])
        else
          assert.near(value, found[metric], 2e-6, metric)
        end
      end
    end)
  end

  it("are refused where they have no meaning, and only there", function()
    for name, case in pairs(golden) do
      local told, count = told_of(case)
      for _, metric in ipairs(all_names) do
        local fits = pcall(metrics.check, "fit", { metric }, told, count)
        -- of one label there is a mean, too: that of the only one, which scikit-learn takes for two classes
        local one_label = name == "one label" and metric:find "^[pr]%l+_m" or name == "one label" and metric:find "_weighted" or name == "one label" and metric:find "^f1_"
        if not one_label then assert.equal(case.expected[metric] ~= nil, fits, name .. ": " .. metric) end
      end
    end
  end)

  it("count what is not finite as wrong, and rank nothing then", function()
    local nan = 0 / 0
    local case = { kind = "classes", truth = { 1, 2, 2, 1 }, probabilities = { { 0.75, 0.25 }, { 0.25, 0.75 }, { nan, nan }, { nan, 0.5 } } }
    local found, told
    told = support.stderr_of(function()
      found = summed(case, { "accuracy", "recall_macro", "precision_macro", "top_1", "kappa", "roc_auc", "average_precision", "calibration_error" }):values()
    end)
    assert.equal(0.5, found.accuracy)
    assert.equal(0.5, found.top_1)
    assert.equal(0.5, found.recall_macro)
    assert.equal(1, found.precision_macro)
    assert.near((0.5 - 0.25) / 0.75, found.kappa, 1e-12) -- no class was predicted half of the time, which agrees with nothing
    assert.equal(0.25, found.calibration_error)
    for _, name in ipairs { "roc_auc", "average_precision" } do
      assert.is_true(found[name] ~= found[name])
      assert.matches(("scion: the metric '%s' is NaN: some outputs are no numbers"):format(name), told, 1, true)
    end
  end)

  it("go on from what a checkpoint holds of a pass", function()
    for _, name in ipairs { "five classes", "several labels", "three numbers", "a single sigmoid" } do
      local case = golden[name]
      local list, told, count = keys(case.expected), told_of(case)
      local first, second = metrics.new(told, count, list), metrics.new(told, count, list)
      add(first, case, 1, 9)
      second:restore(first:state())
      add(second, case, 10, #case.truth)
      local found = second:values()
      for _, metric in ipairs(list) do assert.near(case.expected[metric], found[metric], 2e-6, metric) end
    end
  end)
end)

-- ---- fit and evaluate -----------------------------------------------------------------------------------------------

local images = core.new({ 24, 4, 4, 3 }, "u8")
for i = 1, 24 do images:slice(1, i, i):fill(i * 10) end

local function network(units, activation)
  local input = nn.input(4, 4, 3, { preprocess = "unit" })
  return scion.sequential { input, nn.flatten(), nn.dense(units, activation, { name = "out" }) }
end

local function classes(count)
  local list = {}
  for i = 1, 24 do list[i] = (i * 7 + i // 5) % count + 1 end
  return list
end

local function set(y, more)
  local o = { batch = 5, shuffle = false }
  for key, value in pairs(more or {}) do o[key] = value end
  return scion.data.tensors(images, y, o)
end

local function fit(model, data, o)
  o.verbose, o.quiet = false, true
  return model:fit(data, o)
end

describe("fit and evaluate", function()
  it("tell the metrics that were asked for, and remember them", function()
    local model, data = network(4, "softmax"), set(classes(4), { labels = { "a", "b", "c", "d" } })
    local list = { "accuracy", "top_3", "f1_macro", "roc_auc", "calibration_error" }
    local history = fit(model, data, { epochs = 2, validate = data, metrics = list })
    assert.same(list, model.metrics)
    local found = model:evaluate(data)
    for _, name in ipairs(list) do
      assert.equal("number", type(history[1][name]), name)
      assert.equal(found[name], history[2]["val_" .. name], name)
    end
    local own = metrics.new("classes", 4, list)
    own:add(scion.zeros(24), model:features(data, "out"), scion.tensor(classes(4), "i32") - 1)
    for name, value in pairs(own:values()) do assert.near(value, found[name], 1e-6, name) end
    fit(model, data, { epochs = 0 }) -- forgets nothing
    assert.same(list, model.metrics)
    local bare = model:evaluate(data, { metrics = {} })
    assert.matches("an evaluation has no field 'top_3': it is there if it is asked for: metrics = { 'top_3' }",
                   messages.refused(function() local _ = bare.top_3 end), 1, true)
    assert.matches("an epoch of a history has no field 'val_kappa': it is there if it is asked for: metrics = { 'kappa' }",
                   messages.refused(function() local _ = history[1].val_kappa end), 1, true)
  end)

  it("take every example once, whatever its weight", function()
    local model, data = network(3, "softmax"), set(classes(3))
    local history = fit(model, data, { metrics = { "recall_micro" }, class_weights = { 5, 1, 0 }, optimizer = scion.optim.sgd { lr = 0 } })
    assert.equal(model:evaluate(data).recall_micro, history[1].recall_micro)
    assert.equal(history[1].accuracy, history[1].recall_micro)
  end)

  it("give metrics of one's own the tensors of the whole pass", function()
    local seen
    local mine = { name = "mine", compute = function(probabilities, targets)
      seen = { probabilities, targets }
      return probabilities:sum() / 24
    end }
    local model, data = network(3, "softmax"), set(classes(3))
    assert.near(1, model:evaluate(data, { metrics = { mine } }).mine, 1e-5)
    assert.same({ 24, 3 }, seen[1]:shape())
    assert.same(classes(3), seen[2]:totable())
    local shares = core.one_hot(scion.tensor(classes(3), "i32") - 1, 3) * 0.7 + 0.1
    assert.near(1, fit(model, set(shares), { metrics = { mine } })[1].mine, 1e-5)
    assert.same(classes(3), seen[2]:totable())
    network(1, "sigmoid"):evaluate(set(classes(2)), { metrics = { mine } })
    assert.same({ { 24, 1 }, { 24 } }, { seen[1]:shape(), seen[2]:shape() })
    local rows = scion.uniform { 24, 2 }
    network(2, "sigmoid"):evaluate(set(rows), { metrics = { mine } })
    assert.is_true(seen[2]:equal(rows))
    network(2):evaluate(set(rows), { metrics = { mine, "mae", "mse" } })
    assert.is_true(seen[2]:equal(rows))
    mine.compute = function() return "much" end
    assert.matches("the metric 'mine' gave 'much', not a number", messages.refused(function() local _ = model:evaluate(data, { metrics = { mine } }) end), 1, true)
  end)

  it("call neither evaluate nor fit, which would call them again", function()
    for _, name in ipairs { "evaluate", "fit" } do
      local model, data = network(3, "softmax"), set(classes(3))
      local calls = { name = "calls", compute = function() return model[name](model, data) end }
      for _, f in ipairs { function() model:evaluate(data, { metrics = { calls } }) end, function() fit(model, data, { metrics = { calls } }) end } do
        assert.matches(name .. ": the metric 'calls' calls it, which computes that metric again, without end", messages.refused(f), 1, true)
      end
      assert.is_number(model:evaluate(data, { metrics = {} }).loss) -- afterwards it may be called
    end
  end)

  it("show a mistake in one's own before the first weight changes", function()
    local model = network(3, "softmax")
    local before = model:layer("out").weights.kernel:totable()
    local mine = { name = "mine", compute = function(probabilities) return probabilities:no_such_thing() end }
    assert.matches("'no_such_thing'", messages.refused(function() fit(model, set(classes(3)), { metrics = { mine } }) end), 1, true)
    assert.same(before, model:layer("out").weights.kernel:totable())
    assert.same({ 0, 0 }, { model.epoch, #model.history })
  end)

  it("tell the loss of numbers as mse, and its root's relative as mae", function()
    local model, data = network(2), set(scion.uniform { 24, 2 })
    local found = model:evaluate(data, { metrics = { "mse", "mae" } })
    assert.near(found.loss, found.mse, 1e-6)
    assert.near((model:features(data, "out") - data.targets):abs():mean(), found.mae, 1e-6)
  end)

  it("go on within an epoch from a checkpoint, with the same metrics", function()
    local mine = { name = "mine", compute = function(probabilities, targets) return probabilities:sum() + targets:sum() end }
    local list, path = { "top_2", "f1_macro", "roc_auc", "calibration_error", mine }, os.tmpname()
    local function run(o)
      local model, steps = network(3, "softmax"), 0
      model:layer("out").weights.kernel:fill(0)
      o.metrics, o.epochs, o.resume = o.metrics or list, 2, o.resume and { path, every = 1 }
      local ends = o.ends
      o.ends, o.callbacks = nil, { { step_ends = function()
        steps = steps + 1
        if steps == ends then error "killed" end
      end } }
      return fit(model, set(classes(3)), o)
    end
    os.remove(path)
    local expected = run {}
    assert.is_false(pcall(run, { resume = true, ends = 8 })) -- in the second epoch
    assert.matches("is of a run with another list of metrics (top_2, f1_macro, roc_auc, calibration_error, mine; now kappa)",
                   messages.refused(function() local _ = run { resume = true, metrics = { "kappa" } } end), 1, true)
    local history = run { resume = true }
    for i = 1, 2 do
      for _, name in ipairs { "loss", "top_2", "f1_macro", "roc_auc", "calibration_error", "mine" } do assert.equal(expected[i][name], history[i][name], name) end
    end
    os.remove(path)
  end)

  it("refuse what has no meaning, before anything is computed", function()
    local labels = scion.uniform { 24, 3 }
    for _, case in ipairs {
      { network(3, "softmax"), set(classes(3)), "top_5", "the metric 'top_5' is always 1 of 3 classes: N can be from 1 to 2" },
      { network(3, "softmax"), set(classes(3)), "top_3", "the metric 'top_3' is always 1 of 3 classes" },
      { network(3, "softmax"), set(classes(3)), "f1", "the metric 'f1' is of the second of two classes, but there are 3: f1_macro, f1_weighted and f1_micro are of all" },
      { network(3, "softmax"), set(classes(3)), "exact_match", "of one class an image it is the accuracy" },
      { network(3, "softmax"), set(classes(3)), "mae", "the metric 'mae' has no meaning here, as the network tells classes; for these there are accuracy, average" },
      { network(1), set(scion.uniform { 24 }), "roc_auc", "the metric 'roc_auc' has no meaning here, as the network gives numbers; for these there are mae, mse" },
      { network(1), set(scion.uniform { 24 }), "accuracy", "as the network gives numbers" },
      { network(3, "sigmoid"), set(labels), "kappa", "the metric 'kappa' has no meaning here, as the network tells several labels an image" },
      { network(3, "sigmoid"), set(labels), "balanced_accuracy", "is of one class an image, but an image can have several labels" },
      { network(3, "sigmoid"), set(labels), "recall", "the metric 'recall' is of one label, but there are 3" },
    } do
      local model, data, name, words = table.unpack(case)
      for _, method in ipairs { "fit", "evaluate" } do
        assert.matches(method .. ": the metric '" .. name, messages.refused(function() local _ = model[method](model, data, { metrics = { name } }) end), 1, true)
        assert.matches(words, messages.refused(function() local _ = model[method](model, data, { metrics = { name } }) end), 1, true)
      end
      assert.is_nil(model.metrics)
      assert.equal(0, model.epoch)
    end
  end)

  it("refuse what is no metric, with the nearest name", function()
    local model, data = network(2, "softmax"), set(classes(2))
    for given, words in pairs {
      [{ "acuracy" }] = "but element 1 is 'acuracy' (did you mean 'accuracy'?)", [{ "accuracy", "AUC" }] = "element 2 is 'AUC' (did you mean 'roc_auc'?)",
      [{ "f1_score" }] = "did you mean 'f1_macro'?",
      [{ "top_k" }] = "write top_5", [{ "top_N" }] = "is 'top_N'; a number stands for N, as in 'top_5'", [{ "top5" }] = "did you mean 'top_N'?",
      [{ "top_0" }] = "element 1 is 'top_0'", [{ "banana" }] = "there are accuracy, average_precision, balanced", [{ "f1", "f1" }] = "'f1' is there twice",
      ["accuracy"] = "metrics is a list of metrics, such as { 'accuracy', 'top_3', 'f1_macro' }, not 'accuracy'",
      [{ { name = "mine" } }] = "element 1 is wrong: a metric of one's own: compute is missing; it is a function",
      [{ { name = "kappa", compute = print } }] = "name is 'kappa', which Scion computes itself", [{ { name = "loss", compute = print } }] = "not 'loss'",
      [{ { name = "val_x", compute = print } }] = "not 'val_x'", [{ { name = "a b", compute = print } }] = "not 'a b'", [{ function() end }] = "is a function",
      [{ { name = "x", compute = print }, { name = "x", compute = print } }] = "'x' is there twice",
    } do
      assert.matches(words, messages.refused(function() local _ = model:evaluate(data, { metrics = given }) end), 1, true)
    end
    assert.matches("a model: metrics is a list", messages.refused(function() model.metrics = "accuracy" end), 1, true)
  end)

  it("keep metrics in the model's file, and say which are functions", function()
    local path, model, data = os.tmpname() .. ".safetensors", network(3, "softmax"), set(classes(3), { labels = { "a", "b", "c" } })
    local mine = { name = "mine", compute = function() return 1 end }
    fit(model, data, { metrics = { "top_2", mine, "f1_macro" } })
    assert.matches("left out, as a file cannot hold it or another kind is expected: metrics.mine", support.stderr_of(function() model:save(path) end), 1, true)
    local loaded
    assert.matches(path .. ": it was trained with the metric 'mine', a function, which a file cannot hold",
                   support.stderr_of(function() loaded = scion.load(path) end), 1, true)
    assert.same({ "top_2", "f1_macro" }, loaded.metrics)
    local before, after = model:evaluate(data), loaded:evaluate(data)
    assert.equal(before.top_2, after.top_2)
    assert.equal(before.f1_macro, after.f1_macro)
    assert.equal(model.history[1].mine, loaded.history[1].mine)
    assert.equal(tostring(model.history), tostring(loaded.history))
    model.metrics = {}
    assert.equal("", support.stderr_of(function() model:save(path) end))
    assert.is_nil(scion.load(path).metrics)
    os.remove(path)
  end)
end)

describe("a confusion table", function()
  it("has the counts by label", function()
    local model, data = network(3, "softmax"), set(classes(3), { labels = { "glass", "metal", "paper" } })
    local found = model:evaluate(data)
    local named = found.confusion_table
    for i, one in ipairs(data.labels) do
      for j, other in ipairs(data.labels) do assert.equal(found.confusion:get(i, j), named[one][other]) end
    end
    assert.matches("^true \\ predicted +glass +metal +paper\nglass +%d+ +%d+ +%d+\nmetal", tostring(named))
    assert.matches("^true \\ predicted +glass +metal +paper\nmetal +%d+ +%d+ +%d+$", tostring(named.metal))
    assert.matches("a confusion table has no label 'mettal': did you mean 'metal'?", messages.refused(function() local _ = named.mettal end), 1, true)
    assert.is_nil(network(2, "sigmoid"):evaluate(set(scion.uniform { 24, 2 })).confusion_table)
  end)

  it("prints numbers of classes where labels would be too wide, and the commonest mistakes where all would be", function()
    local confusion = require("scion.report.confusion").table
    local function named(count, make)
      local list = {}
      for i = 1, count do list[i] = { label = make(i) } end
      return confusion(scion.arange(1, count * count, 1, "i32"):reshape(count, count), list)
    end
    local width = require("scion.report.text").width()
    local shown = tostring(named(4, function(i) return ("x"):rep(width // 2) .. i end))
    assert.matches("^true \\ predicted +1 +2 +3 +4\n1 x+[.x]*1 +1 +2 +3 +4\n2 x", shown)
    assert.is_true(#shown:match "^[^\n]*" <= width)
    shown = tostring(named(60, function(i) return "class " .. i end))
    assert.matches("^true +taken for +images\nclass 60 +class 59 +3599\nclass 60 +class 58 +3598\n", shown)
    assert.matches("\nand 3520 more pairs$", shown)
    assert.equal("no mistakes", tostring(confusion(scion.zeros({ 90, 90 }, "i32"), (function()
      local list = {}
      for i = 1, 90 do list[i] = { label = tostring(i) } end
      return list
    end)())))
  end)
end)
