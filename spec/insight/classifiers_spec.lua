-- The classifiers of the probe, and least squares, beside scikit-learn's and SciPy's: spec/fixtures/insight.py.
local core = require "scion.core"
local cross_validation = require "scion.insight.cross_validation"
local folds = require "scion.insight.folds"
local knn = require "scion.insight.knn"
local linear = require "scion.insight.linear"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = require "spec.support.files"

local golden = core.json_decode(support.slurp "spec/fixtures/insight.json")

describe("t:least_squares", function()
  it("gives the solution of the normal equations, for each penalty", function()
    for i, case in ipairs(golden.least_squares) do
      local x, y = scion.tensor(case.x), scion.tensor(case.y)
      local w, expected = x:least_squares(y, case.penalties), scion.tensor(case.w)
      assert.same(expected:shape(), w:shape())
      assert.is_true((w - expected):abs():max() < 1e-6, ("case %d"):format(i))
      for k, penalty in ipairs(case.penalties) do assert.is_true(x:least_squares(y, penalty):equal(w:select(k))) end
    end
  end)

  it("solves large systems, of more rows than columns and of fewer", function()
    scion.seed(4)
    for _, shape in ipairs { { 400, 300 }, { 300, 400 }, { 129, 128 } } do -- whose products are made in several pieces
      local x, y = scion.randn(shape), scion.randn { shape[1], 3 }
      local w = x:least_squares(y, 5)
      local slope = x:transpose():copy():matmul(x:matmul(w) - y) + w * 5 -- 0 at the minimum
      assert.is_true(slope:abs():max() < 1e-3, slope:abs():max())
    end
  end)

  it("is the same for any number of threads, as is the penalty that is told to be too small", function()
    scion.seed(3)
    local threads, penalties = scion.threads(), { 0.5, 1, 2, 4, 8, 16, 32 }
    for _, shape in ipairs { { 70, 40 }, { 30, 90 }, { 300, 270 }, { 270, 300 } } do
      local x, y = scion.randn(shape), scion.randn { shape[1], 3 }
      local first
      for _, n in ipairs { 1, 2, 3, 8 } do
        scion.threads(n)
        local w = x:least_squares(y, penalties)
        first = first or w
        assert.is_true(w:equal(first), n)
        assert.matches("give a penalty$", messages.refused(function() scion.ones { 4, 2 }:least_squares(scion.ones { 4, 1 }, { 1, 2, 0, 3 }) end))
      end
    end
    scion.threads(threads)
  end)

  it("reads tensors of which rows are apart", function()
    local case = golden.least_squares[1]
    local x, y = scion.tensor(case.x), scion.tensor(case.y)
    local wide = scion.zeros { 9, 10 }
    core.copy(x, wide:slice(2, 3, 6))
    assert.is_true(wide:slice(2, 3, 6):least_squares(y, 1):equal(x:least_squares(y, 1)))
  end)

  it("refuses what has no one solution", function()
    local x, y = scion.ones { 4, 2 }, scion.ones { 4, 1 }
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    refused("the columns of x depend on each other, so that many solutions fit: give a penalty", function() x:least_squares(y, 0) end)
    assert.same({ 2, 1 }, x:least_squares(y, 1):shape())
    refused("a penalty is a number from 0 up, not -1", function() x:least_squares(y, -1) end)
    refused("a penalty is a number from 0 up, not ", function() x:least_squares(y, 0 / 0) end)
    refused("a penalty is a number, or a list of them", function() x:least_squares(y, { "a" }) end)
    refused("a list of 1 to 1000 penalties is needed", function() x:least_squares(y, {}) end)
    refused("x is 4x2 and y is 3x1: matrices with as many rows as each other are needed", function() x:least_squares(scion.ones { 3, 1 }, 1) end)
    refused("y has an element that is NaN or infinite", function() x:least_squares(y * (0 / 0), 1) end)
  end)
end)

describe("classifiers on features", function()
  it("tell the same images right as scikit-learn's", function()
    for i, case in ipairs(golden.classifiers) do
      local x, y, test_x, test_y = scion.tensor(case.x), scion.tensor(case.y, "i32"), scion.tensor(case.test_x), scion.tensor(case.test_y, "i32")
      for k, right in ipairs(linear.right(x, y, test_x, test_y, case.classes)) do
        assert.same(case.linear[k], right:to("i32"):totable(), ("case %d, penalty %d"):format(i, k))
      end
      assert.same(case.neighbours, knn.right(x, y, test_x, test_y, case.classes):to("i32"):totable(), "case " .. i)
    end
  end)
end)

describe("folds", function()
  it("hold each image once, and of each class as many as the others, but for one", function()
    local classes, seed = {}, os.time()
    math.randomseed(seed)
    for i = 1, 103 do classes[i] = math.random(4) ^ 2 // 4 + 1 | 0 end
    local parts, seen = folds.of(classes, 5, 3), {}
    local order = parts.order:totable()
    for k = 1, 5 do
      assert.is_true(math.abs(parts.last[k] - parts.first[k] + 1 - 103 / 5) < 1)
      local counts = {}
      for at = parts.first[k], parts.last[k] do
        assert.is_nil(seen[order[at]])
        seen[order[at]] = k
        local class = classes[order[at]]
        counts[class] = (counts[class] or 0) + 1
      end
      for class = 1, 5 do
        local all = 0
        for _, each in ipairs(classes) do all = all + (each == class and 1 or 0) end
        assert.is_true(math.abs((counts[class] or 0) - all / 5) < 1, "seed " .. seed)
      end
    end
    for i = 1, 103 do assert.is_truthy(seen[i]) end
    assert.same(order, folds.of(classes, 5, 3).order:totable())
    assert.not_same(order, folds.of(classes, 5, 4).order:totable())
    for k = 1, 5 do
      local part, others = folds.split(parts, scion.arange(1, 103), k)
      local joined = table.move(part:totable(), 1, #part, parts.first[k], others:totable())
      assert.same({ #part, parts.first[k], parts.last[k] }, { parts.last[k] - parts.first[k] + 1, joined[parts.first[k]], joined[parts.last[k]] })
    end
  end)
end)

describe("cross-validation", function()
  it("is not flattered by the choice of the penalty: of noise it tells no more than a guess would", function()
    local within, between, times = 0, 0, 100
    for seed = 1, times do
      scion.seed(seed)
      local classes = {}
      for i = 1, 120 do classes[i] = (i - 1) % 6 + 1 end
      local x, y = scion.randn { 120, 64 }, core.from_table(classes, "i32")
      local parts = folds.of(classes, 5, seed)
      local of = { parts = parts, classes = y:gather(1, parts.order), count = 6, where = "spec" }
      within = within + cross_validation.linear(of, x):mean() / times
      between = between + cross_validation.linear({ parts = { first = { 1 }, last = { 60 } }, classes = y, count = 6, where = "spec" }, x):mean() / times
    end
    assert(within < 0.175 and between < 0.175, ("%g and %g, where a guess tells %g"):format(within, between, 1 / 6))
  end)
end)
