-- Scores of features beside their papers' formulas, scikit-learn and SciPy: spec/fixtures/scores.py.
local core = require "scion.core"
local blocks = dofile "spec/support/blocks.lua"
local difference = require "scion.insight.difference"
local difference_interval = require "scion.insight.difference_interval"
local leep_score = require "scion.insight.leep_score"
local logme = require "scion.insight.logme"
local messages = require "spec.support.messages"
local scion = require "scion"
local spread = require "scion.insight.spread"
local support = require "spec.support.files"
local insight, nn = scion.insight, scion.nn

local golden = core.json_decode(support.slurp "spec/fixtures/scores.json")

local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end

describe("LogME", function()
  it("is its paper's, with more images than features, fewer, useless ones, and ones that stand twice", function()
    for i, case in ipairs(golden.logme) do
      local x, y = scion.tensor(case.x), scion.tensor(case.y, "i32")
      for c, evidence in ipairs(core.log_evidence(x, core.one_hot(y - 1, case.classes))) do
        assert.near(case.each[c], evidence, 1e-9, ("case %d, class %d"):format(i, c))
      end
      assert.near(case.score, logme(x, y, case.classes), 1e-9)
      assert.near(case.score, logme(x, y, case.classes + 2), 1e-9) -- classes without images do not count
    end
  end)

  it("is a number, whatever the features are", function()
    for _, x in ipairs { scion.zeros { 5, 3 }, scion.ones { 5, 3 }, scion.full({ 5, 3 }, 1e30), scion.full({ 5, 3 }, 1e-30), scion.ones { 1, 9 } } do
      for _, y in ipairs { scion.zeros { #x, 1 }, scion.ones { #x, 1 } } do
        local evidence = core.log_evidence(x, y)[1]
        assert.is_true(evidence == evidence and math.abs(evidence) < 100, tostring(evidence))
      end
    end
  end)

  it("refuses what is no features", function()
    refused("log_evidence: x is 4x2 and y is 3x1: matrices with as many rows as each other are needed",
            function() core.log_evidence(scion.ones { 4, 2 }, scion.ones { 3, 1 }) end)
    refused("log_evidence: x has an element that is NaN or infinite", function() core.log_evidence(scion.full({ 4, 2 }, 0 / 0), scion.ones { 4, 1 }) end)
  end)
end)

describe("insight.leep", function()
  it("is its paper's", function()
    for _, case in ipairs(golden.leep) do
      assert.near(case.score, leep_score(scion.tensor(case.p), scion.tensor(case.y, "i32"), case.classes), 1e-6)
    end
  end)

  --- A network whose class is the brightest channel, as sure as it is told; of no use where it is not sure at all.
  local function classifier(sure)
    local model = scion.sequential { nn.input(8, 8, 3), nn.global_avg_pool(), nn.dense(3, "softmax", { name = "top" }) }
    local kernel = model:layer("top").weights.kernel:fill(0)
    for c = 1, 3 do kernel:set(c, c, sure) end
    return model
  end

  it("is high where the network's classes foretell the data set's, and its guess where they tell nothing", function()
    local data = blocks.colours(30)
    local sure, guess = insight.leep(classifier(1000), data)
    assert.near(-math.log(3), guess, 1e-6)
    assert.near(0, sure, 1e-6)
    assert.near(guess, insight.leep(classifier(0), data), 1e-6)
    local head = blocks.forgetful(true):graft { nn.global_avg_pool(), nn.dense(3, "softmax") }
    assert.near(insight.leep(head, data), head:probe(data).leep, 1e-6)
    assert.is_nil(blocks.forgetful():probe(data).leep)
  end)

  it("refuses what has no classes", function()
    refused("scion.insight.leep: the network ends in no softmax", function() insight.leep(blocks.forgetful(), blocks.colours(6)) end)
    refused("scion.insight.leep: the first argument is a model", function() insight.leep("resnet18", blocks.colours(6)) end)
    refused("scion.insight.leep: the data set has no classes", function()
      insight.leep(classifier(1000), scion.data.tensors(scion.zeros({ 2, 8, 8, 3 }, "u8"), scion.zeros { 2, 4 }))
    end)
  end)
end)

describe("insight.embed", function()
  it("gives scikit-learn's components", function()
    for _, case in ipairs(golden.components) do
      local points, explained = insight.embed(scion.tensor(case.x), { k = case.k })
      assert.is_true((points - scion.tensor(case.points)):abs():max() < 1e-5)
      for i, share in ipairs(case.explained) do assert.near(share, explained[i], 1e-6) end
    end
  end)

  it("takes images that are all the same", function()
    local points, explained = insight.embed(scion.full({ 4, 3 }, 7))
    assert.same({ { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } }, points:totable())
    assert.same({ 0, 0 }, explained)
  end)

  it("refuses what is no features", function()
    refused("scion.insight.embed: features are an f32 tensor [images, features], not a tensor (f32 2x2x2)", function() insight.embed(scion.zeros { 2, 2, 2 }) end)
    refused("scion.insight.embed: k is 5, but 4 rows of 9 features have 4 directions at most", function() insight.embed(scion.zeros { 4, 9 }, { k = 5 }) end)
    refused("scion.insight.embed: a row has a number that is NaN or infinite", function() insight.embed(scion.full({ 4, 9 }, 0 / 0)) end)
    refused("scion.insight.embed: unknown option 'K' (did you mean 'k'?)", function() insight.embed(scion.zeros { 4, 9 }, { K = 3 }) end)
  end)
end)

describe("differences", function()
  it("have the standard error of SciPy's paired test", function()
    for _, case in ipairs(golden.paired) do
      local mean, deviation = difference(scion.tensor(case.first), scion.tensor(case.second))
      assert.near(case.mean, mean, 1e-6)
      assert.near(case.statistic, mean / deviation, 1e-5)
    end
  end)

  it("between what was drawn have Student's interval", function()
    for _, case in ipairs(golden.drawn) do
      local mean, variance = spread(case.values)
      assert.near(case.mean, mean, 1e-12)
      assert.near(case.around, 1.959963984540054 * math.sqrt(variance), 1e-3 * case.around)
    end
    assert.same({ 3, 0 }, { spread { 3 } })
  end)

  it("have Agresti and Min's intervals, which few images that agree do not close", function()
    for _, case in ipairs(golden.paired) do
      local low, high = difference_interval(scion.tensor(case.first), scion.tensor(case.second))
      assert.near(case.low, low, 1e-6)
      assert.near(case.high, high, 1e-6)
    end
    local low, high = difference_interval(scion.ones { 4 }, scion.ones { 4 })
    assert.is_true(low < -0.3 and high > 0.3)
  end)
end)
