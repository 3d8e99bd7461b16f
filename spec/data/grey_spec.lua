-- Grey images, of one channel: networks that take them, from files and tensors to features, training and saved models.
local core = require "scion.core"
local images = dofile "spec/support/images.lua"
local lfs = require "lfs"
local scion = require "scion"
local nn = scion.nn

local folder = images.folder()

local function network(preprocess)
  scion.seed(5)
  return scion.sequential { nn.input { shape = { 8, 8, 1 }, preprocess = preprocess or "unit" }, nn.conv2d(4, 3, { name = "conv" }), nn.relu(),
                            nn.global_avg_pool { name = "pool" }, nn.dense(2, "softmax") }
end

--- u8 n x 8 x 8 x 1, and the same with three equal channels.
local function pictures(n)
  local grey = scion.uniform({ n, 8, 8, 1 }, 0, 256):to "u8"
  return grey, (grey * scion.ones({ 3 }, "i32")):to "u8"
end

describe("a network of one channel", function()
  teardown(images.done)

  it("takes the luminance of what is coloured, as Pillow does, and says so once", function()
    -- Pillow's convert("L") makes 76, 150, 29, 132 and 223 of these
    local pixels = { { 255, 0, 0 }, { 0, 255, 0 }, { 0, 0, 255 }, { 12, 200, 99 }, { 250, 251, 7 } }
    local model = scion.sequential { nn.input { shape = { 1, 5, 1 }, preprocess = { mean = { 0 }, std = { 1 / 255 } } }, nn.flatten { name = "flat" } }
    local found
    local told = images.stderr_of(function()
      for _ = 1, 2 do found = model:features(scion.tensor({ { pixels } }, "u8"), "flat"):totable()[1] end
    end)
    for i, value in ipairs { 76, 150, 29, 132, 223 } do assert.is_true(math.abs(found[i] - value) < 1e-4) end
    assert.equal("scion: features: the model takes images of 1 channel: what is coloured becomes grey (0.299 red + 0.587 green + 0.114 blue)\n", told)
  end)

  it("has the same features from a grey tensor, from one of three channels, and from files", function()
    local model, grey, coloured = network(), pictures(3)
    local expected = model:features(grey, "pool")
    assert.same({ 3, 4 }, expected:shape())
    assert.is_true(model:features(coloured, "pool"):equal(expected))
    local files = {}
    for i = 1, 3 do
      files[i] = ("%s/%d.png"):format(folder, i)
      assert(scion.image.save(files[i], coloured[i]))
    end
    assert.is_true(model:features(files, "pool"):equal(expected))
    local predicted = model:predict(files)
    assert.equal(files[2], predicted[2].file)
    assert.same(model:predict(grey)[2].confidence, predicted[2].confidence)
  end)

  it("standardizes by the means of its preprocessing's channels", function()
    local function features(preprocess)
      local model = scion.sequential { nn.input { shape = { 1, 2, 1 }, preprocess = preprocess }, nn.flatten { name = "flat" } }
      return model:features(scion.tensor({ { { { 0 }, { 255 } } } }, "u8"), "flat"):totable()[1]
    end
    local mean, deviation = (0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3
    for preprocess, expected in pairs {
      unit = { 0, 1 }, tf = { -1, 1 }, torch = { -mean / deviation, (1 - mean) / deviation },
      caffe = { -(103.939 + 116.779 + 123.68) / 3, 255 - (103.939 + 116.779 + 123.68) / 3 },
    } do
      local found = features(preprocess)
      for i = 1, 2 do assert.is_true(math.abs(found[i] - expected[i]) < 2e-5, ("%s: %g, not %g"):format(preprocess, found[i], expected[i])) end
    end
    local found = features { mean = { 0.1307 }, std = { 0.3081 } }
    assert.is_true(math.abs(found[2] - (1 - 0.1307) / 0.3081) < 1e-6)
  end)

  it("trains on a folder and on tensors, and is saved with its one channel", function()
    for class = 1, 2 do
      local into = ("%s/train/%d"):format(folder, class)
      lfs.mkdir(folder .. "/train")
      assert(lfs.mkdir(into))
      for i = 1, 4 do assert(scion.image.save(("%s/%d.png"):format(into, i), scion.full({ 8, 8, 3 }, 60 * class + i, "u8"))) end
    end
    local set = scion.data.folder(folder .. "/train", { size = 8, batch = 4, augment = { flip = "horizontal" } })
    local model = network()
    model:fit(set, { epochs = 2, verbose = false })
    local grey, coloured = pictures(6)
    local data = scion.data.tensors(grey, { 1, 2, 1, 2, 1, 2 }, { labels = set.labels })
    assert.same({ 6, 8, 8, 3 }, data.images:shape())
    assert.is_true(data.images:equal(coloured))
    model:fit(data, { epochs = 1, verbose = false })
    local path = folder .. "/grey.safetensors"
    model:save(path)
    local again = scion.load(path)
    assert.same({ 8, 8, 1 }, again.input.shape)
    assert.is_true(again:features(grey, "pool"):equal(model:features(grey, "pool")))
  end)

  it("computes in bf16, too", function()
    local model, grey = network(), pictures(2)
    local exact, fast = model:features(grey, "pool"), model:features(grey, "pool", { precision = "bf16" })
    assert.is_true((exact - fast):abs():max() < 0.02 * exact:abs():max())
    assert.is_true(core.finite(fast))
  end)
end)

describe("grey images", function()
  it("are taken by networks of three channels", function()
    scion.seed(5)
    local model = scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3), nn.global_avg_pool { name = "pool" } }
    local grey, coloured = pictures(2)
    assert.is_true(model:features(grey, "pool"):equal(model:features(coloured, "pool")))
  end)
end)
