-- Training, predicting and features on files, some of which are broken.
local lfs = require "lfs"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local nn = scion.nn

--- A folder with two classes of pictures; in class "b" one file is text and one is cut.
local function lay_out()
  local folder = support.folder()
  for _, class in ipairs { "/a", "/b" } do assert(lfs.mkdir(folder .. class)) end
  for i = 1, 4 do
    assert(scion.image.save(("%s/a/%d.jpg"):format(folder, i), scion.full({ 12, 12, 3 }, 40 * i, "u8")))
    assert(scion.image.save(("%s/b/%d.png"):format(folder, i), scion.full({ 12, 12, 3 }, 255 - 40 * i, "u8")))
  end
  support.spit(folder .. "/b/text.jpg", "this is no picture")
  local bytes = support.slurp(folder .. "/a/1.jpg")
  support.spit(folder .. "/b/cut.jpg", bytes:sub(1, #bytes - 40))
  return folder
end

describe("files", function()
  local folder = lay_out()
  local model = scion.sequential { nn.input(12, 12, 3), nn.conv2d(4, 3, { activation = "relu", name = "conv" }), nn.flatten(),
                                   nn.dense(2, "softmax") }
  teardown(support.done)

  it("that are broken end no epoch, are told once, and counted", function()
    local data = scion.data.folder(folder, { size = 12, batch = 3, seed = 1 })
    local told = {}
    data.warn = function(message) told[#told + 1] = message end
    local history = model:fit(data, { epochs = 3, verbose = false })
    assert.equal(3, #history)
    assert.equal(2, data.skipped)
    assert.equal(2, #told)
    table.sort(told)
    assert.matches(folder .. "/b/cut.jpg", told[1], 1, true)
    assert.matches(folder .. "/b/text.jpg", told[2], 1, true)
    assert.equal(8, model:evaluate(data).examples)
  end)

  it("get a label or an error each", function()
    local list = model:predict { folder .. "/a/1.jpg", folder .. "/b/text.jpg", "nowhere.png", folder .. "/b/2.png" }
    assert.equal(4, #list)
    for i, entry in ipairs(list) do
      if i == 2 or i == 3 then
        assert.is_string(entry.error)
        assert.is_nil(entry.label)
      else
        assert.is_true(entry.label == "a" or entry.label == "b")
        assert.is_nil(entry.error)
      end
    end
    assert.equal("nowhere.png", list[3].file)
    assert.matches("nowhere.png", list[3].error, 1, true)
    assert.equal(list[1].label, model:predict(folder .. "/a/1.jpg")[1].label)
  end)

  it("that an option of data sets would let in are told of the way to it", function()
    local takes = ", an option of scion.data.files, whose data sets predict takes, "
    local cut = support.folder() .. "/cut.jpg"
    assert(scion.image.save(cut, scion.uniform({ 90, 90, 3 }, 0, 255):to "u8"))
    local bytes = support.slurp(cut)
    support.spit(cut, bytes:sub(1, #bytes // 2))
    local list = model:predict { cut }
    assert.matches("the file ends before the image does; truncated = 'keep'" .. takes .. "reads what is there", list[1].error, 1, true)
    list = model:predict(scion.data.files({ cut }, { size = 12, truncated = "keep" }))
    assert.is_nil(list[1].error)
    list = model:predict(scion.data.files({ folder .. "/a/1.jpg" }, { size = 12, max_pixels = 100 }))
    assert.matches("it has more than 100; max_pixels = 144" .. takes .. "lets it in", list[1].error, 1, true)
  end)

  it("that are folders, or begin with ~, have an entry that says what to do", function()
    local list = model:predict { folder .. "/a", "~/nowhere.png" }
    assert.equal(folder .. "/a: a folder and no file; scion.data.folder reads a folder of class folders, and a list of files names pictures", list[1].error)
    assert.matches("'~' is the shell's, in Lua it is os.getenv \"HOME\" .. '/nowhere.png'", list[2].error, 1, true)
    local _, mentions = tostring(list):gsub(folder:gsub("%p", "%%%0"), "")
    assert.equal(1, mentions)
    local trunk = model:upto "conv"
    assert.matches("output of 10x10x4 numbers", tostring(trunk:predict(folder .. "/a/1.jpg")), 1, true)
  end)

  it("are all predicted that lie in a folder or below it", function()
    local names = {}
    local list
    local told = support.stderr_of(function() list = model:predict(folder) end)
    for i, entry in ipairs(list) do names[i] = entry.file:sub(#folder + 2) end
    assert.same({ "a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg", "b/1.png", "b/2.png", "b/3.png", "b/4.png", "b/cut.jpg", "b/text.jpg" }, names)
    assert.equal("", told)
    assert.matches("a text file, which is no image", list[10].error, 1, true)
    assert.is_nil(list[1].error)
    assert.equal(4, #model:predict(folder .. "/a"))
    local features, _, failures
    support.stderr_of(function() features, _, failures = model:features(folder .. "/b", "conv", { pool = "avg" }) end)
    assert.same({ 6, 4 }, features:shape())
    assert.same({ 5, 6 }, { failures[1].index, failures[2].index })
    local empty = support.folder()
    assert.equal("predict: " .. empty .. " holds no images (.jpg, .jpeg, .jpe, .jfif, .png, .webp or .gif)", messages.refused(function() model:predict(empty) end))
  end)

  it("have an entry each, whatever the batch: also where no file of a batch can be read", function()
    for _, batch in ipairs { 1, 2, 3, 100 } do
      local data = scion.data.folder(folder, { size = 12, batch = batch })
      data.warn = function() end
      local list = model:predict(data)
      assert.equal(10, #list)
      for i, entry in ipairs(list) do
        assert.equal(data.files[i], entry.file)
        local broken = entry.file:find "text" or entry.file:find "cut"
        assert.equal(not broken, entry.label ~= nil, entry.file)
        assert.equal(not broken, entry.error == nil, entry.file)
      end
    end
  end)

  it("have a row of features each, in file order: NaN where a file cannot be read, which is told with a count", function()
    for _, batch in ipairs { 1, 3, 100 } do
      local data = scion.data.folder(folder, { size = 12, batch = batch, shuffle = true })
      data.warn = function() end
      local features, labels, failures
      local told = support.stderr_of(function() features, labels, failures = model:features(data, "conv", { pool = "avg" }) end)
      assert.matches("scion: features: 2 of 10 images could not be read, and their rows are NaN; the first is " .. folder .. "/b/cut.jpg", told, 1, true)
      assert.same({ 10, 4 }, features:shape())
      assert.same({ 1, 1, 1, 1, 2, 2, 2, 2, 2, 2 }, labels:totable())
      assert.same({ 9, 10 }, { failures[1].index, failures[2].index })
      for i, file in ipairs(data.files) do
        local row = features:slice(1, i, i)
        if i > 8 then
          for _, value in ipairs(row:reshape(4):totable()) do assert.is_true(value ~= value) end
          assert.equal(file, failures[i - 8].file)
        else
          assert.is_true((model:features(file, "conv", { pool = "avg" }) - row):abs():max() < 1e-5, file)
        end
      end
      assert.same({ 10, 10, 10, 4 }, model:features(data, "conv"):shape())
    end
    local list = model:features({ folder .. "/b/text.jpg", folder .. "/a/2.jpg" }, "conv", { pool = "avg" })
    assert.is_true((list:slice(1, 2, 2) - model:features(folder .. "/a/2.jpg", "conv", { pool = "avg" })):abs():max() < 1e-5)
    assert.matches("features: .*/b/text.jpg: a text file, which is no image", messages.refused(function() model:features(folder .. "/b/text.jpg", "conv") end))
  end)

  it("keep their rows and entries where broken ones lie between them", function()
    local mixed = support.folder()
    assert(lfs.mkdir(mixed .. "/a"))
    for i = 1, 9 do
      local path = ("%s/a/%d.png"):format(mixed, i)
      if i % 3 == 2 then support.spit(path, "no picture") else assert(scion.image.save(path, scion.full({ 12, 12, 3 }, 25 * i, "u8"))) end
    end
    for _, batch in ipairs { 1, 2, 4, 5, 9 } do
      local data = scion.data.folder(mixed, { size = 12, batch = batch, labels = { "a", "b" } })
      data.warn = function() end
      local features
      support.stderr_of(function() features = model:features(data, "conv", { pool = "avg" }) end)
      local list = model:predict(data, { top = 2 })
      for i, file in ipairs(data.files) do
        local row = features:slice(1, i, i)
        if i % 3 == 2 then
          assert.is_true(row:get(1, 1) ~= row:get(1, 1))
          assert.matches(file, list[i].error, 1, true)
        else
          assert.is_true((model:features(file, "conv", { pool = "avg" }) - row):abs():max() < 1e-5, file)
          assert.is_true(math.abs(model:predict(file)[1].confidence - list[i].confidence) < 1e-6, file)
        end
      end
    end
  end)

  it("give the numbers to predict back with their features, as they were given", function()
    local numbers = scion.uniform { 3, 2 }
    local _, back = model:features(scion.data.tensors(scion.zeros({ 3, 12, 12, 3 }, "u8"), numbers, { shuffle = true }), "conv", { pool = "max" })
    assert.same(numbers:totable(), back:totable())
  end)

  it("of which none can be read are no data to evaluate on, or to train on", function()
    local broken = support.folder()
    for _, class in ipairs { "/a", "/b" } do
      assert(lfs.mkdir(broken .. class))
      support.spit(broken .. class .. "/x.jpg", "no picture")
    end
    local function set()
      local data = scion.data.folder(broken, { size = 12 })
      data.warn = function() end
      return data
    end
    local why = "the data set gave no image that can be read, of 2 (" .. broken .. "/a/x.jpg: a text file, which is no image: take it out of the folder)"
    assert.equal("evaluate: " .. why, messages.refused(function() model:evaluate(set()) end))
    assert.equal("fit: " .. why, messages.refused(function() model:fit(set(), { verbose = false }) end))
    local data, epochs = scion.data.folder(folder, { size = 12 }), #model.history
    data.warn = function() end
    assert.equal("fit: validate: " .. why, messages.refused(function() model:fit(data, { verbose = false, validate = set() }) end))
    assert.equal(epochs + 1, #model.history) -- the epoch that was trained is kept
    assert.equal(2, #model:predict(set()))
  end)
end)
