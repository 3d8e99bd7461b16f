-- A model remembers how the pictures were read that it was trained on: files to predict are read alike, also after it was saved.
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local nn = scion.nn

describe("what a model was trained on is read alike later", function()
  teardown(support.done)

  local function pictures()
    local folder = support.folder()
    for k, class in ipairs { "left", "right" } do
      support.shell(("mkdir %q"):format(folder .. "/" .. class))
      for i = 1, 4 do assert(scion.image.save(("%s/%s/%d.png"):format(folder, class, i), support.pattern(10, 24, 40 * k + 9 * i))) end
    end
    return folder
  end

  local function network()
    scion.seed(2)
    return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3), nn.flatten(), nn.dense(2, "softmax") }
  end

  it("for files and folders, in graphs that were grown from it, and after saving", function()
    local root = pictures()
    local list = { root .. "/left/1.png", root .. "/right/2.png" }
    for _, given in ipairs { { fit = "crop" }, { fit = "pad", filter = "nearest" }, { background = "white" } } do
      local o = { size = 8, batch = 4 }
      for key, value in pairs(given) do o[key] = value end
      local model = network()
      local before = model:predict(list)
      model:fit(scion.data.folder(root, o), { verbose = false })
      o.shuffle = false
      local set = scion.data.folder(root, o)
      local expected, found = model:predict(set), model:predict(list)
      assert.equal(expected[1].confidence, found[1].confidence)
      assert.equal(expected[6].confidence, found[2].confidence)
      assert.equal(expected[5].confidence, model:predict(root .. "/right")[1].confidence)
      local path = root .. ".safetensors"
      model:save(path)
      local loaded = scion.load(path)
      assert.same(model.reading, loaded.reading)
      assert.equal(expected[1].confidence, loaded:predict(list)[1].confidence)
      assert.same(model.reading, model:upto("flatten_1").reading)
      assert.is_truthy(before)
    end
  end)

  it("at the size at which JPEGs were decoded, and as far as they go", function()
    local root = support.folder()
    for k, class in ipairs { "left", "right" } do
      support.shell(("mkdir %q"):format(root .. "/" .. class))
      for i = 1, 3 do assert(scion.image.save(("%s/%s/%d.jpg"):format(root, class, i), support.pattern(90, 120, 40 * k + 9 * i))) end
    end
    local bytes = support.slurp(root .. "/left/1.jpg")
    support.spit(root .. "/left/1.jpg", bytes:sub(1, #bytes * 2 // 3))
    local list = { root .. "/left/1.jpg", root .. "/right/2.jpg" }
    for _, gap in ipairs { false, 1 } do
      local set = scion.data.folder(root, { size = 8, batch = 2, shuffle = false, truncated = "keep", reducing_gap = gap })
      local model = network()
      model:fit(set, { verbose = false, quiet = true })
      assert.same({ fit = "squash", filter = "bilinear", reducing_gap = gap, truncated = "keep" }, model.reading)
      model:save(root .. ".safetensors")
      local expected, loaded = model:predict(set), scion.load(root .. ".safetensors")
      for i, prediction in ipairs(loaded:predict(list)) do assert.equal(expected[i == 1 and 1 or 5].confidence, prediction.confidence) end
      local told = support.stderr_of(function() model:evaluate(set:with { reducing_gap = 2 }) end)
      assert.matches(("trained on pictures read by fit = 'squash', filter = 'bilinear', reducing_gap = %s, truncated = 'keep'"):format(gap), told, 1, true)
    end
    local old = network()
    old.reading = { fit = "crop" } -- as files of before have it
    assert.equal(2, old.reading.reducing_gap)
  end)

  it("and a data set that reads otherwise is told of, once", function()
    local root = pictures()
    local model, plain = network(), scion.data.folder(root, { size = 8, batch = 4, shuffle = false })
    local crop = plain:with { fit = "crop" }
    local told = support.stderr_of(function() model:fit(crop, { verbose = false, validate = plain }) end)
    assert.matches("scion: fit: the validation set reads its pictures by fit = 'squash', filter = 'bilinear', but the model was trained on pictures read by fit = 'crop'",
                   told, 1, true)
    assert.matches("evaluate: the data set reads its pictures", support.stderr_of(function() model:evaluate(plain) end), 1, true)
    assert.matches("predict: the data set reads its pictures", support.stderr_of(function() model:predict(plain) end), 1, true)
    assert.equal("", support.stderr_of(function() model:evaluate(crop) end))
    local silent = network()
    silent:fit(scion.data.tensors(scion.zeros({ 2, 8, 8, 3 }, "u8"), { "left", "right" }), { verbose = false })
    assert.equal("", support.stderr_of(function() silent:evaluate(plain) end))
  end)
end)
