-- Losses: against PyTorch, torchvision and Keras, remembered with their options, and as functions of the user's own.
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local losses = require "scion.ir.losses"
local messages = require "spec.support.messages"
local scion = require "scion"
local small = require "spec.small_network"
local support = require "spec.support.files"
local nn = scion.nn

local golden = core.json_decode(support.slurp "spec/fixtures/losses.json")
local N, K = 8, 4

--- The numbers of wave() in fixtures/losses.py.
local function wave(rows, columns, phase, f)
  local list = {}
  for i = 0, rows * columns - 1 do list[i + 1] = f(math.sin(0.7 * i * (1 + 0.001 * i) + phase)) end
  return scion.tensor(list):reshape(rows, columns)
end

local function shares_of(rows, columns)
  local shares = wave(rows, columns, 2.0, function(v) return math.floor(1 + 4 * math.abs(v)) end)
  return shares / shares:sum(2):reshape(rows, 1)
end
local function truth(v) return v > -0.3 and 1 or 0 end

local logits = wave(N, K, 0.5, function(v) return 3 * v end)
local extreme = logits:copy()
core.copy(scion.tensor { { 1e4, -1e4, 0, 1e4 }, { -1e4, -1e4, 1e4, -1e4 } }, extreme:slice(1, N - 1, N))
local classes = scion.tensor({ 0, 1, 2, 3, 0, 1, 2, 3 }, "i32")
local shares, labels = shares_of(N, K), wave(N, K, 4.0, truth)
local numbers = wave(N, K, 1.0, function(v) return 2 * v end)
local weights = scion.tensor { 1, 2, 0.5, 0, 1, 3, 0.25, 1 }

-- The loss and the targets of each case.
local cases = {
  ["classes"] = { "categorical", classes }, ["smoothed classes"] = { scion.loss.categorical { smoothing = 0.1 }, classes },
  ["smoothed shares"] = { scion.loss.categorical { smoothing = 0.2 }, shares }, ["smoothed labels"] = { scion.loss.binary { smoothing = 0.1 }, labels },
  ["focal classes"] = { scion.loss.focal { activation = "softmax" }, classes },
  ["focal shares"] = { scion.loss.focal { gamma = 1.5, alpha = 0.25, activation = "softmax" }, shares },
  ["focal labels"] = { scion.loss.focal { alpha = 0.25, activation = "sigmoid" }, labels },
  ["unbalanced focal labels"] = { scion.loss.focal { gamma = 1.5, activation = "sigmoid" }, labels },
  mse = { "mse", numbers }, mae = { "mae", numbers }, huber = { scion.loss.huber { delta = 0.75 }, numbers },
}

local function near(expected, found, tolerance)
  for i, value in ipairs(expected) do
    assert(math.abs(value - found[i]) <= tolerance * math.max(1, math.abs(value)), ("%d: %.9g, not %.9g"):format(i, found[i], value))
  end
end

local images = scion.tensor(wave(10, 12, 0.5, function(v) return math.floor(128 + 127 * v) end):totable(), "u8"):reshape(10, 2, 2, 3)
local rows = { shares = shares_of(10, 3), labels = wave(10, 3, 4.0, truth), numbers = wave(10, 3, 1.0, function(v) return 2 * v end) }
local names = { "a", "b", "c" }

local function network(activation, units)
  local model = scion.sequential { nn.input(2, 2, 3, { preprocess = "unit" }), nn.flatten(), nn.dense(units or 3, activation, { name = "out" }) }
  core.copy(wave(12, units or 3, 1.0, function(v) return 0.5 * v end), model:layer("out").weights.kernel)
  return model
end

local function set_of(fields, batch)
  if not fields.targets then fields.labels = fields.labels or names end
  fields.images, fields.count = images, 10
  return dataset.new(fields, { size = { 2, 2 }, batch = batch or 10, seed = 0, shuffle = false })
end

local function options(extra)
  local o = { epochs = 5, verbose = false, quiet = true, optimizer = scion.optim.sgd { lr = 0.5, momentum = 0 } }
  for key, value in pairs(extra or {}) do o[key] = value end
  return o
end

local function kernel(model) return model:layer("out").weights.kernel end

--- A loss of one's own: squared distances.
local function squares(outputs, targets)
  local d, k = outputs - targets, outputs:shape()[2]
  return (d * d):sum(2) / k, 2 * d / k
end

describe("losses", function()
  for library, expected in pairs(golden) do
    if library ~= "training" then
      it("have the values and gradients of " .. library .. "'s", function()
        local x, count = library == "torch" and extreme or logits, 0
        for name, wanted in pairs(expected) do
          local loss, y = losses.of(cases[name][1]), cases[name][2]
          local call = loss:call(y:dtype())
          call.x, call.labels, call.weights, call.losses, call.dx = x, y, weights, scion.zeros(N), scion.zeros(N, K)
          call.probabilities = loss.activation and scion.zeros(N, K) or nil
          core.run(call)
          near(wanted.values, call.losses:totable(), library == "torch" and 1e-6 or 3e-6)
          near(wanted.gradients, call.dx:reshape(-1):totable(), library == "torch" and 1e-6 or 3e-6)
          count = count + 1
        end
        assert.equal(10, count)
      end)
    end
  end

  for name, expected in pairs(golden.training) do
    it("train as Keras's do: " .. name, function()
      local loss = ({ ["smoothed shares"] = scion.loss.categorical { smoothing = 0.1 }, ["smoothed labels"] = scion.loss.binary { smoothing = 0.2 },
                      ["focal shares"] = scion.loss.focal { alpha = 0.5, gamma = 1.5 }, ["focal labels"] = scion.loss.focal { alpha = 0.25 },
                      mae = "mae", huber = scion.loss.huber { delta = 0.5 } })[name]
      local which = name:match "%a+$"
      local set = set_of(which == "shares" and { soft = rows.shares } or which == "labels" and { multi = rows.labels } or { targets = rows.numbers })
      local model = network(which == "shares" and "softmax" or which == "labels" and "sigmoid" or nil)
      local history = model:fit(set, options { loss = loss, validate = set })
      for i, each in ipairs(expected.losses) do assert.near(each, history[i].loss, 2e-6) end
      assert.is_true(small.distance(kernel(model), expected.kernel) < 3e-6)
      assert.near(expected.loss, history[5].val_loss, 2e-6)
      assert.near(expected.loss, model:evaluate(set).loss, 2e-6) -- the loss is remembered
    end)
  end

  it("give for class numbers and class weights what they give for rows of shares", function()
    local numbered = scion.tensor({ 1, 3, 2, 3, 3, 1, 2, 1, 3, 2 }, "i32")
    for _, loss in ipairs { scion.loss.categorical { smoothing = 0.1 }, scion.loss.focal { alpha = 0.5 } } do
      for _, batch in ipairs { 10, 4, 1 } do
        local hard, soft = network "softmax", network "softmax"
        hard:fit(set_of({ classes = numbered }, batch), options { loss = loss, class_weights = { 1, 2, 0 } })
        soft:fit(set_of({ soft = core.one_hot(numbered - 1, 3) }, batch), options { loss = loss, class_weights = { 1, 2, 0 } })
        assert.is_true(small.distance(kernel(hard), kernel(soft):reshape(-1):totable()) < 1e-6)
      end
    end
  end)

  it("are learned from logits as from probabilities", function()
    local ends, open = network "softmax", network()
    ends:fit(set_of { soft = rows.shares }, options { loss = scion.loss.focal() })
    open:fit(set_of { soft = rows.shares }, options { loss = scion.loss.focal { activation = "softmax" } })
    assert.is_true(kernel(ends):equal(kernel(open)))
    assert.equal(ends:predict(images)[1].label, open:predict(images)[1].label)
  end)

  it("of numbers take those of a whole image", function()
    local function map() return scion.sequential { nn.input(2, 2, 3, { preprocess = "unit" }), nn.conv2d(2, 1, { name = "out", activation = "linear" }) } end
    local y = scion.uniform { 10, 2, 2, 2 }
    for _, loss in ipairs { "mse", "mae", scion.loss.huber { delta = 100 }, function(outputs, targets)
      local d = (outputs - targets):reshape(10, -1)
      return (d * d):sum(2) / 8, (2 * d / 8):reshape(10, 2, 2, 2)
    end } do
      local model = map()
      local before = {}
      for i, entry in ipairs(model:predict(images)) do before[i] = entry.output end
      local d = scion.tensor(before):reshape(-1) - y:reshape(-1)
      local history = model:fit(scion.data.tensors(images, y, { batch = 10, shuffle = false }), options { epochs = 1, loss = loss })
      local expected = loss == "mae" and ((d * d) ^ 0.5):mean() or (d * d):mean() / (tostring(loss):find "huber" and 2 or 1)
      assert.near(expected, history[1].loss, 1e-5)
    end
  end)

  it("are named where they are unknown, by Keras's and PyTorch's names, too", function()
    local model = network "softmax"
    local function why(loss) return messages.refused(function() model:fit(set_of { soft = rows.shares }, { loss = loss, verbose = false }) end) end
    for given, meant in pairs { sparse_categorical_crossentropy = "categorical", CrossEntropyLoss = "categorical", BCEWithLogitsLoss = "binary",
                                binary_crossentropy = "binary", mean_absolute_error = "mae", L1Loss = "mae",
                                MSELoss = "mse", SmoothL1Loss = "huber", CategoricalFocalCrossentropy = "focal",
                                sigmoid_focal_loss = "focal", hubber = "huber" } do
      assert.matches(("did you mean '%s'?"):format(meant), why(given), 1, true)
    end
    assert.matches("scion.loss.categorical{ smoothing = 0.1 }", why "label_smoothing", 1, true)
    assert.matches("fit: loss is a loss: scion.loss.focal is the function that makes one, scion.loss.focal()", why(scion.loss.focal), 1, true)
    assert.matches("fit: loss is 'binary', 'categorical', 'focal', 'huber', 'mae' or 'mse', a loss with options, such as", why(3), 1, true)
    for words, make in pairs {
      ["smoothing is a number from 0 and below 1, not 1"] = function() local _ = scion.loss.categorical { smoothing = 1 } end,
      ["unknown option 'label_smoothing' (did you mean 'smoothing'?)"] = function() local _ = scion.loss.binary { label_smoothing = 0.1 } end,
      ["logits are told by the network's last layer"] = function() local _ = scion.loss.categorical { from_logits = true } end,
      ["gamma is a number from 0 up, not -1"] = function() local _ = scion.loss.focal { gamma = -1 } end,
      ["alpha is a number above 0 and below 1, not 1"] = function() local _ = scion.loss.focal { alpha = 1 } end,
      ["delta is a number above 0, not 0"] = function() local _ = scion.loss.huber { delta = 0 } end,
      ["scion.loss.mse: unknown option 'delta'"] = function() local _ = scion.loss.mse { delta = 1 } end,
      ["a loss has no field 'delta_'"] = function() local _ = scion.loss.huber().delta_ end,
      ["'gamma' cannot be set"] = function() scion.loss.focal().gamma = 1 end,
    } do
      assert.matches(words, messages.refused(make), 1, true)
    end
  end)

  it("are refused with the remedy where network and data do not fit them", function()
    local classed, several, numeric = set_of { soft = rows.shares }, set_of { multi = rows.labels }, set_of { targets = rows.numbers }
    for words, case in pairs {
      ["the loss 'mae' compares numbers, but the data set has 3 classes (a, b, c); without the option loss, 'categorical' follows from out's softmax"] =
        { "softmax", classed, "mae" },
      ["out has no activation, and so is trained to give numbers (loss 'huber'), but the data set has 3 classes (a, b, c): the network should end in nn.dense(3, 'softmax')"] =
        { nil, classed, scion.loss.huber() },
      ["the loss 'focal' is for the probabilities of softmax or sigmoid, but out has no activation: where it gives logits, say of which"] = { nil, classed, "focal" },
      ["but out ends in relu: the network should end in softmax or sigmoid"] = { "relu", classed, "focal" },
      ["the loss 'focal' goes with sigmoid, but out ends in softmax, as the data set needs"] = { "softmax", classed, scion.loss.focal { activation = "sigmoid" } },
      ["out gives 3 probabilities that do not add up to 1"] = { "sigmoid", classed, "focal" },
      ["the loss 'focal' is for probabilities that add up to 1, one class an image, but the data set has 3 labels"] = { "softmax", several, "focal" },
      ["the loss 'focal' takes a class of each image or the shares of 3, but the data set gives a row with a number that is not from 0 to 1"] =
        { "softmax", numeric, "focal" },
      ["softmax is for probabilities that add up to 1"] = { "softmax", several, squares },
    } do
      local model = network(case[1])
      assert.matches(words, messages.refused(function() model:fit(case[2], options { loss = case[3] }) end), 1, true)
      assert.matches(words, messages.refused(function() model:evaluate(case[2], { loss = case[3] }) end), 1, true)
      assert.equal(0, model.epoch)
      assert.is_nil(model.loss)
    end
  end)

  it("are remembered with their options, also by a file", function()
    local path = os.tmpname() .. ".safetensors"
    for text, loss in pairs { ["huber(delta = 0.5)"] = scion.loss.huber { delta = 0.5 }, ["mae"] = "mae", ["huber"] = scion.loss.huber() } do
      local model = network()
      model:fit(set_of { targets = rows.numbers }, options { epochs = 1, loss = loss })
      model:save(path)
      for _, one in ipairs { model, scion.load(path) } do
        assert.equal(text, tostring(one.loss))
        assert.equal(model:evaluate(set_of { targets = rows.numbers }).loss, one:evaluate(set_of { targets = rows.numbers }).loss)
      end
    end
    local model = network "sigmoid"
    model.loss = scion.loss.focal { gamma = 1.25, alpha = 0.3 }
    model:save(path)
    local loaded = scion.load(path)
    os.remove(path)
    assert.same({ 1.25, 0.3 }, { loaded.loss.gamma, loaded.loss.alpha })
    assert.equal(model:evaluate(set_of { multi = rows.labels }).loss, loaded:evaluate(set_of { multi = rows.labels }).loss)
  end)

  it("of a file are checked", function()
    for _, given in ipairs { "nothing", { name = "nothing" }, { name = "huber", delta = -1 }, { name = "huber", gamma = 1 }, { own = true }, { name = "x", own = 1 },
                             { name = "x", own = true, delta = 1 }, {}, { 1 }, 5, true } do
      assert.is_false((losses.described.read(given)))
    end
    assert.equal("huber(delta = 2)", tostring(select(2, losses.described.read { name = "huber", delta = 2 })))
  end)
end)

describe("a loss of one's own", function()
  it("trains as a built-in one does", function()
    local own, known = network(), network()
    local set = set_of({ targets = rows.numbers }, 4)
    local mine, theirs = own:fit(set, options { loss = squares, validate = set }), known:fit(set, options { loss = "mse", validate = set })
    assert.is_true(small.distance(kernel(own), kernel(known):reshape(-1):totable()) < 1e-6)
    assert.near(theirs[5].loss, mine[5].loss, 1e-6)
    assert.near(theirs[5].val_loss, mine[5].val_loss, 1e-6)
    assert.near(known:evaluate(set).loss, own:evaluate(set).loss, 1e-6)
  end)

  it("is of the outputs after their activation, with classes as rows, and with weights", function()
    local function entropy(outputs, targets)
      local k = outputs:shape()[2]
      local logarithms = {}
      for i, row in ipairs(outputs:totable()) do
        logarithms[i] = {}
        for j = 1, k do logarithms[i][j] = math.log(row[j]) end
      end
      return (targets * scion.tensor(logarithms)):sum(2) * -1, targets / outputs * -1
    end
    local numbered = scion.tensor({ 1, 3, 2, 3, 3, 1, 2, 1, 3, 2 }, "i32")
    for _, batch in ipairs { 10, 4, 1 } do
      local soft, same = network "softmax", network "softmax"
      soft:fit(set_of({ soft = rows.shares }, batch), options { loss = entropy })
      same:fit(set_of({ soft = rows.shares }, batch), options())
      assert.is_true(small.distance(kernel(soft), kernel(same):reshape(-1):totable()) < 1e-5)
      local own, known = network "softmax", network "softmax"
      local set = set_of({ classes = numbered }, batch)
      local mine = own:fit(set, options { loss = entropy, class_weights = { 1, 2, 0 } })
      local theirs = known:fit(set, options { class_weights = { 1, 2, 0 } })
      assert.is_true(small.distance(kernel(own), kernel(known):reshape(-1):totable()) < 1e-5)
      assert.near(theirs[5].loss, mine[5].loss, 1e-5)
      assert.equal(theirs[5].accuracy, mine[5].accuracy)
      assert.equal("string", type(own:predict(images)[1].label))
    end
  end)

  it("takes classes on outputs without an activation: one output each, or one for two", function()
    local seen
    local function hinge(outputs, targets) -- of -1 and 1
      seen = targets
      local sides = 2 * targets - 1
      local wrong = 1 - sides * outputs
      local positive = (wrong + (wrong * wrong) ^ 0.5) / 2
      local active = positive / (positive + 1e-20)
      return positive:sum(2), active * sides * -1
    end
    local numbered, two = scion.tensor({ 1, 3, 2, 3, 3, 1, 2, 1, 3, 2 }, "i32"), scion.tensor({ 1, 2, 2, 1, 2, 1, 1, 1, 2, 1 }, "i32")
    local model = network()
    local history = model:fit(set_of { classes = numbered }, options { loss = hinge, epochs = 20, optimizer = scion.optim.sgd { lr = 0.05 } })
    assert.is_true(history[20].loss < history[1].loss)
    assert.is_nil(history[1].accuracy)
    assert.is_true(seen:equal(core.one_hot(numbered - 1, 3)))
    local single = network(nil, 1)
    single:fit(set_of { classes = two, labels = { "no", "yes" } }, options { loss = hinge, epochs = 1 })
    assert.same({ { 0 }, { 1 }, { 1 } }, { table.unpack(seen:totable(), 1, 3) })
    assert.equal(3, #single:predict(images:slice(1, 1, 3)))
    local wide = network(nil, 4)
    assert.matches("out gives 4 numbers, but the data set has 3 classes (a, b, c): a loss of your own gets a target for each number, so the network should end in nn.dense(3)",
                   messages.refused(function() wide:fit(set_of { classes = numbered }, options { loss = hinge }) end), 1, true)
  end)

  it("may keep what it is given, and change it", function()
    local kept = {}
    local function keeping(outputs, targets)
      kept[#kept + 1] = outputs
      local values, gradients = squares(outputs, targets)
      outputs:fill(0)
      targets:fill(0)
      return values, gradients
    end
    local own, known, set = network(), network(), set_of({ targets = rows.numbers }, 5)
    own:fit(set, options { loss = keeping })
    known:fit(set, options { loss = squares })
    assert.is_true(kernel(own):equal(kernel(known)))
    assert.equal(10, #kept)
    assert.equal(0, kept[1]:max())
  end)

  it("cannot run its own model, nor freeze within a step, which then changes nothing", function()
    local function two_layers()
      scion.seed(4)
      return scion.sequential { nn.input(3), nn.dense(4, "relu", { name = "a" }), nn.dense(2, { name = "b" }) }
    end
    local x = scion.randn { 8, 3 }
    local set = scion.data.tensors(x, scion.randn { 8, 2 }, { batch = 4, shuffle = false })
    local model, other = two_layers(), two_layers()
    local digest = dofile("spec/support/models.lua").digest
    local before = digest(model)
    local function with(act)
      return function()
        model:fit(set, { verbose = false, quiet = true, loss = function(o, t)
          act()
          local e = o - t
          return (e * e):sum(2), e * 2
        end })
      end
    end
    for _, act in ipairs { function() model:predict(x) end, function() model:evaluate(set, { loss = "mse" }) end } do
      assert.matches("a loss of one's own cannot use the model that it is the loss of", messages.refused(with(act)), 1, true)
      assert.equal(before, digest(model))
    end
    local frozen = false
    local text = messages.refused(with(function()
      frozen = not frozen
      if frozen then model:freeze { layers = "a" } else model:thaw() end
    end))
    assert.matches("a layer was frozen or thawed within epoch 1, step 1, as by the loss", text, 1, true)
    model:thaw()
    assert.equal(before, digest(model))
    with(function()
      other:predict(x)
      model:features(x, "a")
    end)()
    assert.is_true(before ~= digest(model))
  end)

  it("is refused where it returns something else", function()
    local set = set_of { targets = rows.numbers }
    for words, loss in pairs {
      ["returns the loss of each example, a tensor (f32 10), as its first result, not nil"] = function() end,
      ["as its first result, not a tensor (f32 10x3)"] = function(outputs) return outputs, outputs end,
      ["as its first result, not 0.5"] = function() return 0.5 end,
      ["returns its gradient with respect to the outputs, a tensor (f32 10x3), as its second result, not nil"] = function(outputs) return outputs:sum(2) end,
      ["as its second result, not a tensor (f32 10)"] = function(outputs) return outputs:sum(2), outputs:sum(2) end,
    } do
      local model = network()
      local before = kernel(model):bytes()
      local message = messages.refused(function() model:fit(set, options { loss = loss }) end)
      assert.matches(words, message, 1, true)
      assert.matches("the loss, a function at losses_spec.lua:", message, 1, true)
      assert.equal(before, kernel(model):bytes())
      assert.is_nil(model.loss)
    end
    local model = network()
    assert.matches("mine$", select(2, pcall(model.fit, model, set, options { loss = function() error("mine", 0) end })))
    assert.matches("the loss is NaN in epoch 1, step 1", messages.refused(function()
      model:fit(set, options { loss = function(outputs) return outputs:sum(2) * (0 / 0), outputs end })
    end), 1, true)
    assert.is_number(model:evaluate(set, { loss = function(outputs) return outputs:sum(2) end }).loss)
  end)

  it("is not in a model's file, which says so", function()
    local path = os.tmpname() .. ".safetensors"
    local model, set = network(), set_of { targets = rows.numbers }
    model:fit(set, options { loss = squares, epochs = 1 })
    assert.matches("^function at losses_spec.lua:%d+$", tostring(model.loss))
    local notice, said = require "scion.report.notice", nil
    local once = notice.once
    notice.once = function(line) said = line end
    model:save(path)
    notice.once = once
    assert.matches("the loss, a function at losses_spec.lua:%d+, is remembered by that name alone", said)
    local loaded = scion.load(path)
    os.remove(path)
    assert.equal(tostring(model.loss), tostring(loaded.loss))
    assert.matches("the model was trained with a loss of your own, a function at losses_spec.lua:%d+, and its file holds no more of it: give it again",
                   messages.refused(function() loaded:evaluate(set) end))
    assert.equal(model:evaluate(set).loss, loaded:evaluate(set, { loss = squares }).loss)
    assert.is_string(tostring(loaded:plan()))
    loaded:fit(set, options { loss = squares, epochs = 1 })
    assert.is_number(loaded:evaluate(set).loss)
  end)

  it("has its steps priced by a schedule", function()
    for _, case in ipairs { { "softmax", 3, names, squares }, { "sigmoid", 1, { "no", "yes" }, squares }, { "sigmoid", 1, { "no", "yes" }, "focal" } } do
      local model = network(case[1], case[2])
      model.loss = case[4]
      local set = set_of { classes = scion.tensor({ 1, 2, 2, 1, 2, 1, 1, 1, 2, 1 }, "i32"), labels = case[3] }
      assert.matches("stage 1: 1 epoch", tostring(scion.schedule { { epochs = 1, optimizer = scion.optim.sgd() } }:plan(model, set)), 1, true)
    end
  end)

  it("is compared with differences on request", function()
    local outputs = scion.randn(5, 3)
    assert.is_true(scion.loss.check(squares, outputs, numbers:slice(1, 1, 5):slice(2, 1, 3):copy()) < 1e-3)
    assert.is_true(scion.loss.check(function(o, t) local l, g = squares(o, t) return l, g * 1.1 end, outputs, scion.zeros(5, 3)) > 0.05)
    assert.is_true(scion.loss.check(squares, scion.randn(1, 3), scion.zeros(1, 3)) < 1e-3)
    local nan = scion.loss.check(function(o) return o:sum(2) * (0 / 0), o end, outputs, outputs)
    assert.is_true(nan ~= nan)
    assert.matches("outputs are 5x3, but targets are 3x5", messages.refused(function() scion.loss.check(squares, outputs, scion.zeros(3, 5)) end), 1, true)
    assert.matches("scion.loss.check: the loss is a function of outputs and targets, not 'mse'",
                   messages.refused(function() scion.loss.check("mse", outputs, outputs) end), 1, true)
  end)
end)
