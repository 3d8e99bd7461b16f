-- model:probe: on networks of which it is known what their blocks can tell.
local cached = require "scion.cache.cached"
local core = require "scion.core"
local messages = require "spec.support.messages"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local width = require "scion.report.text".at_width
local blocks = dofile "spec/support/blocks.lua"
local colours, forgetful = blocks.colours, blocks.forgetful
local nn = scion.nn

describe("model:probe", function()
  teardown(support.done)

  it("finds the block at which the classes are told, and leaves the model as it is", function()
    local model, data = forgetful(), colours(60)
    local before = models.bytes(model)
    local found = model:probe(data)
    assert.same({ "first", "second", "last" }, { found[1].block, found[2].block, found[3].block })
    assert.same({ 6, 6, 2, 60, 3 }, { found[1].features, found[2].features, found[3].features, found.images, found.classes })
    assert.same({ 1, 1 }, { found[1].accuracy, found[1].knn })
    assert.is_true(found[3].accuracy < 0.8)
    assert.near(20 / 60, found.guess, 1e-9)
    assert.same({ "first", "first" }, { found.recommended, found.best })
    assert.matches("\n> first %s+6 %s+100.0%% ", tostring(found))
    assert.matches("Cut at first, which is the best: base:upto('first'):graft{ … } saves", (tostring(found):gsub("\n%s*", " ")), 1, true)
    assert.same(before, models.bytes(model))
    for i, row in ipairs(found) do
      assert.equal(model:upto(row.block):plan({ mode = "infer" }).forward, row.macs)
      assert.is_true(row.low < row.accuracy + 1e-9 and row.high > row.accuracy - 1e-9, "row " .. i)
    end
    assert.equal(0, found[3].saved)
    model:upto(found.recommended):graft { nn.global_avg_pool(), nn.dense(3, "softmax") }
  end)

  it("prints the blocks' names whole at 80 columns, and leaves the last columns out where there is no room", function()
    local layers = { nn.input(8, 8, 3) }
    for _, name in ipairs { "stem_activation", "trunk_output_block1" } do
      layers[#layers + 1] = nn.conv2d(6, 1, { name = name, activation = "relu" })
    end
    scion.seed(1)
    local found, titles = scion.sequential(layers):probe(colours(60)), {}
    for _, columns in ipairs { 80, 60, 160 } do
      local printed = width(columns, tostring, found)
      assert.matches("[ >] stem_activation ", printed)
      assert.matches("[ >] trunk_output_block1 ", printed)
      titles[#titles + 1] = (printed:match "^%s*([^\n]*)\n":gsub("%s+", " "))
    end
    assert.same({ "block features accuracy 95% interval neighbours LogME saved", "block features accuracy neighbours saved",
                  "block features accuracy 95% interval neighbours LogME up to it saved" }, titles)
    assert.matches("(no room for the intervals and the LogME and the multiply-adds)", width(60, tostring, found), 1, true)
  end)

  it("names no cut on noise, of however many blocks the best one is taken", function()
    local named = 0
    for seed = 1, 12 do
      scion.seed(seed)
      local layers, labels = { nn.input(8, 8, 3) }, {}
      for i = 1, 8 do
        layers[#layers + 1] = nn.conv2d(8, 3, { padding = "same", name = "b" .. i })
        layers[#layers + 1] = nn.relu()
      end
      for i = 1, 60 do labels[i] = i % 2 + 1 end
      local noise = scion.data.tensors(scion.uniform({ 60, 8, 8, 3 }, 0, 255):to "u8", labels, { labels = { "a", "b" }, seed = seed })
      local found = scion.sequential(layers):probe(noise, { cache = false })
      assert.equal(8, #found)
      if found.recommended then named = named + 1 end
    end
    assert(named <= 1, named)
  end)

  it("gives the same for any number of threads, and from what is kept", function()
    local model, data, first, threads = forgetful(), colours(40, 9), nil, scion.threads()
    for _, n in ipairs { 1, 3 } do
      scion.threads(n)
      local found, numbers, before = model:probe(data), {}, cached.stats()
      for i, row in ipairs(found) do numbers[i] = { row.accuracy, row.knn } end
      first = first or numbers
      assert.same(first, numbers)
      assert.is_false(model:layer("first/conv").frozen)
      model:probe(data)
      assert.same({ 40, 0 }, { cached.since(before).hits, cached.since(before).misses }) -- kept, though nothing is frozen
    end
    scion.threads(threads)
  end)

  it("has Wilson's intervals", function()
    local interval = require "scion.insight.interval"
    for _, case in ipairs(core.json_decode(support.slurp "spec/fixtures/insight.json").intervals) do
      local low, high = interval(case.right / case.of, case.of)
      assert.near(case.low, low, 1e-6)
      assert.near(case.high, high, 1e-6)
    end
  end)

  it("says that it cannot tell, of noise in two classes, and of classes with one image", function()
    local model = forgetful()
    local found = model:probe(blocks.noise(20))
    assert.is_nil(found.recommended)
    assert.matches("Not enough to tell: no block tells the classes clearly better than the largest class alone would (50.0% of 20 images).",
                   (tostring(found):gsub("\n%s*", " ")), 1, true)
    local told = support.stderr_of(function() model:probe(colours(7):subset { 1, 2, 3, 4, 5 }) end)
    assert.equal("scion: probe: blue has one image alone, which nothing can be learned from and be told by: it counts as wrong\n", told)
  end)

  it("counts a picture once, in however many copies it is there", function()
    local model, once, found = forgetful(), forgetful():probe(blocks.noise(20)), nil
    local told = support.stderr_of(function() found = model:probe(blocks.noise(20, 3)) end)
    assert.equal("scion: probe: 40 of 60 images are copies of others, such as image 21, and are left out: each picture counts once; " ..
                 "scion.data.doctor lists them\n", told)
    assert.same({ 20, nil, once.guess }, { found.images, found.recommended, found.guess })
    for i, row in ipairs(found) do assert.same({ once[i].accuracy, once[i].knn, once[i].logme }, { row.accuracy, row.knn, row.logme }) end
    local folder, x = support.folder(), blocks.noise(8)
    for i = 1, 16 do
      local path = ("%s/%s/%d.png"):format(folder, x.labels[i % 2 + 1], i)
      os.execute("mkdir -p " .. path:match "^(.*)/")
      assert(scion.image.save(path, x.images:select((i - 1) % 8 + 1)))
    end
    support.stderr_of(function() found = model:probe(scion.data.folder(folder, { size = 8 })) end)
    assert.equal(8, found.images)
    support.stderr_of(function()
      assert.matches("two classes with two images each are the least that can be told apart; 0 of 2 classes have two or more",
                     messages.refusal(function() model:probe(blocks.noise(2, 9)) end), 1, true)
    end)
  end)

  it("tells how many parts there are where no class has as many images as were asked for", function()
    local model, found = forgetful(), nil
    local told = support.stderr_of(function() found = model:probe(colours(12, 5), { folds = 100 }) end)
    assert.equal("scion: probe: folds = 100, and no class has more than 4 images: the 12 images are told in 12 parts, not all of " ..
                 "which hold every class\n", told)
    assert.equal(12, found.images)
    assert.equal("", support.stderr_of(function() model:probe(colours(12, 6), { folds = 4 }) model:probe(colours(6, 6)) end))
  end)

  it("says of a network that was trained that it may know the images", function()
    local model, data = forgetful(true):graft { nn.global_avg_pool(), nn.dense(3, "softmax") }, colours(30, 11)
    model:fit(data, { epochs = 1, verbose = false, quiet = true })
    local found
    local told = support.stderr_of(function()
      found = model:probe(data)
      model:probe(data)
    end)
    assert.equal("scion: probe: the network has been trained on labels before: if these images were among those that it learned from, what its features " ..
                 "tell here is more than they tell of new ones; give images that it has not seen\n", told)
    assert.equal(2, #found) -- the classifier is no block
  end)

  it("leaves images out that cannot be read, and tells the others by their own labels", function()
    local folder = support.folder()
    local x = colours(30)
    for i = 1, 30 do
      local path = ("%s/%s/%d.png"):format(folder, x.labels[(i - 1) % 3 + 1], i)
      os.execute("mkdir -p " .. path:match "^(.*)/")
      assert(scion.image.save(path, x.images:select(i)))
    end
    for i = 1, 30, 7 do support.spit(("%s/%s/%d.png"):format(folder, x.labels[(i - 1) % 3 + 1], i), "no picture") end
    local found
    support.stderr_of(function() found = forgetful():probe(scion.data.folder(folder, { size = 8, batch = 4 })) end)
    assert.same({ 25, 1 }, { found.images, found[1].accuracy })
  end)

  it("refuses what it cannot probe", function()
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    local model = forgetful()
    refused("probe: the data set has no classes, one an image", function() model:probe(scion.data.tensors(scion.zeros { 4, 8, 8, 3 }:to "u8", scion.zeros { 4, 2 })) end)
    refused("probe: two classes with two images each are the least that can be told apart; 0 of 3 classes have two or more", function() model:probe(colours(3)) end)
    refused("probe: unknown option 'fold' (did you mean 'folds'?)", function() model:probe(colours(6), { fold = 3 }) end)
    refused("probe: the network has no layer with weights", function() scion.sequential { nn.input(8, 8, 3), nn.relu() }:probe(colours(6)) end)
    refused("probe takes a data set, such as scion.data.folder('data/train'), not 'photos'", function() model:probe "photos" end)
  end)
end)
