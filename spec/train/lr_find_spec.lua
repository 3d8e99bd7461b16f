-- The search for a learning rate: its curve, and that nothing is left of it.
local messages = dofile "spec/support/messages.lua"
local scion = require "scion"
local nn = scion.nn

local x = scion.uniform { 64, 4 }
local data = scion.data.tensors(x, x:matmul(scion.tensor { { 1 }, { -2 }, { 0.5 }, { 3 } }), { batch = 16, seed = 3 })

local function network()
  scion.seed(1)
  return scion.sequential { nn.input(4), nn.dropout(0.1), nn.dense(8, "tanh"), nn.dense(1) }
end

local function weights(model) return model.order[3].layer:weight("kernel"):bytes() .. model.order[4].layer:weight("kernel"):bytes() end

describe("lr_find", function()
  it("finds the rates at which the loss falls and rises", function()
    local curve = network():lr_find(data, { optimizer = scion.optim.sgd(), from = 1e-5, to = 100, steps = 80 })
    assert.is_true(#curve > 30 and #curve <= 80)
    assert.is_true(math.abs(curve[1].lr - 1e-5) < 1e-12)
    for i = 2, #curve do assert.is_true(math.abs(curve[i].lr / curve[i - 1].lr / (1e7 ^ (1 / 79)) - 1) < 1e-9) end
    assert.is_true(curve.suggested > 1e-3 and curve.suggested == curve.lowest / 10 and curve.lowest < 10, tostring(curve))
    assert.is_true(#curve == 80 or curve[#curve].loss > 4 * curve[#curve - 10].loss or curve[#curve].loss > 1)
    assert.matches("lr +loss\n", tostring(curve))
    assert.matches("a rate to begin with is a tenth of that, ", tostring(curve), 1, true)
  end)

  it("suggests no rate where the loss never falls", function()
    local curve = network():lr_find(data:with { batch = 64 }, { optimizer = scion.optim.sgd(), from = 1e-12, to = 1e-11, steps = 10 })
    assert.is_nil(curve.suggested)
    assert.matches("it has hardly fallen: end with a higher `to`", tostring(curve), 1, true)
  end)

  it("suggests no rate where the loss only rises", function()
    local curve = network():lr_find(data, { optimizer = scion.optim.sgd(), from = 2, to = 100, steps = 20 })
    assert.equal(curve[1].lr, curve.lowest)
    assert.is_nil(curve.suggested)
    assert.matches("the loss has not fallen: begin with a lower `from`", tostring(curve):gsub("%s+", " "), 1, true)
  end)

  it("says so where the loss falls by no more than chance has it fall", function()
    local curve = require("scion.report.results").rate_curve {}
    for i = 1, 20 do curve[i] = { lr = 10.0 ^ -i, loss = i == 9 and 0.95 or i > 15 and 2 or 1 } end
    curve.lowest = curve[9].lr
    assert.matches("it has fallen by too little to tell that from the chance of the batches: give it more `steps`", tostring(curve):gsub("%s+", " "), 1, true)
  end)

  it("speaks in its own name, also after Ctrl-C, which leaves the model as it was", function()
    local model = network()
    local before = weights(model)
    local ok, raised = pcall(model.lr_find, model, data, { loss = function(outputs, targets)
      if model.steps == 3 then io.popen("kill -INT $PPID"):close() end
      local difference = outputs - targets
      return (difference * difference):reshape(-1), 2 * difference
    end })
    assert.is_false(ok)
    assert.matches("lr_find_spec.lua:%d+: lr_find: Ctrl%-C ended it after %d of 100 steps; the model is as it was before$", tostring(raised))
    assert.same({ before, 0 }, { weights(model), model.steps })
    local images = scion.data.tensors(scion.zeros({ 2, 6, 6, 3 }, "u8"), { 1, 2 })
    local other = scion.sequential { nn.input(4, 4, 3), nn.flatten(), nn.dense(2, "softmax") }
    assert.matches("lr_find: the data set has images of 6x6", messages.refused(function() other:lr_find(images) end), 1, true)
    model:freeze()
    assert.matches("lr_find: every layer with weights is frozen", messages.refused(function() model:lr_find(data) end), 1, true)
  end)

  it("leaves model, optimizer and history as they were, also where the loss becomes NaN", function()
    for _, to in ipairs { 1, 1e30 } do
      local model, optimizer = network(), scion.optim.adam { lr = 2e-3 }
      model:fit(data, { epochs = 2, verbose = false, optimizer = optimizer })
      local twin, twin_optimizer = network(), scion.optim.adam { lr = 2e-3 }
      twin:fit(data, { epochs = 2, verbose = false, optimizer = twin_optimizer })
      local before = weights(model)
      assert.is_true(#model:lr_find(data, { optimizer = optimizer, to = to, steps = 30 }) > 5)
      assert.equal(before, weights(model))
      assert.same({ 2, 8, 2, 2e-3 }, { model.epoch, model.steps, #model.history, optimizer.lr })
      model:fit(data, { epochs = 1, verbose = false, optimizer = optimizer })
      twin:fit(data, { epochs = 1, verbose = false, optimizer = twin_optimizer })
      assert.equal(weights(twin), weights(model)) -- the moments, too
    end
  end)

  it("refuses what makes no sense", function()
    local model = network()
    local function refused(text, o, set) assert.matches(text, messages.refused(function() model:lr_find(set or data, o) end), 1, true) end
    refused("lr_find: from is 1, which is not below to, 0.1", { from = 1, to = 0.1 })
    refused("lr_find: unknown option 'step' (did you mean 'steps'?)", { step = 3 })
    refused("lr_find: steps is a whole number from 5", { steps = 1 })
    refused("a data set, such as scion.data.folder('data/train'), not 'photos'", {}, "photos")
    assert.same({ 0, 0 }, { model.epoch, #model.history })
  end)
end)
