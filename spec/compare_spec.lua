-- scion.compare: on models of which it is known what they are right about.
local core = require "scion.core"
local markup = dofile "spec/support/markup.lua"
local mcnemar = require "scion.insight.mcnemar"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local nn = scion.nn

-- A model of two classes that takes an example for the second where its feature of that number is 1.
local function by_feature(k)
  local model = scion.sequential { nn.input(3), nn.dense(2, "softmax", { name = "head" }) }
  local kernel = model:layer "head".weights.kernel
  kernel:fill(0)
  kernel:set(k, 2, 4)
  kernel:set(k, 1, -4)
  model:layer "head".weights.bias:fill(0)
  core.copy(core.from_table({ 1, -1 }, "f32"), model:layer "head".weights.bias)
  return model
end

-- 40 examples: the first feature is the class, the second one too but for 6 of class 1 and 2 of class 2, the third one never.
local function examples()
  local rows, classes = {}, {}
  for i = 1, 40 do
    local class = i <= 20 and 1 or 2
    local odd = i <= 6 or i > 38
    classes[i] = class
    rows[i] = { class - 1, odd and 2 - class or class - 1, 2 - class }
  end
  return scion.data.tensors(scion.tensor(rows), classes, { labels = { "no", "yes" }, batch = 7 })
end

describe("McNemar's test", function()
  it("gives SciPy's p-values", function()
    for _, case in ipairs(core.json_decode(support.slurp "spec/fixtures/insight.json").mcnemar) do
      local p = mcnemar(case.only_first, case.only_second)
      assert(math.abs(p - case.p) <= 1e-9 * case.p + 1e-300, ("%d and %d: %g, not %g"):format(case.only_first, case.only_second, p, case.p))
    end
  end)
end)

describe("scion.compare", function()
  teardown(support.done)

  it("says which recipe took what another one had kept", function()
    local blocks = dofile "spec/support/blocks.lua"
    local data, test = blocks.colours(30, 7), blocks.colours(12, 8)
    local function recipe()
      local model = blocks.forgetful(true):freeze():graft { nn.global_avg_pool(), nn.dense(3, "softmax") }
      model:fit(data, { epochs = 3, verbose = false, quiet = true })
      return model
    end
    local function anew() return blocks.forgetful(true):graft { nn.global_avg_pool(), nn.dense(3, "softmax") } end
    local found = scion.compare({ { "first", recipe }, { "second", recipe }, { "given", recipe() }, { "anew", anew } }, test)
    assert.same({ true, true, false, false }, { found[1].cached, found[2].cached, found[3].cached, found[4].cached }) -- "given" was made before
    assert.matches("0s, cached", tostring(found), 1, true)
    assert.matches("cached: it took outputs of frozen layers that were kept before", (tostring(found):gsub("\n%s*", " ")), 1, true)
    local page = support.slurp(found:report(support.folder() .. "/page.html"))
    assert.matches("0s, cached", page, 1, true)
    data = blocks.colours(30, 9)
    found = scion.compare({ { "first", recipe }, { "second", recipe } }, test)
    assert.same({ false, true }, { found[1].cached, found[2].cached })
    assert.is_nil(tostring(scion.compare({ { "anew", anew } }, test)):find("cached", 1, true))
  end)

  it("tells recipes and models apart on the same images", function()
    local ran = {}
    local found = scion.compare({ { "all", function() ran[1] = true return by_feature(1) end }, { "most", by_feature(2) }, { "none", by_feature(3) } }, examples())
    assert.is_true(ran[1])
    assert.same({ "all", 40, 1, 0.8, 0 }, { found.best, found.images, found[1].accuracy, found[2].accuracy, found[3].accuracy })
    assert.same({ 8, 8 }, { found[1].parameters, found[2].parameters })
    local pair = found:pair("most", "all")
    assert.same({ 0, 8 }, { pair.only_first, pair.only_second })
    assert.near(-0.2, pair.difference, 1e-9)
    assert.near(2 / 256, pair.p, 1e-12)
    -- Agresti and Min 2005: half an image more in each cell
    local middle, around = -8 / 42, 1.959963984540054 * math.sqrt(9 - 64 / 42) / 42
    assert.near(middle - around, pair.low, 1e-9)
    assert.near(middle + around, pair.high, 1e-9)
    local same = found:pair("all", "all")
    assert.same({ 0, 1 }, { same.difference, same.p })
    assert.is_true(same.low < 0 and same.high > 0)
    assert.near(-found:pair("all", "none").low, found:pair("none", "all").high, 1e-9)
    assert.matches("\n> all +100%.0%%", tostring(found))
    assert.matches("\n  most +80%.0%%.* %-20%.0 %(%-31%.8 to %-6%.3%) +0%.008", tostring(found))
  end)

  it("writes itself as a page, with the numbers that it has", function()
    local model, test, found = by_feature(2), examples(), nil
    model:fit(test, { epochs = 2, validate = test, verbose = false, quiet = true, optimizer = scion.optim.sgd { lr = 0 } })
    support.stderr_of(function()
      found = scion.compare({ { "all <b>", by_feature(1) }, { "most", model }, { "none", by_feature(3) }, { "bad & broken", function() error "x" end } }, test)
    end)
    local path = support.folder() .. "/compared.html"
    assert.equal(path, found:report(path))
    local page = markup.read(support.slurp(path))
    local cells = {}
    for _, name in ipairs { "th", "td" } do
      for _, cell in ipairs(markup.all(page, name)) do cells[markup.text(cell)] = true end
    end
    local pair = found:pair("all <b>", "most")
    for _, expected in ipairs { "all <b>", "most", "80.0%", "0.0%", ("%.1f%%"):format(100 * found[2].low), ("%.1f%%"):format(100 * found[2].high), "failed",
                                "all <b>, most", "+20.0", ("%+.1f to %+.1f"):format(100 * pair.low, 100 * pair.high), "0.008" } do
      assert(cells[expected], expected)
    end
    local titles = {}
    for _, each in ipairs(markup.all(page, "h2")) do titles[#titles + 1] = markup.text(each) end
    assert.same({ "Accuracy", "Pairs", "most", "Failed" }, titles)
    assert.equal(3, #markup.all(markup.all(page, "svg")[1], "circle"))
    assert.matches("comparison:report: ", messages.refusal(function() found:report(path .. "/x.html") end), 1, true)
  end)

  it("keeps a recipe's failure, and goes on", function()
    local found
    local said = support.stderr_of(function()
      found = scion.compare({ { "broken", function() error "no such file" end }, { "empty", function() end }, { "good", by_feature(1) } }, examples())
    end)
    assert.matches("scion: compare: broken failed: .*no such file", said)
    assert.matches("the recipe of empty returned nil, and no model", said, 1, true)
    assert.same({ "good", 1 }, { found.best, found[3].accuracy })
    assert.is_nil(found[1].accuracy)
    assert.matches("no such file", found[1].error)
    assert.matches("broken: failed: ", tostring(found), 1, true)
    assert.matches("broken failed, and cannot be compared", messages.refusal(function() found:pair("good", "broken") end), 1, true)
    assert.matches("nothing is called 'goood': did you mean 'good'?", messages.refusal(function() found:pair("good", "goood") end), 1, true)
  end)

  it("keeps a model that does not fit the test set with its message, and goes on", function()
    local found
    local function of(...)
      local model = scion.sequential { ... }
      return function() return model end, model
    end
    local classes, no_head, size = of(nn.input(3), nn.dense(5, "softmax")), of(nn.input(3), nn.dense(2)), of(nn.input(4), nn.dense(2, "softmax"))
    local said = support.stderr_of(function()
      found = scion.compare({ { "five (5)", classes }, { "no head", no_head }, { "size", size },
                              { "given", select(2, of(nn.input(4), nn.dense(2, "softmax"))) }, { "good", by_feature(1) } }, examples())
    end)
    assert.matches("scion: compare: five (5) failed: the model tells 5 classes, and the data set has 2\n", said, 1, true)
    assert.same({ "good", 1, 40 }, { found.best, found[5].accuracy, found.images })
    for i = 1, 4 do assert.is_true(found[i].error ~= nil and found[i].accuracy == nil and found[i].model ~= nil, found[i].name) end
    assert.matches("no head: failed: it is for classes, one an image, which the model tells", (tostring(found):gsub("\n%s*", " ")), 1, true)
    assert.matches("size: failed: the data set has examples of 3 numbers, but the model takes 4", (tostring(found):gsub("\n%s*", " ")), 1, true)
    local page = support.slurp(found:report(support.folder() .. "/page.html"))
    assert.matches("the model tells 5 classes, and the data set has 2", page, 1, true)
  end)

  it("says what its numbers leave out: chance in training, and images that cannot be read", function()
    local x = scion.zeros { 5, 3 }
    x:set(2, 1, 0 / 0)
    local found
    support.stderr_of(function()
      found = scion.compare({ { "one", by_feature(1) }, { "two", by_feature(2) } }, scion.data.tensors(x, { 1, 1, 2, 2, 1 }, { labels = { "no", "yes" } }))
    end)
    assert.same({ 4, 1 }, { found.images, found.left_out })
    local words = "Each was trained once: what chance in training would change is not in the intervals and p."
    local printed, page = tostring(found):gsub("\n%s*", " "), support.slurp(found:report(support.folder() .. "/page.html"))
    assert.matches("All tell the same 4 images; 1 more image could not be read; differences", printed, 1, true)
    assert.matches("1 more image could not be read. " .. words, page, 1, true)
    assert.matches(words, printed, 1, true)
  end)

  it("ends at Ctrl-C", function()
    local ok, raised = pcall(scion.compare, { { "one", function() error({ interrupted = true }) end }, { "two", by_feature(1) } }, examples())
    assert.same({ false, true }, { ok, raised.interrupted })
  end)

  it("refuses what cannot be compared", function()
    local test = examples()
    assert.matches("the list of recipes is empty", messages.refusal(function() scion.compare({}, test) end), 1, true)
    assert.matches("two recipes are called 'a'", messages.refusal(function() scion.compare({ { "a", by_feature(1) }, { "a", by_feature(2) } }, test) end), 1, true)
    assert.matches("is a list of recipes, such as {", messages.refusal(function() scion.compare({ { "a" } }, test) end), 1, true)
    messages.refusal(function() scion.compare({ { "a", by_feature(1) } }) end)
    support.stderr_of(function()
      local other = scion.sequential { nn.input(3), nn.dense(3, "softmax") }
      assert.matches("scion.compare: all recipes failed; a: the model tells 3 classes, and the data set has 2",
                     messages.refusal(function() scion.compare({ { "a", other } }, test) end), 1, true)
      assert.matches("all recipes failed", messages.refusal(function() scion.compare({ { "a", function() error "x" end } }, test) end), 1, true)
    end)
    local bare = scion.data.tensors(scion.zeros { 2, 3 }, scion.zeros { 2, 4 })
    assert.matches("scion.compare: the test set has no classes", messages.refusal(function()
      scion.compare({ { "a", function() error "it ran" end } }, bare)
    end), 1, true)
  end)
end)
