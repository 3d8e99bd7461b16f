-- Ctrl-C while images are read: none is begun any more, so that a batch of many large ones is not waited for.
local check = require "scion.check"
local core = require "scion.core"
local data = require "scion.data"
local image = require "scion.image"
local lfs = require "lfs"
local nn = require("scion").nn
local scion = require "scion"
local support = dofile "spec/support/images.lua"

describe("Ctrl-C while images are read", function()
  local root, set, model
  setup(function()
    root = support.folder()
    for _, class in ipairs { "a", "b" } do assert(lfs.mkdir(root .. "/" .. class)) end
    for i = 1, 24 do assert(image.save(("%s/%s/%02d.png"):format(root, i % 2 == 0 and "a" or "b", i), support.pattern(40, 40, i))) end
    set = data.folder(root, { size = 8, batch = 24, workers = 2, memory = 0 })
    model = scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2, "softmax") }
  end)
  teardown(support.done)

  local function press() assert(io.popen "kill -INT $PPID"):close() end

  -- What a function raises after Ctrl-C, which is pressed before it begins and is caught by the function itself or further out.
  local function raised(call)
    assert(core.catch_interrupts())
    press()
    local ok, message = pcall(call)
    core.release_interrupts()
    assert.is_false(ok)
    return tostring(message)
  end

  it("ends the pass of a loader before it begins another image, and the next pass is whole", function()
    local files = {}
    for i, file in ipairs(set.files) do files[i] = file end
    local loader = core.loader { files = files, height = 8, width = 8, workers = 2 }
    assert(core.catch_interrupts())
    loader:start(nil, 24, 1)
    assert.equal(24, #loader:next()) -- complete before Ctrl-C
    loader:start(nil, 24, 1)
    press()
    loader:start(nil, 24, 1)
    assert.is_nil(loader:next())
    assert.is_nil(loader:next())
    assert.is_nil(core.image_examine(files, 1, 24))
    assert.is_nil(core.image_alike {})
    core.release_interrupts()
    loader:start(nil, 24, 1)
    assert.equal(24, #loader:next())
    assert.equal(24, #core.image_examine(files, 1, 24))
  end)

  it("ends the doctor also where it compares images that are read", function()
    local images = {}
    for i, facts in ipairs(core.image_examine(check.items(set.files), 1, 24)) do
      images[i], facts.file, facts.set = facts, set.files[i], 1
    end
    for _, finding in ipairs(require "scion.data.findings") do
      local case = { images = images, sets = { { data = set } } }
      if finding[1] == "alike" then assert.matches("scion.data.doctor: Ctrl-C ended it", raised(function() finding[2](case) end), 1, true) end
    end
  end)

  it("ends what reads them with a message, and writes nothing", function()
    local sheet = root .. "/sheet.png"
    for name, call in pairs {
      ["scion.data.doctor"] = function() data.doctor(set) end, ["data:show"] = function() set:show(sheet) end,
      ["predict"] = function() model:predict(set) end, ["evaluate"] = function() model:evaluate(set) end,
      ["features"] = function() model:features(set, "flatten_1") end,
    } do
      assert.matches(name .. ": Ctrl-C ended it, so that there is no result", raised(call), 1, true)
    end
    assert.is_nil(io.open(sheet))
    assert.matches("fit: Ctrl%-C ended it in epoch 1 of 3, after step 0", raised(function() model:fit(set, { epochs = 3, verbose = false, quiet = true }) end))
  end)

  it("ends a loop over batches where no function further out waits for it", function()
    local seen = 0
    assert(core.catch_interrupts())
    press()
    for _ in set:batches() do seen = seen + 1 end
    core.release_interrupts()
    assert.equal(0, seen)
  end)

  it("is not kept waiting by a batch of many large images", function()
    local large = root .. "/large"
    assert(lfs.mkdir(large))
    assert(image.save(large .. "/01.png", core.new({ 2400, 2400, 3 }, "u8")))
    for i = 2, 24 do assert(lfs.link(large .. "/01.png", ("%s/%02d.png"):format(large, i))) end
    local many = data.folder(large, { labels = false, size = 8, batch = 24, workers = 2, memory = 0 })
    local function seconds(call)
      local began = core.clock()
      local ok, message = pcall(call)
      return core.clock() - began, ok, tostring(message)
    end
    for name, call in pairs { ["predict"] = function() model:predict(many) end, ["scion.data.doctor"] = function() data.doctor(many) end } do
      local whole = seconds(call)
      assert(core.catch_interrupts()) -- so that the signal may come at any time
      local sender <close> = assert(io.popen "kill -INT $PPID")
      local cut, ok, message = seconds(call)
      core.release_interrupts()
      assert.is_false(ok)
      assert.matches(name .. ": Ctrl-C ended it", message, 1, true)
      assert.is_true(cut < whole / 2, ("%s: %.2f s after Ctrl-C, %.2f s without"):format(name, cut, whole))
      assert.is_true(io.type(sender) == "file")
    end
  end)
end)
