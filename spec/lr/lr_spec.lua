-- Learning rates as functions of the step and of the depth: against PyTorch and Keras (fixtures/rates.py), and in a fit.
local core = require "scion.core"
local gradients = dofile "spec/support/gradients.lua"
local depth = require "scion.train.depth"
local messages = require "spec.support.messages"
local support = require "spec.support.files"
local scion = require "scion"
local lr, nn, optim = scion.lr, scion.nn, scion.optim

local golden = core.json_decode(support.slurp "spec/fixtures/rates.json")
local steps, per_epoch = 24, 8

local cases = {
  ["constant"] = lr.constant(0.1), ["step"] = lr.step(0.1, { every = 2 }), ["exponential"] = lr.exponential(0.1, { factor = 0.5 }),
  ["cosine"] = lr.cosine(0.1), ["cosine, to"] = lr.cosine(0.1, { to = 0.01 }), ["polynomial"] = lr.polynomial(0.1),
  ["polynomial, power"] = lr.polynomial(0.1, { to = 0.01, power = 2 }), ["one_cycle"] = lr.one_cycle(0.1),
  ["one_cycle, rise"] = lr.one_cycle(0.1, { rise = 0.5, from = 0.01, to = 0.005 }),
  ["warmup, cosine"] = lr.warmup(lr.cosine(0.1), { share = 0.25 }), ["warmup, number"] = lr.warmup(0.1, { steps = 8, from = 0.02 }),
  ["warmup, step"] = lr.warmup(lr.step(0.1, { every = 1 }), { epochs = 1, from = 0.05 }),
  ["by_depth"] = lr.by_depth(1e-3, 1e-5), ["layer_decay"] = lr.layer_decay(1e-3, 0.75),
}

local function value(rate, i)
  if rate.name == "by_depth" or rate.name == "layer_decay" then return rate:at { step = 3, steps = steps, depth = i - 1, deepest = 4 } end
  return rate:at { step = i, steps = steps, steps_per_epoch = per_epoch }
end

local function network()
  scion.seed(3)
  return scion.sequential { nn.input(2), nn.dense(2, { name = "a/dense" }), nn.batch_norm { name = "a/norm" }, nn.dense(2, { name = "mid" }),
                            nn.batch_norm { name = "norm" }, nn.dense(2, { name = "head" }) }
end

local function ones(model)
  local buffer = gradients.zeros(model)
  core.fill(buffer.flat, 1)
  return buffer
end

local function data(n) return scion.data.tensors(scion.randn(n or 8, 2), scion.randn(n or 8, 2), { batch = 2 }) end

describe("a learning rate", function()
  it("are no numbers to compute with, and their options cannot be set", function()
    local rate = lr.cosine(1e-3)
    for _, compute in ipairs { function() return rate * 0.5 end, function() return 2 * rate end, function() return rate / 2 end, function() return rate - 1e-4 end,
                               function() return -rate end, function() return rate < 1e-4 end } do
      assert.matches("a rate is no number to compute with: optimizer.scale = 0.5 multiplies all rates of an optimizer", messages.refused(compute), 1, true)
    end
    assert.matches("a rate: options: 'to' cannot be set: to change one, make another", messages.refused(function() rate.options.to = 1 end), 1, true)
    assert.equal(1e-3, rate.options.lr)
  end)

  teardown(support.done)

  for name, expected in pairs(golden) do
    it(("has at each step what PyTorch or Keras has: %s"):format(name), function()
      for i, e in ipairs(expected) do
        local off = math.abs(value(cases[name], i) - e)
        assert.is_true(off <= 1e-12 * math.abs(e), ("%s at %d is %.9g, not %.9g"):format(cases[name], i, value(cases[name], i), e))
      end
    end)
  end

  it("is in the list with a case of its own", function()
    local known = {}
    for name in pairs(cases) do known[name:match "^[%w_]+"] = true end
    for name in pairs(lr) do assert.is_true(known[name], name) end
  end)

  it("may begin at rates by depth", function()
    local rate = lr.warmup(lr.cosine(lr.by_depth(1e-2, 1e-4)), { steps = 4 })
    local plain = lr.warmup(lr.cosine(1), { steps = 4 })
    for step = 1, 10 do
      for d, factor in pairs { [0] = 1e-2, [1] = 1e-3, [2] = 1e-4 } do
        local expected, found = factor * plain:at { step = step, steps = 10 }, rate:at { step = step, steps = 10, depth = d, deepest = 2 }
        assert.is_true(math.abs(found - expected) <= 1e-12, ("step %d, depth %d: %g, not %g"):format(step, d, found, expected))
      end
    end
  end)

  it("is defined for fits of one step and of few", function()
    for _, rate in pairs(cases) do
      for n = 1, 5 do
        for step = 1, n do
          local ok, found = pcall(rate.at, rate, { step = step, steps = n })
          assert.is_true(ok and found >= 0 and found <= 0.1 or rate.name == "warmup", ("%s, step %d of %d: %s"):format(rate, step, n, found))
        end
      end
    end
  end)

  it("prints as it is made, and cannot be changed", function()
    assert.equal("warmup(cosine(by_depth(0.001, 1e-05)), epochs = 1)", tostring(lr.warmup(lr.cosine(lr.by_depth(1e-3, 1e-5)), { epochs = 1 })))
    assert.equal("cosine(0.1, to = 0.01)", tostring(lr.cosine(0.1, { to = 0.01 })))
    assert.equal("one_cycle(0.1)", tostring(lr.one_cycle(0.1)))
    assert.equal("sgd(lr = cosine(0.1), momentum = 0.9)", tostring(optim.sgd { lr = lr.cosine(0.1), momentum = 0.9 }))
    assert.matches("a rate: 'name' cannot be set", messages.refused(function() cases.cosine.name = "x" end), 1, true)
    assert.matches("a rate has no field 'lr': it has at, name, options", messages.refused(function() cases.cosine.lr = 1 end), 1, true)
  end)

  it("says at the user's line what it cannot be made of", function()
    local function refused(expected, f) assert.matches(expected, messages.refused(f), 1, true) end
    refused("scion.lr.cosine: lr is missing; it is a number from 0 up, or a rate by depth such as scion.lr.by_depth(1e-3, 1e-5)", function() lr.cosine() end)
    refused("scion.lr.cosine: lr is a number from 0 up, or a rate by depth such as scion.lr.by_depth(1e-3, 1e-5), not a rate",
            function() lr.cosine(lr.cosine(1)) end)
    refused("scion.lr.cosine: lr is a number from 0 up, or a rate by depth such as scion.lr.by_depth(1e-3, 1e-5), not NaN", function() lr.cosine(0 / 0) end)
    refused("scion.lr.step: every is missing", function() lr.step(1) end)
    refused("scion.lr.warmup: one of epochs, steps and share says how long it takes", function() lr.warmup(1) end)
    refused("scion.lr.warmup: one of epochs, steps and share says how long it takes", function() lr.warmup(1, { epochs = 1, steps = 3 }) end)
    refused("lr is a number from 0 up, or a rate other than a warm-up, not a rate", function() lr.warmup(lr.warmup(1, { steps = 2 }), { steps = 2 }) end)
    refused("scion.lr.by_depth: deepest is a number above 0, not 0", function() lr.by_depth(1, 0) end)
    refused("rate:at: step 3 is beyond the 2 steps", function() cases.cosine:at { step = 3, steps = 2 } end)
    refused("rate:at is called with a colon on a rate", function() cases.cosine.at {} end)
    refused("scion.lr has no 'cosin': did you mean 'cosine'?", function() local _ = lr.cosin end)
  end)
end)

describe("an optimizer with a rate", function()
  it("takes the rate of each step", function()
    local model, optimizer = network(), optim.sgd { lr = lr.polynomial(1) }
    local buffer, groups = ones(model), optimizer:groups_of(model)
    for step = 1, 4 do
      local before = model:layer("head").weights.bias:copy()
      optimizer:step(groups, buffer, { step = step, steps = 4, steps_per_epoch = 4 })
      assert.is_true(math.abs((before - model:layer("head").weights.bias):get(1) - (5 - step) / 4) < 1e-6)
    end
  end)

  it("knows how deep each block lies", function()
    local model = network()
    local function all()
      local depths, deepest = depth.of(model)
      local found = { deepest = deepest }
      for layer, d in pairs(depths) do found[layer.name] = d end
      return found
    end
    assert.same({ deepest = 2, head = 0, mid = 1, norm = 1, ["a/dense"] = 2, ["a/norm"] = 2 }, all())
    model:freeze { upto = "a" }
    assert.same({ deepest = 1, head = 0, mid = 1, norm = 1 }, all())
    local optimizer = optim.sgd { lr = lr.by_depth(1, 0.25), groups = { { layers = "mid", lr = lr.layer_decay(1, 0.5) } } }
    model:thaw()
    local buffer, groups = ones(model), optimizer:groups_of(model)
    local before = {}
    for _, name in ipairs { "a/dense", "mid", "head" } do before[name] = model:layer(name).weights.bias:copy() end
    optimizer:step(groups, buffer, { step = 1, steps = 1, steps_per_epoch = 1 })
    local function moved(name) return (before[name] - model:layer(name).weights.bias):get(1) end
    assert.same({ 0.25, 0.5, 1.0 }, { moved "a/dense", moved "mid", moved "head" })
  end)

  it("has one depth for all that was grafted", function()
    local base = scion.sequential { nn.input(6), nn.dense(5, { name = "a/dense" }), nn.dense(5, { name = "b/dense" }) }
    local model = base:graft { nn.dense(4, "relu", { name = "first" }), nn.dropout(0.2), nn.dense(3, { name = "second" }) }
    local before = {}
    for _, name in ipairs { "a/dense", "b/dense", "first", "second" } do before[name] = model:layer(name).weights.bias:copy() end
    local buffer, optimizer = ones(model), optim.sgd { lr = lr.by_depth(1, 0.25) }
    optimizer:step(optimizer:groups_of(model), buffer, { step = 1, steps = 1, steps_per_epoch = 1 })
    local function moved(name) return (before[name] - model:layer(name).weights.bias):get(1) end
    assert.same({ 0.25, 0.5, 1.0, 1.0 }, { moved "a/dense", moved "b/dense", moved "first", moved "second" })
  end)

  it("goes through a fit's steps, which its history has at the end of each epoch", function()
    local history = network():fit(data(), { epochs = 3, verbose = false, optimizer = optim.sgd { lr = lr.polynomial(0.12) } })
    for epoch = 1, 3 do assert.is_true(math.abs(history[epoch].lr - 0.01 * (13 - 4 * epoch)) < 1e-12, history[epoch].lr) end
  end)

  it("counts steps of several batches as one, and the epochs of this fit alone", function()
    local model, seen = network(), {}
    for _ = 1, 2 do
      local optimizer = optim.sgd { lr = lr.polynomial(0.12) }
      local history = model:fit(data(10), { epochs = 2, verbose = false, optimizer = optimizer, accumulate = 2, on_interrupt = "raise" })
      seen[#seen + 1] = ("%.2f %.2f"):format(history[1].lr, history[2].lr) -- 5 batches are 3 steps
    end
    assert.same({ "0.08 0.02", "0.08 0.02" }, seen)
  end)

  it("goes through the stages of a schedule that have the optimizer one after the other", function()
    local stages = scion.schedule { { epochs = 1, train = "head", optimizer = optim.sgd { lr = lr.polynomial(0.12) } }, { epochs = 2, from = "mid" },
                                    { epochs = 1, lr = lr.cosine(0.5, { to = 0.5 }) } }
    local history = network():fit(data(), { schedule = stages, verbose = false, quiet = true })
    local rates = {}
    for i, e in ipairs(history) do rates[i] = ("%.2f"):format(e.lr) end
    assert.same({ "0.09", "0.05", "0.01", "0.50" }, rates)
  end)

  it("is multiplied by its scale", function()
    local optimizer = optim.sgd { lr = lr.polynomial(0.12) }
    local history = network():fit(data(), { epochs = 2, verbose = false, optimizer = optimizer, callbacks = { epoch = function() optimizer.scale = 0.5 end } })
    assert.is_true(math.abs(history[2].lr - 0.5 * 0.12 / 8) < 1e-12)
    assert.equal("sgd(lr = polynomial(0.12), scale = 0.5)", tostring(optimizer))
  end)

  it("raises in fit where the warm-up has no end, and changes nothing", function()
    local model = network()
    local before = model:layer("head").weights.kernel:bytes()
    local function fit() model:fit(data(), { epochs = 1, verbose = false, optimizer = optim.sgd { lr = lr.warmup(0.1, { epochs = 1 }) } }) end
    assert.equal("the warm-up of the learning rate takes 4 steps, and the fit has no more than 4: make one shorter, or the other longer", messages.refused(fit))
    assert.equal(before, model:layer("head").weights.kernel:bytes())
  end)

  it("raises where a callback sets it to nothing, at the callback's line", function()
    for _, wrong in ipairs { "nil", "-1", "0/0", "'0.1'" } do
      local optimizer, set = optim.adam(), load("local o = ... o.lr = " .. wrong, "=callback")
      local ok, message = pcall(function()
        network():fit(data(), { epochs = 2, verbose = false, optimizer = optimizer, callbacks = { epoch = function() set(optimizer) end } })
      end)
      assert.is_false(ok)
      assert.matches("^callback:1: an optimizer: lr is a number from 0 up or a rate such as scion.lr.cosine%(1e%-4%), not ", message)
      assert.equal(1e-3, optimizer.lr)
    end
  end)
end)
