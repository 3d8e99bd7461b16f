-- Training, predicting and features on files, some of which are broken.
local lfs = require "lfs"
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

  it("give features in file order, with labels", function()
    local data = scion.data.folder(folder, { size = 12, batch = 3, shuffle = true })
    data.warn = function() end
    local features, labels = model:features(data, "conv", { pool = "avg" })
    assert.same({ 8, 4 }, features:shape())
    assert.same({ 1, 1, 1, 1, 2, 2, 2, 2 }, labels:totable())
    local one = model:features(folder .. "/a/2.jpg", "conv", { pool = "avg" })
    assert.is_true((one - features:slice(1, 2, 2)):abs():max() < 1e-5)
    assert.same({ 8, 10, 10, 4 }, model:features(data, "conv"):shape())
    assert.has_error(function() model:features(folder .. "/b/text.jpg", "conv") end)
    assert.has_error(function() model:features(data, "conv", { pool = "median" }) end)
  end)
end)
