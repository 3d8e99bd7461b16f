-- Networks, losses and data sets that do not go together, each told in a sentence by fit and evaluate; and images that are not what a
-- model takes, refused by every function that is given some.
local dataset = require "scion.data.dataset"
local messages = require "spec.support.messages"
local support = dofile "spec/support/images.lua"
local scion = require "scion"
local nn = scion.nn

local images = scion.zeros({ 6, 8, 8, 3 }, "u8")

--- A data set with rows: `soft`, shares of classes, or `multi`, several labels an image.
local function with_rows(field, labels, rows)
  return dataset.new({ images = images, count = 6, labels = labels, [field] = scion.tensor(rows) }, { size = { 8, 8 }, batch = 4, seed = 0, shuffle = true })
end
local abc = { "a", "b", "c" }

--- What there can be of each image.
local sets = {
  none = scion.data.tensors(images), one_class = scion.data.tensors(images, { 1, 1, 1, 1, 1, 1 }),
  two = scion.data.tensors(images, { 1, 2, 1, 2, 1, 2 }), three = scion.data.tensors(images, { "a", "b", "c", "a", "b", "c" }),
  shares2 = with_rows("soft", { "a", "b" }, { { 1, 0 }, { 0, 1 }, { 0.5, 0.5 }, { 0.25, 0.75 }, { 1, 0 }, { 0, 1 } }),
  shares3 = with_rows("soft", abc, { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 0.2, 0.3, 0.5 }, { 0.5, 0.5, 0 }, { 0, 1, 0 } }),
  label = with_rows("multi", { "a" }, { { 1 }, { 0 }, { 1 }, { 0 }, { 1 }, { 1 } }),
  labels3 = with_rows("multi", abc, { { 1, 0, 1 }, { 0, 0, 0 }, { 1, 1, 1 }, { 0, 1, 0 }, { 0, 0.4, 0 }, { 0, 0, 1 } }),
  one_hot = scion.data.tensors(images, scion.tensor { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 0, 0, 1 }, { 0.5, 0.5, 0 }, { 0, 1, 0 } }),
  numbers1 = scion.data.tensors(images, scion.ones(6)), numbers3 = scion.data.tensors(images, scion.ones(6, 3)),
}

--- How a network can end.
local function network(last, units, activation)
  local x = nn.conv2d(2, 3, { name = "conv" })(nn.input(8, 8, 3))
  if last == "map" then return scion.model { output = nn.conv2d(units, 1, { name = "out", activation = activation })(x) } end
  return scion.model { output = nn.dense(units, activation, { name = "out" })(nn.global_avg_pool()(x)) }
end

-- Data set, units, activation, loss given; and the words of the refusal, or nil where they go together.
local cases = {
  { "none", 3, "softmax", nil, "the data set has no labels" }, { "none", 1, nil, "mse", "the data set has no labels" },
  { "one_class", 1, "sigmoid", nil, "the data set has 1 class (1), and nothing to tell it from" },
  { "one_class", 1, "softmax", nil, "nothing to tell it from" }, { "one_class", 2, "softmax", nil, "nothing to tell it from" },
  { "two", 2, "softmax" }, { "two", 1, "sigmoid" }, { "two", 1, nil, "binary" }, { "two", 2, nil, "categorical" }, { "two", 2, "softmax", "categorical" },
  { "two", 1, "softmax", nil, "distinguishes 1 class, but the data set has 2 classes (1, 2): the network should end in nn.dense(2, 'softmax')" },
  { "two", 2, "sigmoid", nil, "out gives 2 probabilities that do not add up to 1" }, { "two", 2, nil, "binary", "do not add up to 1" },
  { "two", 1, nil, nil, "out has no activation, and so is trained to give numbers (loss 'mse'), but the data set has 2 classes (1, 2)" },
  { "two", 1, nil, nil, "or loss = 'binary' be given if its outputs are logits" }, { "two", 2, nil, nil, "or loss = 'categorical' be given" },
  { "two", 1, nil, "mse", "the network should end in nn.dense(2, 'softmax')" },
  { "two", 2, "softmax", "binary", "the loss 'binary' goes with sigmoid, but out ends in softmax" },
  { "two", 1, "sigmoid", "categorical", "the loss 'categorical' goes with softmax" }, { "two", 2, "relu", "categorical", "but out ends in relu" },
  { "three", 3, "softmax" }, { "three", 3, nil, "categorical" },
  { "three", 3, "sigmoid", nil, "each image of the data set has one class: the network should end in nn.dense(3, 'softmax')" },
  { "three", 1, nil, nil, "has 3 classes (a, b, c): the network should end in nn.dense(3, 'softmax')" },
  { "three", 1, "sigmoid", nil, "distinguishes 2 classes, but the data set has 3" },
  { "three", 4, "softmax", nil, "out: the model's last layer distinguishes 4 classes, but the data set has 3 classes (a, b, c)" },
  { "three", 3, "softmax", "mse", "without the option loss, 'categorical' follows from out's softmax" }, { "three", 3, "relu", nil, "out has the activation relu" },
  { "numbers3", 3, nil }, { "numbers3", 3, "sigmoid", "mse" }, { "numbers1", 1, nil }, { "numbers1", 1, "sigmoid", "mse" },
  { "numbers3", 3, "softmax", nil, "the loss 'categorical' takes a class of each image or the shares of 3, but the data set gives shares of the classes that add up to 3" },
  { "one_hot", 3, "softmax" }, { "one_hot", 3, nil, "categorical" }, { "one_hot", 3 }, { "one_hot", 3, "sigmoid" }, { "numbers3", 3, "sigmoid" },
  { "one_hot", 2, "softmax", nil, "takes a class of each image or the shares of 2, but the data set gives 3 numbers of each" },
  { "one_hot", 4, "sigmoid", nil, "the loss 'binary' takes 4 labels of each image, but the data set gives 3 numbers of each" },
  { "shares2", 2, "softmax" }, { "shares2", 1, "sigmoid" }, { "shares2", 1, nil, "binary" }, { "shares3", 3, "softmax" }, { "shares3", 3, nil, "categorical" },
  { "shares3", 3, "sigmoid", nil, "each image of the data set has one class: the network should end in nn.dense(3, 'softmax')" },
  { "shares3", 2, "softmax", nil, "distinguishes 2 classes, but the data set has 3 classes (a, b, c)" },
  { "shares3", 3, "softmax", "mse", "without the option loss, 'categorical' follows" }, { "shares3", 3, nil, nil, "or loss = 'categorical' be given" },
  { "labels3", 3, "sigmoid" }, { "labels3", 3, nil, "binary" }, { "label", 1, "sigmoid" }, { "label", 1, nil, "binary" },
  { "labels3", 3, "softmax", nil, "the loss 'categorical' is for probabilities that add up to 1, one class an image, but the data set has 3 labels (a, b, c), of which " ..
    "an image can have several: the network should end in nn.dense(3, 'sigmoid')" },
  { "labels3", 3, nil, "categorical", "one class an image" },
  { "label", 1, "softmax", nil, "but the data set has 1 label (a): the network should end in nn.dense(1, 'sigmoid')" },
  { "labels3", 3, "softmax", "binary", "the loss 'binary' goes with sigmoid or, for logits, no activation, but out ends in softmax" },
  { "labels3", 1, "sigmoid", nil, "out gives 1 probability, but the data set has 3 labels" },
  { "labels3", 4, "sigmoid", nil, "out gives 4 probabilities, but the data set has 3 labels (a, b, c), of which an image can have several" },
  { "labels3", 3, "sigmoid", "mse", "without the option loss, 'binary' follows from out's sigmoid" },
  { "labels3", 3, "softmax", "mse", "out has the activation softmax, and so is trained to give numbers" },
  { "labels3", 3, nil, nil, "the network should end in nn.dense(3, 'sigmoid'), or loss = 'binary' be given if its outputs are logits" },
  { "numbers1", 3, "softmax", nil, "gives 1 number of each; class numbers are a list or i32, and count from 1" },
  { "numbers3", 1, nil, nil, "out gives 1 number an image, but the data set has 3 to predict: the network should end in nn.dense(3)" },
  { "numbers1", 3, nil, nil, "out gives 3 numbers an image, but the data set has 1 to predict" },
}

describe("a network's end, its loss and a data set", function()
  it("go together, or are refused by fit and evaluate in one sentence", function()
    for _, case in ipairs(cases) do
      local set, units, activation, loss, words = table.unpack(case, 1, 5)
      local model, where = network("row", units, activation), ("%s, %d %s, loss %s"):format(set, units, activation, loss)
      if words then
        local told = messages.refused(function() model:fit(sets[set], { verbose = false, loss = loss }) end)
        assert.equal("fit: ", told:sub(1, 5), where)
        assert.matches(words, told, 1, true)
        assert.equal("evaluate" .. told:sub(4), messages.refused(function() model:evaluate(sets[set], { loss = loss }) end))
        assert.equal(0, model.epoch)
      else
        model:fit(sets[set], { verbose = false, loss = loss })
        assert.equal(6, model:evaluate(sets[set]).examples, where)
      end
    end
  end)

  it("are refused where the network gives a map in place of a row", function()
    for _, activation in ipairs { "softmax", "sigmoid", "linear" } do
      local told = messages.refused(function() network("map", 3, activation):fit(sets.three, { verbose = false }) end)
      assert.matches("fit: the network ends in out, which gives 6x6x3 numbers an image, but one row is needed: model:graft{ nn.global_avg_pool(), nn.dense(3, 'softmax') }",
                     told, 1, true)
    end
    assert.matches("out gives 6x6x3 numbers an image, but the data set has 3 to predict", messages.refused(function()
      network("map", 3, "linear"):fit(sets.numbers3, { verbose = false })
    end), 1, true)
  end)
end)

describe("images that are not what the model takes", function()
  local model = network("row", 2, "softmax")
  local calls = {
    fit = function(m, d) m:fit(d, { verbose = false }) end, evaluate = function(m, d) m:evaluate(d) end, predict = function(m, d) m:predict(d) end,
    features = function(m, d) m:features(d, "conv") end, plan = function(m, d) m:plan { data = d } end,
  }

  it("are refused by every function, also where they have as many pixels", function()
    for name, call in pairs(calls) do
      for _, size in ipairs { { 4, 16 }, { 16, 4 }, { 2, 32 }, { 9, 8 }, { 8, 9 }, { 1, 1 } } do
        local data = scion.data.tensors(images, { 1, 2, 1, 2, 1, 2 }, { size = size })
        assert.equal(("%s: the data set has images of %dx%d, but the model takes 8x8; the option size = 8, where the data set is made, resizes them"):format(
                       name, size[1], size[2]), messages.refused(function() call(model, data) end))
      end
    end
    for _, name in ipairs { "predict", "features" } do
      assert.matches("images of 4x16, but the model takes 8x8", messages.refused(function() calls[name](model, images:reshape(6, 4, 16, 3)) end), 1, true)
    end
  end)

  it("are refused where channels differ", function()
    local pair = scion.sequential { nn.input(8, 8, 2), nn.conv2d(2, 3, { name = "conv" }), nn.global_avg_pool(), nn.dense(2, "softmax") }
    local vectors = scion.sequential { nn.input(192), nn.dense(2, "softmax", { name = "conv" }) }
    for name, call in pairs(calls) do
      assert.equal(name .. ": the model takes images of 2 channels, but those of data sets have 3 (red, green, blue) or are grey: its input should be nn.input(8, 8, 3)",
                   messages.refused(function() call(pair, sets.two) end))
      assert.equal(name .. ": the model takes 192 numbers, and no images; base:features(…) makes such numbers of images, and scion.data.tensors a data set of them",
                   messages.refused(function() call(vectors, sets.two) end))
    end
  end)

  it("are refused batch by batch where a data set of one's own gives them", function()
    local function own(batch, labels)
      return { size = { 8, 8 }, batch = 4, labels = { "a", "b" }, batches = function()
        local given = false
        return function()
          if given then return nil end
          given = true
          return { x = batch, y = labels, index = scion.tensor({ 1, 2 }, "i32") }
        end
      end }
    end
    local two = scion.tensor({ 1, 2 }, "i32")
    model:fit(own(scion.zeros({ 2, 8, 8, 3 }, "u8"), two), { verbose = false })
    for _, batch in ipairs { scion.zeros({ 2, 4, 16, 3 }, "u8"), scion.zeros({ 2, 8, 8, 3 }, "i32"), scion.zeros({ 2, 192 }, "u8") } do
      assert.matches("fit: the data set gave a batch that is a tensor", messages.refused(function() model:fit(own(batch, two), { verbose = false }) end), 1, true)
      assert.matches("predict: the data set gave a batch that is", messages.refused(function() model:predict(own(batch, two)) end), 1, true)
    end
    for _, labels in ipairs { scion.zeros(2), scion.ones({ 3 }, "i32"), false } do
      assert.matches("fit: the data set gave", messages.refused(function() model:fit(own(scion.zeros({ 2, 8, 8, 3 }, "u8"), labels or nil), { verbose = false }) end), 1, true)
    end
  end)

  it("are one tensor NxHxWx3, or a single image HxWx3", function()
    local one = scion.full({ 8, 8, 3 }, 90, "u8")
    local list = model:predict(one)
    assert.equal(1, #list)
    assert.equal(model:predict(one:reshape(1, 8, 8, 3))[1].confidence, list[1].confidence)
    assert.same(model:features(one:reshape(1, 8, 8, 3), "conv"):totable(), model:features(one, "conv"):totable())
    assert.matches("predict: images are a u8 tensor NxHxWx3 or NxHxWx1, not a tensor (u8 8x8x4)",
                   messages.refused(function() model:predict(scion.zeros({ 8, 8, 4 }, "u8")) end), 1, true)
    assert.matches("features: f32 images are taken as they are, as preprocessed ones: the model itself preprocesses u8 images, which images:to 'u8' makes",
                   support.stderr_of(function() model:features(scion.zeros { 1, 8, 8, 3 }, "conv") end), 1, true)
  end)

  it("give no more classes than there are, and none where there are none", function()
    assert.equal("predict: top is 3, but the model tells 2 classes", messages.refused(function() model:predict(images, { top = 3 }) end))
    assert.equal(2, #model:predict(images, { top = 2 })[1].top)
    assert.matches("ends in neither softmax nor sigmoid", messages.refused(function() network("row", 2):predict(images, { top = 1 }) end), 1, true)
  end)

  it("are told where a layer scales down what the input has scaled already", function()
    local data = scion.data.tensors(images, { 1, 2, 1, 2, 1, 2 })
    local function told(preprocess, scale)
      local net = scion.sequential { nn.input(8, 8, 3, { preprocess = preprocess }), nn.rescaling(scale, { name = "again" }), nn.flatten(), nn.dense(2, "softmax") }
      return support.stderr_of(function() net:fit(data, { epochs = 1, verbose = false }) end)
    end
    assert.equal("scion: fit: again scales images down that the input's preprocessing has brought to about 1 already: leave the layer out\n", told("unit", 1 / 255))
    assert.equal("", told("unit", 2))
    assert.equal("", told({ scale = { 1, 1, 1 }, shift = { 0, 0, 0 }, reverse = false }, 1 / 255))
  end)
end)
