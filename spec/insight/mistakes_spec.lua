-- insight.mistakes and insight.neighbours: on images of which it is known what they are.
local blocks = dofile "spec/support/blocks.lua"
local core = require "scion.core"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local tiles = require "scion.data.tiles"
local nn = scion.nn

-- A model that tells red, green and blue, and is the surer the more there is of a colour.
local function by_colour()
  local model = blocks.forgetful(true):graft { nn.global_avg_pool(), nn.dense(3, "softmax", { name = "head" }) }
  local kernel = model:layer "head".weights.kernel
  kernel:fill(0)
  for c = 1, 6 do kernel:set(c, (c - 1) % 3 + 1, 2) end
  model.labels = { "red", "green", "blue" }
  return model
end

-- One image of each colour, saved as files, with labels; those at 3 and 5 are wrong.
local function files()
  local folder, list = support.folder(), {}
  for i, case in ipairs { { "red", 1 }, { "green", 2 }, { "green", 3 }, { "blue", 3 }, { "blue", 1, 255 }, { "red", 1 } } do
    local image = core.full({ 8, 8, 3 }, 20):to "u8"
    image:slice(3, case[2], case[2]):fill(case[3] or 200)
    local path = ("%s/%d.png"):format(folder, i)
    assert(scion.image.save(path, image))
    list[i] = { path = path, label = case[1] }
  end
  return scion.data.files(list, { size = 8, batch = 4, labels = { "red", "green", "blue" } }), list, folder
end

describe("insight.mistakes", function()
  teardown(support.done)

  it("lists what is taken for another class, the most wrong first", function()
    local data, list = files()
    local model = by_colour()
    local wrong, told = scion.insight.mistakes(model, data), model:predict(data, { top = 3 })
    assert.same({ 2, 2, 6, { 6 } }, { #wrong, wrong.wrong, wrong.images, wrong.losses:shape() })
    assert.same({ 5, list[5].path, "blue", "red" }, { wrong[1].index, wrong[1].file, wrong[1].label, wrong[1].predicted })
    assert.same({ 3, "green", "blue" }, { wrong[2].index, wrong[2].label, wrong[2].predicted })
    assert.is_true(wrong[1].loss > wrong[2].loss)
    for i, entry in ipairs(told) do
      for _, one in ipairs(entry.top) do
        if one.label == list[i].label then assert.near(-math.log(one.confidence), wrong.losses:get(i), 1e-4) end
      end
    end
    assert.near(told[5].confidence, wrong[1].confidence, 1e-6)
    assert.same({ "blue", "red", 1, 0.5, { 5 } }, { wrong.confused[1].label, wrong.confused[1].predicted, wrong.confused[1].images, wrong.confused[1].share,
                                                    wrong.confused[1].indices })
    assert.matches("2 of 6 images are taken for another class", tostring(wrong), 1, true)
    assert.matches("\n5.png%s+blue%s+red%s", tostring(wrong))
    assert.matches("blue taken for red: 1 image, 50.0% of the class", tostring(wrong), 1, true)
    local sheet = support.folder() .. "/sheet.png"
    assert.equal(sheet, wrong:show(sheet))
    assert.is_true(scion.image.load(sheet):shape()[2] > 150)
  end)

  it("has the losses of evaluate, however wrong the model is", function()
    local logits, labels = { { 900, 0, -50 }, { 0, 400, 3 }, { 120, -1e5, 7 }, { 1, 2, 3 } }, { 3, 1, 2, 3 }
    for _, activation in ipairs { "softmax", false } do
      local model = scion.sequential { nn.input(3), nn.dense(3, activation or nil, { name = "head" }) }
      if not activation then model.loss = "categorical" end
      core.copy(core.from_table({ { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, "f32"), model:layer "head".weights.kernel)
      local data = scion.data.tensors(scion.tensor(logits), labels, { batch = 3 })
      local wrong, sum, order = scion.insight.mistakes(model, data), 0, {}
      for i, row in ipairs(logits) do
        local highest, total = math.max(table.unpack(row)), 0
        for _, value in ipairs(row) do total = total + math.exp(value - highest) end
        local loss = highest + math.log(total) - row[labels[i]]
        assert.near(loss, wrong.losses:get(i), 1e-6 * loss)
        sum = sum + loss
      end
      for i, each in ipairs(wrong) do order[i] = each.index end
      assert.same({ 3, 1, 2 }, order)
      assert.near(sum / #logits, model:evaluate(data).loss, 1e-6 * sum)
    end
  end)

  it("and neighbours write the numbers of classes below pictures where the font lacks their letters, and say which they are", function()
    local _, list = files()
    local labels, of, sheet = { "red", "緑", "青" }, { red = "red", green = "緑", blue = "青" }, support.folder() .. "/sheet.png"
    for _, each in ipairs(list) do each.label = of[each.label] end
    local data, model = scion.data.files(list, { size = 8, batch = 4, labels = labels }), by_colour()
    model.labels = labels
    local wrong = scion.insight.mistakes(model, data)
    local function check(numbers, texts)
      local pictures, expected = {}, support.folder() .. "/expected.png"
      for i, number in ipairs(numbers) do pictures[i] = scion.image.load(list[number].path) end
      tiles.write("test", pictures, texts, { 8, 8 }, expected)
      assert.is_true(support.slurp(expected) == support.slurp(sheet), table.concat(texts, ", "))
    end
    local said = support.stderr_of(function() wrong:show(sheet) end)
    check({ 5, 3 }, { "#3: red", "#2: #3" })
    assert.matches("scion: mistakes:show: labels in letters that it cannot draw are numbers: #2 is 緑, #3 is 青", said, 1, true)
    local near = scion.insight.neighbours(model, data, list[2].path, { n = 1 })
    said = support.stderr_of(function() near:show(sheet) end)
    check({ 2 }, { "1.00 #2" })
    assert.matches("scion: neighbours:show: labels in letters", said, 1, true)
  end)

  it("leaves out what cannot be read, and says so where all is right", function()
    local data, list = files()
    support.spit(list[5].path, "no image")
    support.spit(list[6].path, "no image")
    local wrong
    support.stderr_of(function() wrong = scion.insight.mistakes(by_colour(), data) end)
    assert.same({ 1, 4 }, { #wrong, wrong.images })
    assert.is_true(wrong.losses:get(5) ~= wrong.losses:get(5))
    local right = scion.insight.mistakes(by_colour(), data:subset { 1, 2, 4 })
    assert.equal("No mistakes: all of 3 images are told right.", tostring(right))
    assert.matches("mistakes:show: there are no mistakes", messages.refusal(function() right:show "x.png" end), 1, true)
  end)

  it("and the other questions raise where no image can be read, or a weight is NaN", function()
    local data, list = files()
    local model = by_colour()
    model:layer("head").weights.kernel:set(1, 1, 0 / 0)
    local asked = { function() scion.insight.mistakes(model, data) end, function() scion.insight.leep(model, data) end, function() model:explain(list[1].path) end,
                    function() scion.insight.neighbours(model, data, list[1].path, { layer = "head" }) end, function() scion.compare({ { "nan", model } }, data) end,
                    function() model:probe(data) end }
    for _, ask in ipairs(asked) do
      local text = messages.refusal(ask)
      assert(text:find "NaN or infinite" or text:find "is no number", text)
    end
    model = by_colour()
    for _, each in ipairs(list) do support.spit(each.path, "no image") end
    support.stderr_of(function()
      for _, ask in ipairs { asked[1], asked[2], asked[5] } do
        data = scion.data.files(list, { size = 8, batch = 4, labels = { "red", "green", "blue" } })
        local text = messages.refusal(ask)
        assert(text:find "none of the images can be read" or text:find "the data set gave no image that can be read, of 6", text)
      end
    end)
  end)

  it("knows two classes by one sigmoid", function()
    local model = scion.sequential { nn.input(2), nn.dense(1, "sigmoid", { name = "head" }) }
    core.copy(core.from_table({ { -3 }, { 3 } }, "f32"), model:layer "head".weights.kernel)
    local wrong = scion.insight.mistakes(model, scion.data.tensors(scion.tensor { { 1, 0 }, { 0, 1 }, { 0, 1 } }, { 1, 2, 1 }))
    assert.same({ 1, 3, "1", "2" }, { #wrong, wrong[1].index, wrong[1].label, wrong[1].predicted })
    assert.near(1 / (1 + math.exp(-3)), wrong[1].confidence, 1e-6)
  end)

  it("takes the usual loss for one of the user's own that the model's file does not hold", function()
    local model = scion.sequential { nn.input(2), nn.dense(2, "softmax", { name = "head" }) }
    core.copy(core.from_table({ { 1, 0 }, { 0, 1 } }, "f32"), model:layer "head".weights.kernel)
    local data = scion.data.tensors(scion.tensor { { 3, 0 }, { 0, 5 } }, { 2, 2 }, { batch = 2 })
    local function own(outputs) return outputs:sum(2) * 7, outputs * 0 end
    model:fit(data, { loss = own, optimizer = scion.optim.sgd { lr = 0 }, verbose = false, quiet = true })
    assert.near(7, scion.insight.mistakes(model, data).losses:get(1), 1e-5)
    local path = support.folder() .. "/own.safetensors"
    model:save(path)
    assert.near(3 + math.log(1 + math.exp(-3)), scion.insight.mistakes(scion.load(path), data).losses:get(1), 1e-5)
  end)

  it("refuses what has no classes", function()
    local numbers = scion.sequential { nn.input(2), nn.dense(1) }
    local data = scion.data.tensors(scion.zeros(4, 2), { 0.5, 1.5, 2.5, 0.25 })
    assert.matches("it is for classes", messages.refusal(function() scion.insight.mistakes(numbers, data) end), 1, true)
    assert.matches("the first argument is a model", messages.refusal(function() scion.insight.mistakes(data, numbers) end), 1, true)
  end)
end)

describe("insight.neighbours", function()
  teardown(support.done)

  it("finds the images that are most alike", function()
    local data, list = files()
    local model = by_colour()
    local near = scion.insight.neighbours(model, data, list[2].path, { n = 2 })
    assert.same({ 2, "green", list[2].path, near.layer }, { near[1].index, near[1].label, near[1].file, "global_avg_pool_1" })
    assert.near(1, near[1].similarity, 1e-5)
    assert.equal(2, #near)
    local blue = core.full({ 8, 8, 3 }, 10):to "u8"
    blue:slice(3, 3, 3):fill(210)
    local found = scion.insight.neighbours(model, data, blue, { n = 2, layer = "second" })
    assert.same({ { [3] = true, [4] = true } }, { { [found[1].index] = true, [found[2].index] = true } })
    assert.matches("similarity%s+label%s+image", tostring(found))
    found:show(support.folder() .. "/near.png")
    assert.equal(6, #scion.insight.neighbours(model, data, blue, { n = 99 }))
  end)

  it("finds the same image alike in a set of nothing else, and no other", function()
    local model, image = by_colour(), core.full({ 8, 8, 3 }, 20):to "u8"
    local set = scion.data.tensors(core.stack { image, image, image })
    for _, each in ipairs(scion.insight.neighbours(model, set, image)) do assert.equal(1, each.similarity) end
    local other = image:copy()
    other:slice(3, 1, 1):fill(200)
    for _, each in ipairs(scion.insight.neighbours(model, set, other)) do assert.equal(0, each.similarity) end
  end)

  it("refuses several pictures, and what cannot be read", function()
    local data, list = files()
    local model = by_colour()
    assert.matches("one picture is compared at a time, and here are 2",
      messages.refusal(function() scion.insight.neighbours(model, data, { list[1].path, list[2].path }) end), 1, true)
    messages.refusal(function() scion.insight.neighbours(model, data, "/nowhere.png") end)
  end)
end)

describe("grids", function()
  teardown(support.done)

  it("show kernels and what they find", function()
    local _, list = files()
    scion.seed(1)
    local model = scion.sequential { nn.input(8, 8, 3, { preprocess = "caffe" }), nn.conv2d(5, 3, { name = "a", padding = "same" }), nn.conv2d(7, 3, { name = "b" }),
                                     nn.conv2d(2, 1, { name = "c" }), nn.global_avg_pool { name = "pool" } }
    local folder = support.folder()
    -- the first kernel reads blue alone, which is the first channel of Caffe's weights
    local kernel = model:layer "a".weights.kernel
    kernel:slice(4, 1, 1):fill(0)
    for y = 1, 3 do
      for x = 1, 3 do kernel:set(y, x, 1, 1, 1) end
    end
    local path = scion.insight.filters(model, "a", folder .. "/a.png")
    local sheet = scion.image.load(path)
    local found = {}
    for c = 1, 3 do found[c] = sheet:get(20, 20, c) end
    assert.same({ 0, 0, 255 }, found)
    assert.is_true(#scion.image.load(scion.insight.filters(model, "b", folder .. "/b.png")) > 10)
    local said = support.stderr_of(function() scion.insight.activations(model, list[1].path, "b", folder .. "/c.png", { n = 4 }) end)
    assert.matches("the first 4 of 7 channels are shown; n = 7 shows more", said, 1, true)
    assert.matches("c has no kernels of height and width: it is a conv2d of 1x1x7x2",
      messages.refusal(function() scion.insight.filters(model, "c", folder .. "/d.png") end), 1, true)
    assert.matches("the output of pool is 2",
      messages.refusal(function() scion.insight.activations(model, list[1].path, "pool", folder .. "/d.png") end), 1, true)
    messages.refusal(function() scion.insight.filters(model, "a", "Makefile/none/d.png") end)
  end)
end)
