-- Each optimizer, step by step, against Keras: see fixtures/optimizers.py.
local core = require "scion.core"
local gradients = dofile "spec/support/gradients.lua"
local messages = require "spec.support.messages"
local support = require "spec.support.files"
local scion = require "scion"
local nn = scion.nn

local golden = core.json_decode(support.slurp "spec/fixtures/optimizers.json")

--- Numbers of wave() in fixtures/optimizers.py, as a change of them by f.
local function wave(phase, f)
  local list = {}
  for i = 0, 11 do list[i + 1] = f(math.sin(0.7 * i * (1 + 0.001 * i) + phase)) end
  return list
end

local function network()
  return scion.sequential { nn.input(2), nn.dense(2, { name = "a/dense" }), nn.dense(2, { name = "head" }) }
end

-- Copies the numbers into tensors, one after the other.
local function fill(tensors, numbers)
  local at = 0
  for _, t in ipairs(tensors) do
    local sizes, values = t:shape(), {}
    for i = 1, t:copy():reshape { -1 }:shape()[1] do values[i] = numbers[at + i] end
    core.run { "copy", x = scion.tensor(values):reshape(sizes), y = t }
    at = at + #values
  end
end

-- The weights after each of 20 steps, as the fixture holds them.
local function steps_of(optimizer)
  local model = network()
  local buffer, list, slopes = gradients.zeros(model), {}, {}
  for _, node in ipairs(model.order) do
    for _, p in ipairs(node.layer:trainable()) do list[#list + 1], slopes[#slopes + 1] = p.tensor, buffer:slice(p) end
  end
  fill(list, wave(0.5, function(v) return v end))
  local groups, steps = optimizer:groups_of(model), {}
  for step = 1, 20 do
    fill(slopes, wave(1.3 * step, function(v) return v * 0.5 + 0.3 end))
    assert.is_nil(optimizer:step(groups, buffer))
    local row = {}
    for _, t in ipairs(list) do
      for _, value in ipairs(t:copy():reshape { -1 }:totable()) do row[#row + 1] = value end
    end
    steps[step] = row
  end
  return steps
end

local function worst(steps, expected)
  local most = 0
  for step, row in ipairs(expected) do
    assert.equal(#row, #steps[step])
    for i, value in ipairs(row) do
      local d = math.abs(value - steps[step][i])
      most = math.max(most, d == d and d or math.huge)
    end
  end
  return most
end

local optim = scion.optim
local cases = {
  ["sgd"] = optim.sgd { lr = 0.1 }, ["sgd, decay"] = optim.sgd { lr = 0.1, weight_decay = 0.2 }, ["sgd, momentum"] = optim.sgd { lr = 0.1, momentum = 0.9 },
  ["sgd, nesterov"] = optim.sgd { lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.2 },
  ["rmsprop"] = optim.rmsprop { lr = 0.01 },
  ["rmsprop, momentum"] = optim.rmsprop { lr = 0.01, rho = 0.8, momentum = 0.5, epsilon = 1e-3, weight_decay = 0.2 },
  ["adam, groups"] = optim.adam { lr = 0.02, groups = { { layers = "a/*", lr = 0.001, weight_decay = 0.5 }, { layers = "*d*", weight_decay = 0 } } },
  ["adamw, kernels"] = optim.adamw { lr = 0.01, weight_decay = 0.5, decays = "kernels" },
  ["lamb, kernels"] = optim.lamb { lr = 0.02, epsilon = 1e-6, weight_decay = 0.3, decays = "kernels" },
  ["adam"] = optim.adam { lr = 0.01 }, ["adamw"] = optim.adamw { lr = 0.01 },
  ["adagrad"] = optim.adagrad { lr = 0.1 }, ["adagrad, decay"] = optim.adagrad { lr = 0.1, initial = 0, epsilon = 1e-3, weight_decay = 0.2 },
  ["lion"] = optim.lion { lr = 0.01 }, ["lion, decay"] = optim.lion { lr = 0.01, beta1 = 0.8, beta2 = 0.95, weight_decay = 0.5 },
  ["lamb"] = optim.lamb { lr = 0.01 }, ["lamb, decay"] = optim.lamb { lr = 0.02, epsilon = 1e-6, weight_decay = 0.3 },
}

describe("an optimizer", function()
  for name, expected in pairs(golden) do
    it(("takes 20 steps as Keras does: %s"):format(name), function()
      local off = worst(steps_of(cases[name]), expected)
      assert.is_true(off < 2e-6, ("%s is off by %g"):format(cases[name], off))
    end)
  end

  it("is in the list with a case of its own", function()
    local known = {}
    for name in pairs(cases) do known[name:match "^%w+"] = true end
    for name in pairs(optim) do assert.is_true(known[name], name) end
  end)

  it("with one option of another value takes other steps", function()
    for name, change in pairs { ["sgd, nesterov"] = { momentum = 0.9, weight_decay = 0.2 }, ["lion, decay"] = { beta1 = 0.8, weight_decay = 0.5 },
                                ["lamb, decay"] = { epsilon = 1e-6 }, ["adagrad, decay"] = { initial = 0.1, epsilon = 1e-3, weight_decay = 0.2 } } do
      change.lr = cases[name].lr
      assert.is_true(worst(steps_of(optim[cases[name].name](change)), golden[name]) > 1e-4, name)
    end
  end)

  it("says what is wrong with its groups where it is made, and before the first step", function()
    local function refused(expected, groups)
      assert.matches(expected, messages.refused(function() local _ = optim.sgd { groups = groups } end), 1, true)
    end
    refused("scion.optim.sgd: groups is a list of groups, such as { { layers = 'block1/*', lr = 1e-5 } }, and", { layers = "a", lr = 1 })
    refused("element 1 has neither lr nor weight_decay, and so changes nothing", { { layers = "a" } })
    refused("element 1 has a wrong option: lr is a number from 0 up or a rate such as scion.lr.cosine(1e-4) or nil, not -1", { { layers = "a", lr = -1 } })
    refused("layers is missing", { { lr = 1 } })
    refused("unknown option 'momentum'", { { layers = "a", momentum = 1 } })
    local data = scion.data.tensors(scion.ones(4, 2), scion.ones { 4, 2 })
    local function unfit(expected, groups)
      local model = network()
      local before = model:layer("head").weights.kernel:bytes()
      assert.matches(expected, messages.refused(function() model:fit(data, { verbose = false, optimizer = optim.sgd { groups = groups } }) end), 1, true)
      assert.equal(before, model:layer("head").weights.kernel:bytes())
    end
    unfit("the optimizer's groups: no layer is named 'haed'; the nearest are head, a", { { layers = "haed", lr = 0.1 } })
    unfit("the optimizer's groups: no layer matches the pattern 'b/*'", { { layers = "b/*", lr = 0.1 } })
    unfit("those before 'a' match all of its layers", { { layers = "*", lr = 0.1 }, { layers = "a", lr = 1 } })
  end)

  it("has no group for what is frozen, until it is thawed", function()
    local model, optimizer = network(), optim.sgd { groups = { { layers = "a", lr = 1e-3 } } }
    local function groups() return #optimizer:groups_of(model) end
    assert.equal(2, groups())
    model:freeze { upto = "a" }
    assert.equal(1, groups())
    model:thaw()
    assert.equal(2, groups())
  end)

  it("takes what is set in a group from the next step on", function()
    local model, optimizer = network(), optim.sgd { lr = 1, groups = { { layers = "a", lr = 1 } } }
    local buffer, groups = gradients.zeros(model), optimizer:groups_of(model)
    core.fill(buffer.flat, 1)
    local function moved()
      local before = model:layer("a/dense").weights.bias:copy()
      optimizer:step(groups, buffer)
      return (before - model:layer("a/dense").weights.bias):get(1)
    end
    assert.equal(1, moved())
    optimizer.groups[1].lr = 0.5
    assert.equal(0.5, moved())
    optimizer.groups[1].lr, optimizer.lr = nil, 0.25
    assert.equal(0.25, moved())
    assert.matches("a group of an optimizer: lr is a number from 0 up or a rate such as scion.lr.cosine(1e-4) or nil, not -1",
                   messages.refused(function() optimizer.groups[1].lr = -1 end), 1, true)
    assert.matches("did you mean 'lr'", messages.refused(function() optimizer.groups[1].rl = 1 end), 1, true)
  end)

  it("prints with its groups", function()
    assert.equal("adamw(lr = 0.001, groups = { { layers = 'a/*', lr = 1e-05 }, { layers = 'head', weight_decay = 0 } })",
                 tostring(optim.adamw { groups = { { layers = "a/*", lr = 1e-5 }, { layers = "head", weight_decay = 0 } } }))
    assert.equal("lamb(lr = 0.001, decays = 'kernels', weight_decay = 0.1)", tostring(optim.lamb { decays = "kernels", weight_decay = 0.1 }))
  end)
end)
