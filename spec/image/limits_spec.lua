-- Images that cannot be read for a reason that is not theirs: a process with too many open files. That must not pass for damaged images.
local core = require "scion.core"
local lfs = require "lfs"
local support = require "spec.support.images"

describe("a process with too many open files", function()
  local folder
  setup(function()
    folder = support.folder()
    for _, class in ipairs { "dark", "light" } do
      assert(lfs.mkdir(folder .. "/" .. class))
      for i = 1, 12 do assert(core.image_save(("%s/%s/%02d.png"):format(folder, class, i), support.pattern(8, 8, i))) end
    end
    support.spit(folder .. "/dark/broken.png", "no image")
  end)
  teardown(support.done)

  -- Runs a Lua text as a process that may have few files open; returns what it printed.
  local function limited(text)
    local path = support.spit(folder .. "/script.lua", [[
      local core, scion = require "scion.core", require "scion"
      local folder = ...
      local data = scion.data.folder(folder, { size = 8, batch = 5, shuffle = false, workers = 2, memory = 0 })
      local held = {}
      local function exhaust()
        repeat
          local file = io.open "/dev/null"
          held[#held + 1] = file
        until not file
      end
      local function release()
        for _, file in ipairs(held) do file:close() end
        held = {}
      end
      data.warn = function(message) print("warned: " .. message) end
    ]] .. text)
    local output, code = support.shell(("ulimit -n 40; SCION_CACHE_DISK=0 lua5.4 %s %s"):format(path, folder))
    assert.equal(0, code, output)
    return output
  end

  it("is told so, at the image where it stopped, and goes on when it has closed some", function()
    local output = limited [[
      local function pass()
        local seen, broken = 0, 0
        for batch in data:batches() do seen, broken = seen + #batch, broken + #batch.failed end
        return seen, broken
      end
      exhaust()
      print(pcall(pass))
      print(core.image_load(data.files[1]))
      release()
      print(pass())
      print(data.skipped)]]
    local message = folder .. "/dark/01.png: too many open files in this process; raise its limit (ulimit -n), or close some"
    assert.equal("false\t" .. folder .. "/script.lua:18: " .. message .. "\nnil\t" .. message .. "\nwarned: left out " .. folder ..
      "/dark/broken.png: a text file, which is no image: take it out of the folder\n24\t1\n1\n", output)
  end)

  it("is told so where a split looks for copies", function()
    local output = limited [[
      data:take(4):split(0.5) -- loads what it needs
      exhaust()
      local ok, message = pcall(data.split, data, 0.5)
      release()
      print(ok, message)
      print(#(data:split(0.5)))]]
    assert.matches("^false\t[^\n]*dark/%d+.png: cannot be hashed: " ..
      "too many open files in this process; raise its limit %(ulimit %-n%), or close some\n14\n$", output)
  end)

  it("does not train on fewer images than it has", function()
    local output = limited [[
      local nn = scion.nn
      local model = scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3), nn.global_avg_pool(), nn.dense(2, "softmax") }
      local ok, message = pcall(model.fit, model, data, { epochs = 3, verbose = false, quiet = true, callbacks = { epoch = exhaust } })
      release()
      print(ok, model.epoch, data.skipped)
      print(message)]]
    local lines = {}
    for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(3, #lines, output)
    assert.equal("false\t1\t1", lines[2])
    assert.matches("png: too many open files in this process", lines[3], 1, true)
  end)

  it("is told so where a module, a library or a file cannot be loaded any more, and loads it when some are closed", function()
    support.spit(folder .. "/list.csv", "file,label\n01.png,x\n")
    local output = limited [[
      local nn, image = scion.nn, scion.image
      local model = scion.sequential { nn.input(8, 8, 3), nn.global_avg_pool(), nn.dense(2, "softmax") }
      local one = scion.ones(2, 2)
      model:save(folder .. "/model.safetensors")
      core.hdf5_write(folder .. "/weights.h5", { { path = "a", tensor = one } }, {})
      for _, call in ipairs {
        function() return data:show(folder .. "/sheet.png") end, function() return model:predict(data) end, function() return nn.conv2d(3, 3) end,
        function() return one:matmul(one) end,
       function() return scion.data.csv(folder .. "/list.csv", { file = "file", label = "label", root = folder .. "/dark", size = 8 }) end,
        function() return assert(core.hdf5_open(folder .. "/weights.h5")) end, function() return scion.load(folder .. "/model.safetensors") end,
      } do
        exhaust()
        local ok, message = pcall(call)
        release()
        print(ok, message)
        local again, why = pcall(call)
        if not again then print("and then", why) end
      end]]
    local count = 0
    for line in output:gmatch "[^\n]+" do
      if not line:find "^warned: " then
        count = count + 1
        assert.matches("^false\t.*: too many open files in this process; raise its limit %(ulimit %-n%), or close some$", line)
        assert.is_nil(line:find "not found")
      end
    end
    assert.equal(7, count, output)
  end)
end)
