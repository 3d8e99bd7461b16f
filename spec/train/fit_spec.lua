-- Training: what changes and what does not, determinism, interrupts, and everything that can be given wrongly.
local core = require "scion.core"
local messages = require "spec.support.messages"
local support = require "spec.support.files"
local models = dofile "spec/support/models.lua"
local digest = models.digest
local scion = require "scion"
local nn = scion.nn

local seed = math.tointeger(os.getenv "SCION_TEST_SEED") or os.time()
print(("\nfit_spec: seed %d"):format(seed))

--- Images whose class shows in their brightest third, under noise.
local function pictures(count, classes)
  scion.seed(seed)
  local images = scion.uniform({ count, 12, 12, 3 }, 0, 120)
  local labels = {}
  for i = 1, count do
    local class = (i - 1) % classes + 1
    labels[i] = class
    images[i]:slice(1, 4 * class - 3, math.min(4 * class, 12)):fill(200)
  end
  return images:to "u8", labels
end

local function dataset(options, count, classes)
  local images, labels = pictures(count or 24, classes or 3)
  return scion.data.tensors(images, labels, options or { batch = 8, seed = 3 })
end

local function trunk()
  local x = nn.input(12, 12, 3)
  for i = 1, 2 do
    x = nn.conv2d(6, 3, { padding = "same", bias = false, name = ("block%d/conv"):format(i) })(x)
    x = nn.relu()(nn.batch_norm { name = ("block%d/norm"):format(i), momentum = 0.5 }(x))
  end
  return scion.model { output = x }
end

local function network(...)
  local layers = { nn.max_pool(2), nn.flatten(), ... }
  if #layers == 2 then layers[3] = nn.dense(3, "softmax", { name = "head" }) end
  return trunk():graft(layers)
end

--- Names that differ between two snapshots, sorted.
local function changed(a, b)
  local names = {}
  for name, bytes in pairs(a) do
    if b[name] ~= bytes then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local quiet = { epochs = 2, verbose = false }
local function with(extra)
  local o = { epochs = 2, verbose = false }
  for k, v in pairs(extra) do o[k] = v end
  return o
end

describe("without memory for a batch", function()
  it("fit and evaluate say that a smaller one takes less, and take it", function()
    if (os.getenv "SCION_BUILD" or ""):find "sanitize" then return pending "AddressSanitizer needs more memory than there is here" end
    local script = support.spit(support.folder() .. "/memory.lua", [[
      local scion = require "scion"
      local nn = scion.nn
      local model = scion.sequential { nn.input(64, 64, 3), nn.conv2d(64, 1, { activation = "relu" }), nn.conv2d(64, 1), nn.global_avg_pool(), nn.dense(2, "softmax") }
      local labels = {}
      for i = 1, 400 do labels[i] = i % 2 + 1 end
      local data = scion.data.tensors(scion.zeros({ 400, 64, 64, 3 }, "u8"), labels, { batch = 400 })
      for _, act in ipairs { "fit", "evaluate" } do
        for _, batch in ipairs { 400, 4 } do
          data.batch = batch
          local ok, message = pcall(model[act], model, act == "fit" and data or data:take(8):with { batch = batch }, act == "fit" and { verbose = false, quiet = true } or {})
          print(act, batch, ok, ok or message:match "out of memory.*")
          if act == "evaluate" then break end
        end
      end
      local large = scion.sequential { nn.input(3000, 3000, 3), nn.conv2d(64, 1), nn.global_avg_pool(), nn.dense(2, "softmax") }
      local one = scion.data.tensors(scion.zeros({ 2, 3000, 3000, 3 }, "u8"), { 1, 2 }, { batch = 1 })
      print(select(2, pcall(large.fit, large, one, { verbose = false, quiet = true })):match "out of memory.*")
      print(select(2, pcall(large.evaluate, large, one)):match "out of memory.*")]])
    local out = support.shell(("ulimit -v 900000; lua5.4 %s 2>/dev/null"):format(script))
    assert.matches("fit\t400\tfalse\tout of memory: a tensor of %d+ bytes cannot be had for a batch of 400: "
                   .. "a smaller batch, smaller images or freezing more layers take less memory\n", out)
    assert.matches("a batch of 1: smaller images or freezing more layers take less memory\n.* a batch of 1: smaller images take less memory\n", out)
    assert.matches("fit\t4\ttrue", out, 1, true)
  end)
end)

describe("fit", function()
  it("changes what is thawed, and leaves what is frozen identical to the byte", function()
    local model, data = network(), dataset()
    local before = models.bytes(model)
    model:freeze { upto = "block2" }
    model:fit(data, quiet)
    local after = models.bytes(model)
    assert.same({ "head/bias", "head/kernel" }, changed(before, after))
    model:freeze { upto = "block1" }
    model:fit(data, quiet)
    assert.same({ "block2/conv/kernel", "block2/norm/beta", "block2/norm/gamma", "block2/norm/moving_mean", "block2/norm/moving_variance",
                  "head/bias", "head/kernel" }, changed(after, models.bytes(model)))
    before = models.bytes(model)
    model:thaw():freeze { layers = "*/norm" }
    model:fit(data, quiet)
    assert.same({ "block1/conv/kernel", "block2/conv/kernel", "head/bias", "head/kernel" }, changed(before, models.bytes(model)))
  end)

  it("keeps stored statistics while scale and shift train", function()
    local model = network()
    for _, node in ipairs(model.order) do
      if node.layer.kind == "batch_norm" then node.layer.options.statistics = "stored" end
    end
    local before = models.bytes(model)
    model:fit(dataset(), quiet)
    assert.same({ "block1/conv/kernel", "block1/norm/beta", "block1/norm/gamma", "block2/conv/kernel", "block2/norm/beta",
                  "block2/norm/gamma", "head/bias", "head/kernel" }, changed(before, models.bytes(model)))
  end)

  it("gives bit-identical weights for 1, 2 and 5 threads, augmentation and dropout included", function()
    local threads = scion.threads()
    local function run(n)
      scion.threads(n)
      local data = dataset { batch = 7, seed = 5, workers = n, augment = { rotation = 20, zoom = 0.2, flip = "both", brightness = { 0.8, 1.2 } } }
      scion.seed(9)
      local model = network(nn.dense(16, "relu"), nn.dropout(0.3), nn.dense(3, "softmax"))
      model:fit(data, with { optimizer = scion.optim.adam { lr = 0.01 } })
      return models.bytes(model)
    end
    local one = run(1)
    assert.same({}, changed(one, run(2)))
    assert.same({}, changed(one, run(5)))
    scion.threads(threads)
  end)

  it("learns from scratch with each optimizer, and tells classes by their labels", function()
    for _, optimizer in ipairs { scion.optim.sgd { lr = 0.05, momentum = 0.9, nesterov = true }, scion.optim.rmsprop(),
                                 scion.optim.adam { lr = 0.01 }, scion.optim.adamw { lr = 0.01 } } do
      local images, labels = pictures(60, 3)
      local names = { "top", "middle", "bottom" }
      for i, class in ipairs(labels) do labels[i] = names[class] end
      local data = scion.data.tensors(images, labels, { batch = 10, labels = names })
      scion.seed(1)
      local model = network(nn.dropout(0.2), nn.dense(3, "softmax"))
      local history = model:fit(data, with { epochs = 12, optimizer = optimizer, validate = data, quiet = true })
      assert.is_true(history[#history].val_accuracy > 0.95, ("%s: %s"):format(optimizer, history[#history].val_accuracy))
      assert.is_true(history[#history].loss < history[1].loss)
      local result = model:evaluate(data)
      assert.equal(history[#history].val_loss, result.loss)
      assert.equal("middle", result.classes[2].label)
      assert.equal(20, result.classes[2].support)
      assert.matches("precision", tostring(result), 1, true)
      local predictions = model:predict(images)
      assert.equal(60, #predictions)
      local right = 0
      for i, p in ipairs(predictions) do right = right + (p.label == labels[i] and 1 or 0) end
      assert.equal(result.accuracy, right / 60)
    end
  end)

  it("trains a binary set on one sigmoid", function()
    local images, labels = pictures(40, 2)
    for i, class in ipairs(labels) do labels[i] = class == 1 and "no" or "yes" end
    local data = scion.data.tensors(images, labels, { batch = 10 })
    local model = network(nn.dense(1, "sigmoid"))
    model:fit(data, with { epochs = 12, optimizer = scion.optim.adam { lr = 0.01 } })
    local result = model:evaluate(data)
    assert.is_true(result.accuracy > 0.95)
    assert.equal(2, #result.classes)
    for i, p in ipairs(model:predict(images)) do
      assert.is_true(p.label == "no" or p.label == "yes")
      assert.is_true(p.confidence >= 0.5 and p.confidence <= 1)
      if result.accuracy == 1 then assert.equal(labels[i], p.label) end
    end
  end)

  it("learns numbers by their mean squared error", function()
    local images, classes = pictures(30, 3)
    local rows = {}
    for i, class in ipairs(classes) do rows[i] = { class - 2, 0.5 } end
    local data = scion.data.tensors(images, scion.tensor(rows, "f32"), { batch = 10 })
    local model = network(nn.dense(2))
    local history = model:fit(data, with { epochs = 40, optimizer = scion.optim.adam { lr = 0.01 } })
    assert.is_true(history[40].loss < 0.1 * history[1].loss)
    assert.is_nil(history[40].accuracy)
    assert.is_true(math.abs(model:predict(images)[1].output[1] + 1) < 0.5)
    assert.has_error(function() scion.data.tensors(images, scion.zeros { 3, 2 }) end)
  end)

  it("weighs classes, and counts epochs on", function()
    local data, model = dataset(), network()
    local seen = {}
    local history = model:fit(data, with { class_weights = { [1] = 0, [3] = 0 }, epochs = 15, optimizer = scion.optim.adam { lr = 0.02 } })
    assert.equal(15, history[15].epoch)
    assert.is_true(model:evaluate(data).classes[2].recall == 1)
    assert.is_true(model:evaluate(data).accuracy < 0.5)
    model:fit(data, with { callbacks = { epoch = function(entry) seen[#seen + 1] = entry.epoch end } })
    assert.same({ 16, 17 }, seen)
    assert.equal(17, #model.history)
    local steps = 0
    model:fit(data, with { callbacks = { step = function() steps = steps + 1; return steps < 2 end } })
    assert.equal(2, steps)
  end)

  it("lets no NaN reach the weights", function()
    local data, model = dataset(), network()
    local ok, message = pcall(model.fit, model, data, with { epochs = 20, optimizer = scion.optim.sgd { lr = 1e25 } })
    assert.is_false(ok)
    assert.matches("epoch 1, step %d", message)
    for _, row in ipairs(model:layers()) do
      for name, t in pairs(row.weights) do assert.is_true(core.finite(t), row.name .. "/" .. name) end
    end
    local weights = model:layer("head").weights
    weights.kernel:fill(0 / 0)
    local before = models.bytes(model)
    ok, message = pcall(model.fit, model, data, quiet)
    assert.is_false(ok)
    assert.matches("the loss is NaN", message, 1, true)
    assert.matches("are those of the step before. head/kernel holds numbers that are NaN or infinite: load its weights anew", message, 1, true)
    assert.same({}, changed(before, models.bytes(model)))
  end)

  --- A data set of one's own, of which nothing was looked at: one batch.
  local function of_one(x, y)
    local data = { batch = 4, labels = { "a", "b", "c" } }
    function data.batches()
      local done = false
      return function()
        if done then return nil end
        done = true
        return { x = x, y = y }
      end
    end
    return setmetatable(data, { __len = function() return 4 end })
  end

  it("says what makes the loss NaN, where it is not the learning rate", function()
    local function refused(text, x, y, change)
      local data, model = of_one(x, y), network()
      if change then change(model) end
      assert.matches(text, messages.refused(function() model:fit(data, with { epochs = 1, quiet = true, cache = false }) end), 1, true)
    end
    local size = network().input.shape
    local shares, numbers = scion.full({ 4, 3 }, 1 / 3), { 4, size[1], size[2], size[3] }
    refused("The images hold numbers that are NaN or infinite", scion.full(numbers, 0 / 0), shares)
    refused("No weight has changed yet, so that it is no matter of the learning rate", scion.full(numbers, 1), shares,
            function(model) model:layer("head").weights.kernel:fill(3e38) end)
  end)

  it("tells if a callback freezes everything that trains", function()
    local data, model = dataset(), network()
    local told = support.stderr_of(function()
      model:fit(data, with { epochs = 2, quiet = true, callbacks = { epoch_begins = function(run) if run.epoch == 2 then model:freeze() end end } })
    end)
    assert.equal("scion: fit: since epoch 2, step 1 every layer with weights is frozen, as a callback has left it: steps change nothing\n", told)
    told = support.stderr_of(function() -- in every step anew: it is told once
      model:thaw():fit(data, with { epochs = 2, quiet = true, callbacks = { step_begins = function() model:freeze() end } })
    end)
    assert.equal(1, select(2, told:gsub("every layer with weights is frozen", "")))
  end)

  it("lets no infinite weight pass, and names the parameter", function()
    local data, model = dataset(), network()
    local message = messages.refused(function() model:fit(data, with { optimizer = scion.optim.sgd { lr = 1e300 } }) end)
    assert.matches("^head/%a+: sgd would have made %d+ of %d+ weights infinite or NaN in epoch 1, step 1; the weights are those of the step before: try a lower"
                   .. " learning rate",
                   message:gsub("block%d/%a+/", "head/"):gsub("block%d/%a+", "head"))
    for _, row in ipairs(model:layers()) do
      for name, t in pairs(row.weights) do assert.is_true(core.finite(t), row.name .. "/" .. name) end
    end
  end)

  it("takes back a first step that would have made weights infinite: the next fit is that of a new model", function()
    local function new()
      scion.seed(7)
      return network()
    end
    for _, accumulate in ipairs { 1, 2 } do
      local data, model, fresh = dataset(), new(), new()
      local before, optimizer = digest(model), scion.optim.sgd { lr = 1e-3, momentum = 0.9, groups = { { layers = "head", lr = 3e38 } } }
      local message = messages.refused(function()
        model:fit(data, with { optimizer = optimizer, accumulate = accumulate, class_weights = { 1000, 1000, 1000 } })
      end)
      assert.matches("head/%a+: sgd would have made %d+ of %d+ weights infinite", message) -- the other layers' had changed
      assert.same({ before, 0, 0 }, { digest(model), model.steps, model.epoch })
      assert.is_nil(model.labels)
      optimizer.groups[1].lr = 1e-3
      model:fit(data, with { epochs = 2, optimizer = optimizer })
      fresh:fit(data, with { epochs = 2, optimizer = scion.optim.sgd { lr = 1e-3, momentum = 0.9 } })
      assert.equal(digest(fresh), digest(model))
    end
  end)

  it("leaves a later step undone, too, that would have made weights infinite", function()
    local model, before = network(), nil
    local optimizer = scion.optim.sgd { lr = 1e-3, momentum = 0.9, groups = { { layers = "head", lr = 1e-3 } } }
    local function all()
      local parts = { digest(model), model.steps }
      for _, each in ipairs(optimizer:state(model.order).tensors) do parts[#parts + 1] = each.name .. core.hash(each.tensor) end
      return table.concat(parts, " ")
    end
    local late = { step_begins = function(run)
      if run.step == 1 then before, optimizer.groups[1].lr = all(), 3e38 end
    end }
    local message = messages.refused(function() model:fit(dataset(), with { optimizer = optimizer, class_weights = { 1000, 1000, 1000 }, callbacks = late }) end)
    assert.matches("head/%a+: sgd would have made %d+ of %d+ weights infinite or NaN in epoch 1, step 2; the weights are those of the step before: ", message)
    assert.equal(before, all())
  end)

  it("names class weights where they make numbers too large, and refuses two for a class", function()
    local data = dataset()
    for _, largest in ipairs { 1e38, 1e30 } do
      local message = messages.refused(function() network():fit(data, with { class_weights = { 1, largest, 1 }, optimizer = scion.optim.sgd { lr = 1e10 } }) end)
      -- of the loss or of a weight, whichever is too large first
      assert.matches(("the class weights are up to %g: give smaller ones"):format(largest), message:gsub("The class", "the class"), 1, true)
    end
    assert.matches(("class_weights has two numbers for class '%s', by its label and by its position 1: give one of them"):format(data.labels[1]),
                   messages.refused(function() network():fit(data, with { class_weights = { [data.labels[1]] = 2, [1] = 3 } }) end), 1, true)
  end)

  it("names the images of a validation set that hold what is no number", function()
    local size = network().input.shape
    local broken = of_one(scion.full({ 4, size[1], size[2], size[3] }, 0 / 0), scion.tensor({ 1, 2, 3, 1 }, "i32"))
    local train = dataset { batch = 8, seed = 3, labels = { "a", "b", "c" } }
    local model = network()
    local told = support.stderr_of(function() model:fit(train, with { epochs = 1, validate = broken, quiet = true }) end)
    assert.matches("the validation loss of epoch 1 is NaN: in the validation set, the images hold numbers that are NaN or infinite\n", told, 1, true)
    told = support.stderr_of(function() model:evaluate(broken) end)
    assert.matches("scion: evaluate: the loss is not finite: the images hold numbers that are NaN or infinite\n", told, 1, true)
  end)

  it("tells of a validation loss that is no number, once an epoch", function()
    local data, model = dataset { batch = 24, seed = 3 }, network()
    local told = support.stderr_of(function() model:fit(data, with { epochs = 1, validate = data, quiet = true, optimizer = scion.optim.sgd { lr = 1e20 } }) end)
    assert.equal("scion: fit: the validation loss of epoch 1 is NaN: the last update made the weights too large; try a lower learning rate than 1e+20\n", told)
    local huge = scion.optim.sgd { lr = 0.01, groups = { { layers = "*", lr = 1e39 } } }
    assert.matches("try a lower learning rate than 1e+39", messages.refused(function()
      network():fit(data, with { epochs = 1, quiet = true, optimizer = huge })
    end), 1, true)
    local result = model:evaluate(data) -- and they count in the support of their classes
    assert.same({ 24, 8, 8, 8 }, { result.not_finite, result.classes[1].support, result.classes[2].support, result.classes[3].support })
    assert.same({ 3, 3 }, result.confusion:shape())
    assert.matches("24 of the outputs are no numbers", tostring(result), 1, true)
    for _, entry in ipairs(model:predict(data)) do assert.matches("the network's output is no number", entry.error, 1, true) end
  end)

  it("tells once of a frozen trunk whose weights came from nowhere, and of no other", function()
    local path = os.tmpname() .. ".safetensors"
    local function told_by(model)
      return support.stderr_of(function()
        model:fit(dataset(), quiet)
        model:fit(dataset(), quiet)
      end)
    end
    local function named(name)
      local x = nn.relu()(nn.conv2d(2, 3, { name = name })(nn.input(12, 12, 3)))
      return scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.global_avg_pool()(x)) }
    end
    assert.equal('scion: fit: the frozen layer one has random weights, since none were loaded: give the model weights (such as weights = "imagenet") or thaw it\n',
                 told_by(named "one":freeze { upto = "one" }))
    assert.equal("", told_by(named "two"))
    local trained = named "three"
    trained:fit(dataset(), quiet)
    assert.equal("", told_by(trained:freeze { upto = "three" }))
    named("four"):save(path)
    assert.equal("", told_by(scion.load(path):freeze { upto = "four" }))
    local loaded = named "four"
    require("scion.weights").load(loaded, path)
    assert.equal("", told_by(loaded:freeze { upto = "four" }))
    os.remove(path)
  end)

  it("remembers the loss that it was given, for evaluate and predict", function()
    local images, labels = pictures(40, 2)
    local data = scion.data.tensors(images, labels, { batch = 10, labels = { "no", "yes" } })
    for loss, units in pairs { binary = 1, categorical = 2 } do
      local model = network(nn.dense(units))
      local history = model:fit(data, with { epochs = 12, loss = loss, validate = data, quiet = true, optimizer = scion.optim.adam { lr = 0.01 } })
      local result = model:evaluate(data)
      assert.equal(history[12].val_loss, result.loss)
      assert.is_true(result.accuracy > 0.9)
      local right = 0
      for i, entry in ipairs(model:predict(data)) do
        assert.is_true(entry.confidence >= 0.5 and entry.confidence <= 1)
        if entry.label == data.labels[labels[i]] then right = right + 1 end
      end
      assert.equal(result.accuracy, right / 40)
    end
  end)

  it("gives Ctrl-C back when its coroutine is closed, or collected", function()
    for _, leave in ipairs { coroutine.close, function() end } do
      local model, data = network(), dataset()
      local fit = coroutine.create(function() model:fit(data, { verbose = false, callbacks = { step = function() coroutine.yield() end } }) end)
      assert(coroutine.resume(fit))
      assert.is_false(core.catch_interrupts()) -- the fit has it
      leave(fit)
      fit, model = nil, nil -- luacheck: ignore 311
      collectgarbage()
      collectgarbage()
      assert.is_true(core.catch_interrupts())
      core.release_interrupts()
    end
  end)

  it("needs memory for the images there are, not for the batch", function()
    for _, batch in ipairs { 1000000, (1 << 31) - 1 } do
      local data, model = dataset({ batch = batch, seed = 3 }, 6), network()
      model:fit(data, quiet)
      model:evaluate(data)
      model:features(data, "block1/conv")
      assert.equal(6, #model:predict(data))
      assert.is_true(model:plan(data).memory < 1e7)
      assert.is_true(model.arena:shape()[1] < 1e7)
    end
  end)

  it("stops between two steps on Ctrl-C, and leaves everything usable", function()
    local data, model = dataset(), network()
    local steps = 0
    local options = with { epochs = 50, callbacks = { step = function()
      steps = steps + 1
      if steps % 4 == 0 then assert(io.popen "kill -INT $PPID"):close() end
    end } }
    local ok, raised = pcall(model.fit, model, data, options)
    assert.is_false(ok)
    assert.is_true(raised.interrupted)
    assert.matches("fit_spec.lua:%d+: fit: Ctrl%-C ended it in epoch 2 of 50, after step 1; the model is whole, between two steps", tostring(raised))
    assert.equal(4, steps)
    assert.equal(1, #model.history)
    options.on_interrupt = "return"
    local history
    local line = support.stderr_of(function() history = model:fit(data, options) end)
    assert.is_true(history.interrupted)
    assert.equal(8, steps)
    assert.equal("scion: fit: Ctrl-C ended it in epoch 3 of 51, after step 1; the model is whole, between two steps\n", line)
    assert.is_nil(model:fit(data, quiet).interrupted)
    assert.equal(24, #model:predict(data))
  end)

  it("ends with Ctrl-C in what a callback computes, which gives no half of a result", function()
    local data, model = dataset(), network()
    for name, ask in pairs { evaluate = model.evaluate, predict = model.predict,
                             features = function(m, set) return m:features(set, m.output.layer.name) end } do
      local result
      local function interrupted()
        model:fit(data, with { epochs = 2, callbacks = { epoch = function()
          assert(io.popen "kill -INT $PPID"):close()
          result = ask(model, data)
        end } })
      end
      assert.matches(name .. ": Ctrl-C ended it", messages.refused(interrupted), 1, true)
      assert.is_nil(result)
      assert.equal(24, model:evaluate(data).examples)
    end
  end)

  it("refuses options, data and labels that do not fit, by name", function()
    local data, model = dataset(), network()
    local function refused(text, options, set) assert.matches(text, messages.refused(function() model:fit(set or data, options) end), 1, true) end
    refused("fit: unknown option 'epoch' (did you mean 'epochs'?)", { epoch = 3 })
    refused("fit: unknown option 'lr' (the learning rate is the optimizer's: optimizer = scion.optim.sgd{ lr = … })", { lr = 3 })
    refused("fit: unknown option 'validation_data' (did you mean 'validate'?)", { validation_data = 3 })
    refused("fit: callbacks: unknown option 'on_epoch_end' (did you mean 'epoch_ends'?)", { callbacks = { on_epoch_end = print } })
    refused("fit: class_weights names 'glass', which is none of the labels", { class_weights = { glass = 2 } })
    refused("fit: class_weights are all 0", { class_weights = { 0, 0, 0 } })
    refused("fit: class_weights is a list of 2, but there are 3 classes (1, 2, 3): give one number for each", { class_weights = { 1, 2 } })
    refused("fit: optimizer is an optimizer, such as scion.optim.adam(), not 'adam'", { optimizer = "adam" })
    refused("the function that makes one, scion.optim.adam()", { optimizer = scion.optim.adam })
    refused("fit: callbacks: unknown option 'epoch_end' (did you mean 'epoch_ends'?)", { callbacks = { epoch_end = print } })
    refused("fit: callbacks is a list of callbacks, but element 2: unknown option 'epoch_begin' (did you mean 'epoch_begins'?)",
            { callbacks = { {}, { epoch_begin = print } } })
    refused("element 1 is a function, and it is not said when to call it", { callbacks = { print } })
    refused("no layer is named 'gab'", { cache = { upto = "gab" } })
    local images, labels = pictures(6, 3)
    refused("fit: the data set has images of 10x10, but the model takes 12x12; the option size = 12", quiet, scion.data.tensors(images, labels, { size = 10 }))
    refused("fit: the validation set has images of 9x16, but the model takes 12x12", with { validate = scion.data.tensors(images, labels, { size = { 9, 16 } }) })
    local named = scion.data.tensors(images, { "a", "b", "c", "a", "b", "c" })
    local other = scion.data.tensors(images, { "a", "b", "x", "a", "b", "x" })
    refused("fit: labels disagree: class 3 is 'c' in the training set, but 'x' in the validation set", with { validate = other }, named)
    model:fit(named, quiet)
    refused("class 3 is 'c' in the model, but 'x' in the data set", quiet, other)
    model:freeze()
    refused("every layer with weights is frozen", quiet, named)
  end)

  it("blames the data set, and not the network, for labels of its own", function()
    local images = pictures(6, 3)
    local function set(...)
      local names, labels = table.pack(...), {}
      for i = 1, 6 do labels[i] = names[(i - 1) % #names + 1] end
      return scion.data.tensors(images, labels)
    end
    local model, three, two = network(), set("a", "b", "c"), set("a", "c")
    assert.equal("fit: labels disagree: class 2 is 'b' in the training set, but 'c' in the validation set; " ..
      "give one data set the labels of the other (labels = train.labels)", messages.refused(function() model:fit(three, with { validate = two }) end))
    model:fit(three, quiet)
    assert.equal("evaluate: labels disagree: class 2 is 'b' in the model, but 'c' in the data set; make the data set with the model's labels (labels = model.labels)",
      messages.refused(function() model:evaluate(two) end))
    assert.matches("fit: labels disagree: class 4 is absent in the model, but 'd' in the data set",
      messages.refused(function() model:fit(set("a", "b", "c", "d"), quiet) end), 1, true)
  end)

  it("tells once of options of the cache that do nothing, and what is done instead", function()
    local data = dataset()
    local function told(model, cache)
      return support.stderr_of(function()
        for _ = 1, 2 do model:fit(data, with { cache = cache, epochs = 1 }) end
      end)
    end
    assert.equal("scion: fit: cache: upto = 'block1' does nothing, since nothing is kept: nothing is frozen at which the network can be cut\n",
      told(network(), { upto = "block1" }))
    scion.seed(seed)
    local wide = scion.sequential { nn.input(12, 12, 3), nn.conv2d(32, 3, { name = "first" }), nn.conv2d(32, 5, { name = "second" }),
                                    nn.conv2d(8, 3, { name = "third" }), nn.flatten(), nn.dense(3, "softmax") }
    wide:freeze { upto = "second" }
    support.stderr_of(function() wide:fit(data, with { epochs = 1 }) end) -- it tells that the frozen weights are random
    assert.equal("", told(wide, { upto = "second" }))
    assert.equal("scion: fit: cache: upto = 'third' is above what is frozen, so that values are kept at second\n", told(wide, { upto = "third" }))
    assert.equal("scion: fit: cache: variants = 5 does nothing, and one value of each image is kept: the data set is not augmented\n", told(wide, 5))
  end)
end)
