-- Steps of several batches, limits of gradients, and the events of a fit.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local nn = scion.nn

local images = (scion.uniform({ 12, 6, 6, 3 }, 0, 255)):to "u8"
local labels = { 1, 2, 3, 3, 2, 1, 1, 2, 3, 1, 2, 3 }

local function network(norm)
  scion.seed(5)
  local layers = { nn.input(6, 6, 3), nn.conv2d(4, 3, { activation = "tanh" }), nn.flatten(), nn.dense(3, "softmax") }
  if norm then table.insert(layers, 3, nn.batch_norm()) end
  return scion.sequential(layers)
end

local function data(batch) return scion.data.tensors(images, labels, { batch = batch, shuffle = false }) end

local function weights(model)
  local list = {}
  for _, layer in ipairs(model:layers()) do
    for _, w in pairs(layer.weights) do list[#list + 1] = w:copy() end
  end
  return list
end

local function farthest(a, b)
  local worst = 0
  for i in ipairs(a) do worst = math.max(worst, (a[i] - b[i]):abs():max()) end
  return worst
end

describe("a step of several batches", function()
  it("is that of the large batch, within rounding, also where the last one is smaller", function()
    for _, batch in ipairs { 3, 5 } do
      local large, small = network(), network()
      local optimizer = function() return scion.optim.sgd { lr = 0.1, momentum = 0.9 } end
      local one = large:fit(data(12), { epochs = 4, verbose = false, optimizer = optimizer(), class_weights = { 1, 2, 0.5 } })
      local other = small:fit(data(batch), { epochs = 4, verbose = false, optimizer = optimizer(), accumulate = 4, class_weights = { 1, 2, 0.5 } })
      assert.is_true(farthest(weights(large), weights(small)) < 1e-6)
      assert.is_true(farthest(weights(large), weights(network())) > 1e-2) -- they did train
      assert.is_true(math.abs(one[4].loss - other[4].loss) < 1e-6)
      assert.equal(one[4].accuracy, other[4].accuracy)
    end
  end)

  it("counts as one, for callbacks too, and an epoch's last one may have fewer batches", function()
    local steps = {}
    network():fit(data(2), { verbose = false, accumulate = 4, callbacks = { step = function(step) steps[#steps + 1] = step.step end } })
    assert.same({ 1, 2 }, steps)
  end)

  it("leaves no trace where it is not completed: an interrupt, or a loss that is not finite", function()
    local model = network(true)
    model:fit(data(3), { verbose = false, accumulate = 2 })
    local before, count = weights(model), model.steps
    local own = { labels = { "1", "2", "3" }, size = { 6, 6 }, batch = 3 }
    local function set(spoil)
      return setmetatable({ batches = function(_, epoch)
        local next_batch, n = data(3):batches(epoch), 0
        return function()
          n = n + 1
          local batch = next_batch()
          return n == 2 and spoil(batch) or batch
        end
      end }, { __index = own, __len = function() return 12 end })
    end
    local function interrupted(batch)
      io.popen("kill -INT $PPID"):close()
      return batch
    end
    local history
    support.stderr_of(function() history = model:fit(set(interrupted), { verbose = false, accumulate = 3, on_interrupt = "return" }) end)
    assert.is_true(history.interrupted)
    assert.equal(0, farthest(before, weights(model)))
    assert.equal(count, model.steps)
    local function spoilt(batch) return { x = batch.x, y = batch.y, weight = scion.tensor { 1, 0 / 0, 1 } } end
    assert.matches("the loss is NaN in epoch 2, step 1", messages.refused(function() model:fit(set(spoilt), { verbose = false, accumulate = 3 }) end), 1, true)
    assert.equal(0, farthest(before, weights(model)))
    assert.equal(count, model.steps)
  end)
end)

describe("limits of gradients", function()
  -- SGD with a rate of 1 subtracts the gradients themselves
  local function change(clip)
    local model = network()
    local before = weights(model)
    model:fit(data(12), { verbose = false, clip = clip, optimizer = scion.optim.sgd { lr = 1 } })
    local after, squares, largest = weights(model), 0, 0
    for i in ipairs(after) do
      local difference = after[i] - before[i]
      squares, largest = squares + (difference * difference):sum(), math.max(largest, difference:abs():max())
    end
    return math.sqrt(squares), largest
  end

  it("are of their common norm, or of each", function()
    local norm, largest = change()
    assert.is_true(math.abs(change(norm / 4) / (norm / 4) - 1) < 1e-4)
    assert.is_true(math.abs(change { norm = norm / 4 } / (norm / 4) - 1) < 1e-4)
    assert.is_true(math.abs(change(2 * norm) / norm - 1) < 1e-6)
    local _, limited = change { value = largest / 3 }
    assert.is_true(math.abs(limited / (largest / 3) - 1) < 1e-4)
  end)

  it("are numbers above 0", function()
    for given, text in pairs { [0] = "0", [-1] = "-1", [0 / 1 - 0.5] = "-0.5", [1e-300] = "1e-300" } do
      assert.matches("fit: clip is a limit of the gradients' norm, or { norm = …, value = … }, not " .. text,
        messages.refused(function() network():fit(data(12), { clip = given }) end), 1, true)
    end
    assert.equal("fit: clip is empty and limits nothing: give it norm, value or both, such as { norm = 1 }, or leave it out",
      messages.refused(function() network():fit(data(12), { clip = {} }) end))
    assert.matches("fit: clip: unknown option 'max' (it takes norm, value)", messages.refused(function() network():fit(data(12), { clip = { max = 1 } }) end), 1, true)
  end)
end)

describe("the events of a fit", function()
  it("are called in their order, each with the one context", function()
    local told, context = {}, nil
    local function note(name)
      return function(run)
        context = context or run
        assert.equal(context, run)
        told[#told + 1] = ("%s %d.%d"):format(name, run.epoch, run.step)
      end
    end
    local callback = {}
    for _, name in ipairs { "fit_begins", "epoch_begins", "step_begins", "step_ends", "epoch_ends", "fit_ends" } do callback[name] = note(name) end
    local history = network():fit(data(6), { epochs = 2, verbose = false, callbacks = { callback } })
    assert.equal(table.concat({ "fit_begins 1.0", "epoch_begins 1.0", "step_begins 1.0", "step_ends 1.1", "step_begins 1.1", "step_ends 1.2", "epoch_ends 1.2",
                                "epoch_begins 2.0", "step_begins 2.0", "step_ends 2.1", "step_begins 2.1", "step_ends 2.2", "epoch_ends 2.2", "fit_ends 2.2" }, "\n"),
                 table.concat(told, "\n"))
    assert.equal(history, context.history)
    assert.equal(history[2], context.entry)
    assert.matches("^epoch 2 of 2, step 2: loss [%d.]+$", tostring(context))
  end)

  it("may change options of the optimizer, and end the fit: at once, or after an epoch", function()
    local history = network():fit(data(6), { epochs = 5, verbose = false, callbacks = {
      { step_ends = function(run) run.optimizer.lr = run.optimizer.lr / 2 end },
      { epoch_ends = function(run) if run.epoch == 2 then run:stop() end end },
    } })
    assert.equal(2, #history)
    assert.is_true(math.abs(history[2].lr - 1e-3 / 16) < 1e-12)
    local steps = 0
    history = network():fit(data(6), { epochs = 5, verbose = false, callbacks = { step_ends = function() steps = steps + 1 return false end } })
    assert.same({ 1, 1 }, { #history, steps })
  end)

  it("do not set what they may only read", function()
    local function refused(text, f)
      assert.matches(text, messages.refused(function() network():fit(data(6), { verbose = false, callbacks = { step_ends = f } }) end), 1, true)
    end
    refused("a run: 'epoch' cannot be set", function(run) run.epoch = 7 end)
    refused("a run has no field 'epochs_left'", function(run) return run.epochs_left end)
    refused("a run has no field 'lr'", function(run) run.lr = 1 end)
  end)

  it("pass on what a callback raises, and leave the model whole", function()
    local model = network()
    local ok, message = pcall(model.fit, model, data(6), { verbose = false, callbacks = { step_ends = function() error "no more" end } })
    assert.is_false(ok)
    assert.matches("step_spec.lua:%d+: no more", message)
    assert.equal(1, #model:fit(data(6), { verbose = false }))
    assert.is_true(core.catch_interrupts())
    core.release_interrupts()
  end)
end)

describe("the progress of a fit", function()
  it("is that of this fit alone", function() -- an earlier fit's may not be among the callbacks of the next
    local script = os.tmpname()
    support.spit(script, [[
      local scion = require "scion"
      local data = scion.data.tensors(scion.zeros({ 4, 2, 2, 3 }, "u8"), { 1, 2, 1, 2 })
      local model = scion.sequential { scion.nn.input(2, 2, 3), scion.nn.flatten(), scion.nn.dense(2, "softmax") }
      model:fit(data)
      model:fit(data, { verbose = false })
      model:fit(data)]])
    local out = support.shell("lua5.4 " .. script)
    os.remove(script)
    local epochs = {}
    for epoch in out:gmatch "epoch (%S+)" do epochs[#epochs + 1] = epoch end
    assert.same({ "1/1", "3/3" }, epochs)
  end)
end)
