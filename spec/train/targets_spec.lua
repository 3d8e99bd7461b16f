-- What a network learns from: classes, shares of classes, several labels an image. Against Keras and scikit-learn, and against each other.
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local messages = require "spec.support.messages"
local support = require "spec.support.files"
local scion = require "scion"
local small = require "spec.small_network"
local nn = scion.nn

local golden = core.json_decode(support.slurp "spec/fixtures/targets.json")
local names = { "a", "b", "c" }

--- The numbers of wave() in fixtures/targets.py.
local function wave(count, phase, f)
  local list = {}
  for i = 0, count - 1 do list[i + 1] = f(math.sin(0.7 * i * (1 + 0.001 * i) + phase)) end
  return list
end

local images = scion.tensor(wave(120, 0.5, function(v) return math.floor(128 + 127 * v) end), "u8"):reshape(10, 2, 2, 3)
local shares = scion.tensor(wave(30, 2.0, function(v) return math.floor(1 + 4 * math.abs(v)) end)):reshape(10, 3)
shares = shares / shares:sum(2):reshape(10, 1)
local labels = scion.tensor(wave(30, 4.0, function(v) return v > -0.3 and 1 or 0 end)):reshape(10, 3)

local function data(fields, batch)
  fields.images, fields.count, fields.labels = fields.images or images, 10, fields.labels or names
  return dataset.new(fields, { size = { 2, 2 }, batch = batch or 10, seed = 0, shuffle = false })
end

local function network(units, activation)
  local input = nn.input(2, 2, 3, { preprocess = "unit" })
  local model = scion.sequential { input, nn.flatten(), nn.dense(units, activation, { name = "out" }) }
  core.copy(scion.tensor(wave(12 * units, 1.0, function(v) return 0.5 * v end)):reshape(12, units), model:layer("out").weights.kernel)
  return model
end

local function options(extra)
  local o = { epochs = 5, verbose = false, optimizer = scion.optim.sgd { lr = 1.0, momentum = 0 } }
  for key, value in pairs(extra or {}) do o[key] = value end
  return o
end

--- Trains as the script does, and compares all that it printed.
local function as_golden(model, set, expected, extra)
  local history = model:fit(set, options(extra))
  for i, loss in ipairs(expected.losses) do assert.near(loss, history[i].loss, 2e-6) end
  local kernel = model:layer("out").weights.kernel
  assert.is_true(small.distance(kernel, expected.kernel) < 2e-6)
  local found = model:evaluate(set)
  assert.near(expected.loss, found.loss, 2e-6)
  assert.near(expected.accuracy, found.accuracy, 1e-6)
  assert.equal(10, found.examples)
  assert.equal(0, found.not_finite)
  for i, score in ipairs(found.classes) do
    assert.equal(names[i], score.label)
    assert.equal(expected.scores.support[i], score.support)
    for _, name in ipairs { "precision", "recall", "f1" } do assert.near(expected.scores[name][i], score[name], 1e-9) end
  end
  return found, history
end

describe("shares of classes", function()
  it("are learned as by Keras", function()
    local found = as_golden(network(3, "softmax"), data { soft = shares }, golden.shares)
    assert.is_nil(found.exact_match)
    assert.equal(10, found.confusion:sum())
  end)

  it("weigh an example by the mean of its classes' weights", function()
    as_golden(network(3, "softmax"), data { soft = shares }, golden.weighted, { class_weights = { b = 3, c = 0.5 } })
  end)

  it("of one class each are as good as classes, to the bit, in batches of one, too", function()
    local classes = scion.tensor({ 1, 3, 2, 3, 3, 1, 2, 1, 3, 2 }, "i32")
    local rows = core.one_hot(classes - 1, 3)
    for _, extra in ipairs { {}, { class_weights = { 1, 2, 3 } }, { class_weights = "balanced" } } do
      for _, batch in ipairs { 10, 4, 1 } do
        local hard, soft = network(3, "softmax"), network(3, "softmax")
        local of_classes, of_rows = hard:fit(data({ classes = classes }, batch), options(extra)), soft:fit(data({ soft = rows }, batch), options(extra))
        assert.equal(of_classes[5].loss, of_rows[5].loss)
        assert.equal(of_classes[5].accuracy, of_rows[5].accuracy)
        assert.is_true(hard:layer("out").weights.kernel:equal(soft:layer("out").weights.kernel))
      end
    end
  end)

  it("and several labels need no names: the loss says what rows are", function()
    for _, case in ipairs { { "softmax", shares, "soft", "shares" }, { "sigmoid", labels, "multi", "labels" } } do
      local model, named = network(3, case[1]), network(3, case[1])
      local history = model:fit(scion.data.tensors(images, case[2], { batch = 10, shuffle = false }), options())
      assert.equal(named:fit(data { [case[3]] = case[2] }, options())[5].loss, history[5].loss)
      assert.near(golden[case[4]].accuracy, model:evaluate(scion.data.tensors(images, case[2])).accuracy, 1e-6)
      assert.is_nil(model.labels)
      assert.equal("integer", math.type(model:predict(images)[1].label))
    end
  end)

  it("and classes may take turns", function()
    local classes = scion.tensor({ 1, 3, 2, 3, 3, 1, 2, 1, 3, 2 }, "i32")
    local hard, turns = network(3, "softmax"), network(3, "softmax")
    for i = 1, 4 do
      hard:fit(data { classes = classes }, options { epochs = 1 })
      turns:fit(data(i % 2 == 0 and { classes = classes } or { soft = core.one_hot(classes - 1, 3) }), options { epochs = 1 })
    end
    assert.is_true(hard:layer("out").weights.kernel:equal(turns:layer("out").weights.kernel))
  end)

  it("of two classes are learned by a single sigmoid", function()
    local classes, two = scion.tensor({ 1, 2, 2, 1, 2, 1, 1, 1, 2, 1 }, "i32"), { "no", "yes" }
    local hard, soft = network(1, "sigmoid"), network(1, "sigmoid")
    local set = data({ soft = core.one_hot(classes - 1, 2), labels = two }, 3)
    hard:fit(data({ classes = classes, labels = two }, 3), options())
    soft:fit(set, options())
    assert.is_true(hard:layer("out").weights.kernel:equal(soft:layer("out").weights.kernel))
    assert.same({ 6, 4 }, { soft:evaluate(set).classes[1].support, soft:evaluate(set).classes[2].support })
  end)
end)

--- A data set of one's own, with one batch.
local function own(y, more)
  local set = { labels = names, size = { 2, 2 }, batch = 10, batches = function()
    local given = false
    return function()
      if given then return nil end
      given = true
      return { x = images, y = y, index = core.arange(1, 10, 1, "i32") }
    end
  end }
  for key, value in pairs(more or {}) do set[key] = value end
  return setmetatable(set, { __len = function() return 10 end })
end

describe("batches", function()
  it("of images with one class each may have shares of classes, as mixed ones do", function()
    local mixed, soft = network(3, "softmax"), network(3, "softmax")
    local of_own = mixed:fit(own(shares), options())
    assert.equal(soft:fit(data { soft = shares }, options())[5].accuracy, of_own[5].accuracy)
    assert.is_true(mixed:layer("out").weights.kernel:equal(soft:layer("out").weights.kernel))
    assert.equal(10, mixed:evaluate(own(shares)).confusion:sum())
  end)

  it("may have several labels an image, if their data set says so", function()
    local model = network(3, "sigmoid")
    assert.matches("the data set is made with multi = true", messages.refused(function() model:fit(own(labels), options()) end), 1, true)
    as_golden(model, own(labels, { multi = true }), golden.labels)
  end)

  it("leave only the loss to be blamed, or how one set was made, where the network is right", function()
    local x = scion.uniform { 4, 4 }
    local one, several = scion.data.tensors(x, { "a", "b", "a", "b" }), scion.data.tensors(x, { { "a" }, { "a", "b" }, {}, { "b" } })
    local function head(activation) return scion.sequential { nn.input(4), nn.dense(2, activation, { name = "out" }) } end
    local function why(activation, set, o)
      o.verbose = false
      return messages.refused(function() head(activation):fit(set, o) end)
    end
    assert.equal("fit: the loss 'binary' goes with sigmoid, but out ends in softmax, as the data set needs; without the option loss, 'categorical' follows from it",
                 why("softmax", one, { loss = "binary" }))
    assert.equal("fit: the loss 'categorical' goes with softmax, but out ends in sigmoid, as the data set needs; without the option loss, 'binary' follows from it",
                 why("sigmoid", several, { loss = "categorical" }))
    assert.equal("fit: an image of the training set can have several labels, but each of the validation set has one class: make it with multi = true",
                 why("sigmoid", several, { validate = one }))
    assert.equal("fit: an image of the validation set can have several labels, but each of the training set has one class: make it with multi = true",
                 why("softmax", one, { validate = several }))
  end)

  it("are refused where they do not fit the loss", function()
    local nan = scion.tensor(labels:totable()):set(2, 2, 0 / 0)
    for words, case in pairs {
      ["gave shares of the classes that add up to 3, not 1; of an image with several labels the network ends in sigmoid"] = { "softmax", scion.ones(10, 3) },
      ["gave a row with a number that is not from 0 to 1, as shares of classes are"] = { "softmax", scion.full({ 10, 3 }, -1) },
      ["gave a row with a number that is not from 0 to 1, as labels are"] = { "sigmoid", nan },
      ["for 10 images; the loss 'categorical' takes the i32 class number, from 1, or the f32 shares of its 3 classes, of each"] = { "softmax", scion.zeros(10, 2) },
      ["not from 0 to 1, as labels are"] = { "sigmoid", scion.full({ 10, 3 }, 2) },
      ["the loss 'binary' takes 3 f32 numbers from 0 to 1, one a label, of each"] = { "sigmoid", scion.ones({ 10 }, "i32") },
    } do
      local model = network(3, case[1])
      local set = own(case[2], { multi = case[1] == "sigmoid" or nil })
      assert.matches(words, messages.refused(function() model:fit(set, options()) end), 1, true)
      assert.matches(words, messages.refused(function() model:evaluate(set) end), 1, true)
      assert.equal(0, model.epoch)
    end
  end)
end)

describe("numbers to predict", function()
  it("are what a sigmoid gives that was trained on them", function()
    local model = scion.sequential { nn.input(4, 4, 3), nn.flatten(), nn.dense(1, "sigmoid") }
    local numbers = scion.data.tensors(scion.zeros({ 2, 4, 4, 3 }, "u8"), scion.tensor { { 0.2 }, { 0.7 } })
    assert.is_truthy(model:predict(numbers)[1].label)
    model:fit(numbers, { loss = "mse", verbose = false })
    local entry = model:predict(numbers)[1]
    assert.is_nil(entry.label)
    assert.near(model:features(numbers, "dense_1"):get(1, 1), entry.output[1], 1e-6)
  end)
end)

describe("several labels an image", function()
  local set = data { multi = labels }

  it("are learned as by Keras, and told as by scikit-learn", function()
    local model = network(3, "sigmoid")
    local found, history = as_golden(model, set, golden.labels, { validate = set, quiet = true })
    assert.equal(golden.labels.exact_match, found.exact_match)
    assert.is_nil(found.confusion)
    assert.equal(found.accuracy, history[5].val_accuracy)
    local shown = tostring(found)
    assert.matches("accuracy 0.6333  exact_match 0.4000  (10 examples)", shown, 1, true)
    assert.matches("b%s+0.6000%s+1.0000%s+0.7500%s+6", shown)
    assert.same(found.classes, model:evaluate(set, { batch = 3 }).classes)
  end)

  it("are learned from logits", function()
    local model = network(3)
    as_golden(model, set, golden.labels, { loss = "binary" })
    assert.equal(3, #model:predict(images, { top = 3 })[1].top)
    assert.is_table(model:predict(images)[1].labels)
  end)

  it("count an example of which an output is no number towards the support alone", function()
    local model = network(3, "sigmoid")
    local before = model:evaluate(set)
    model:layer("out").weights.bias:set(2, 0 / 0)
    local found = model:evaluate(set)
    assert.equal(10, found.not_finite)
    assert.same({ 0, 0 }, { found.accuracy, found.exact_match })
    for i, score in ipairs(found.classes) do assert.same({ before.classes[i].support, 0 }, { score.support, score.recall }) end
  end)

  it("are predicted, each over 0.5, also by a saved model", function()
    local model, path = network(3, "sigmoid"), os.tmpname() .. ".safetensors"
    model:fit(set, options { epochs = 1 })
    local bias, kernel = model:layer("out").weights.bias, model:layer("out").weights.kernel
    kernel:fill(0)
    core.copy(scion.tensor { 1, 2, -1 }, bias)
    model:save(path)
    local loaded = scion.load(path)
    os.remove(path)
    for _, one in ipairs { model, loaded } do
      local entry = one:predict(images)[1]
      assert.same({ "b", "b", "a" }, { entry.label, entry.labels[1].label, entry.labels[2].label })
      assert.equal(2, #entry.labels)
      assert.near(0.880797, entry.confidence, 1e-5)
      assert.near(0.731059, entry.labels[2].confidence, 1e-5)
      assert.equal("b 0.8808, a 0.7311", tostring(entry))
    end
    bias:fill(-1)
    local none = model:predict(images)[1]
    assert.same({}, none.labels)
    assert.matches("no label (", tostring(none), 1, true)
    assert.matches("no label (", tostring(model:predict(images)), 1, true)
  end)

  it("may be one label, of which a single sigmoid tells", function()
    local yes = data { multi = labels:slice(2, 1, 1):copy(), labels = { "smile" } }
    local model, path = network(1, "sigmoid"), os.tmpname() .. ".safetensors"
    model:fit(yes, options())
    assert.equal(1, #model:evaluate(yes).classes)
    model:layer("out").weights.kernel:fill(0)
    model:layer("out").weights.bias:fill(1)
    model:save(path)
    assert.same({ "smile", 1 }, { scion.load(path):predict(images)[1].labels[1].label, #scion.load(path).labels })
    os.remove(path)
    assert.is_nil(network(1, "sigmoid"):predict(images)[1].labels) -- two classes
  end)

  it("have no weight of a class", function()
    for _, weights in ipairs { "balanced", { a = 2 } } do
      assert.equal("fit: class_weights weighs an image by its class, but here an image can have several labels, which no one factor fits: leave class_weights out",
                   messages.refused(function() network(3, "sigmoid"):fit(set, options { class_weights = weights }) end))
    end
  end)
end)

describe("class_weights = 'balanced'", function()
  it("gives the classes that there are the same weight in all", function()
    local classes = scion.tensor({ 1, 1, 1, 1, 1, 1, 3, 3, 3, 1 }, "i32")
    local balanced, given, plain = network(3, "softmax"), network(3, "softmax"), network(3, "softmax")
    balanced:fit(data { classes = classes }, options { class_weights = "balanced" })
    given:fit(data { classes = classes }, options { class_weights = { 10 / (2 * 7), 1, 10 / (2 * 3) } })
    plain:fit(data { classes = classes }, options())
    assert.is_true(balanced:layer("out").weights.kernel:equal(given:layer("out").weights.kernel))
    assert.is_false(balanced:layer("out").weights.kernel:equal(plain:layer("out").weights.kernel))
  end)

  it("counts shares, and asks a data set of one's own", function()
    local balanced, given = network(3, "softmax"), network(3, "softmax")
    local counts = shares:sum(1):totable()
    for i, count in ipairs(counts) do counts[i] = 10 / (3 * count) end
    balanced:fit(data { soft = shares }, options { class_weights = "balanced" })
    given:fit(data { soft = shares }, options { class_weights = counts })
    assert.is_true(small.distance(balanced:layer("out").weights.kernel, given:layer("out").weights.kernel:reshape(-1):totable()) < 1e-6)
    assert.matches("a data set of one's own tells the factors by a method class_weights", messages.refused(function()
      network(3, "softmax"):fit(own(shares), options { class_weights = "balanced" })
    end), 1, true)
    network(3, "softmax"):fit(own(shares, { class_weights = function() return { 5, 3, 2 } end }), options { class_weights = "balanced" })
  end)

  it("is a word, and no other is", function()
    assert.matches("class_weights is a table of factors by label or position, such as { cat = 2 }, or 'balanced'", messages.refused(function()
      network(3, "softmax"):fit(data { soft = shares }, options { class_weights = "even" })
    end), 1, true)
  end)
end)
