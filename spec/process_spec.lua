-- Whole processes: how they start, end, fork and take Ctrl-C. Each is a real lua5.4 with this tree's paths.
local files = dofile "spec/support/files.lua"
local lua = "lua5.4"

local prelude = [[
local scion = require "scion"
local nn = scion.nn
local images = scion.uniform({ 8, 6, 6, 3 }, 0, 255):to "u8"
local data = scion.data.tensors(images, { 1, 2, 1, 2, 1, 2, 1, 2 }, { batch = 4 })
local model = scion.sequential { nn.input(6, 6, 3), nn.conv2d(4, 3, { activation = "relu" }), nn.flatten(), nn.dense(2, "softmax") }
]]

--- Runs a script, with variables set for it; returns what it wrote to both outputs, and how the shell saw it end.
local function run(script, variables)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(prelude, script):close()
  local pipe = assert(io.popen(("%s %s %s 2>&1; echo status $?"):format(variables or "", lua, path)))
  local out = pipe:read "a"
  pipe:close()
  os.remove(path)
  return out, tonumber(out:match "status (%d+)%s*$")
end

describe("a process", function()
  teardown(files.done)

  it("that trains a step ends with status 0, a hundred times", function()
    local ended = {}
    for i = 1, 100 do
      local _, status = run "model:fit(data, { verbose = false })"
      ended[i] = status
      assert.equal(0, status)
    end
    assert.equal(100, #ended)
  end)

  it("dies of a second Ctrl-C while it trains", function()
    -- The signal waits for this process before kill ends, and this process takes it before it learns of that end.
    local out, status = run [[
      model:fit(data, { epochs = 1000, callbacks = { step = function()
        assert(io.popen "kill -INT $PPID"):close()
        io.write(tostring(require "scion.core".interrupted()), "\n")
        io.stdout:flush()
        assert(io.popen "kill -INT $PPID"):close()
        os.exit(7)
      end } })]]
    assert.equal(130, status, out)
    assert.matches("^true\n", out)
  end)

  it("ends at a fit that Ctrl-C ended, with one line", function()
    local out, status = run [[
      model:fit(data, { epochs = 1000, verbose = false, callbacks = { epoch = function(entry)
        if entry.epoch == 2 then assert(io.popen "kill -INT $PPID"):close() end
      end } })
      os.exit(7)]]
    assert.equal(1, status, out)
    assert.matches("^lua5.4: [^\n]*: fit: Ctrl%-C ended it in epoch 2 of 1000, after step %d+; the model is whole, between two steps\nstatus 1\n$", out)
  end)

  it("ends at an evaluation, a prediction or features that Ctrl-C ended, with one line", function()
    for name, call in pairs { evaluate = "model:evaluate(data, { cache = false })", predict = "model:predict(data)",
                              features = "model:features(data, model.output.layer.name, { cache = false })" } do
      local out, status = run(([[
        -- Ctrl-C comes while the data set gives its second batch
        local count, inner = 0, data
        local own = setmetatable({ batches = function(_, ...)
          local next_batch = inner:batches(...)
          return function()
            count = count + 1
            if count == 2 then assert(io.popen "kill -INT $PPID"):close() end
            return next_batch()
          end
        end, labels = inner.labels, size = inner.size, batch = 4 }, { __len = function() return #inner end })
        data = own
        %s
        os.exit(7)]]):format(call))
      assert.equal(1, status, out)
      assert.matches("lua5.4: [^\n]*: " .. name .. ": Ctrl%-C ended it, so that there is no result\nstatus 1\n$", out)
    end
  end)

  it("that has no room for OpenBLAS's buffers is told so, and does not wait for them", function()
    if (os.getenv "SCION_BUILD" or ""):find "sanitize" then return end -- which needs more room than that itself
    local out, status = run("local _ = scion.ones(4, 4):matmul(scion.ones(4, 4))", "ulimit -v 200000; timeout 60")
    assert.equal(1, status, out)
    assert.matches("out of memory: matmul is OpenBLAS's, which wants %d+ MB of addresses for %d+ threads: raise ulimit %-v, or use fewer threads", out)
  end)

  it("ends at insight's linear algebra, after the one under way, in the name of what the script called", function()
    for name, call in pairs { probe = "model:probe(data)",
                              ["scion.insight.transfer"] = "scion.insight.transfer(model, data)",
                              ["scion.insight.advise"] = "scion.insight.advise(model, data)", ["scion.insight.rank"] = "scion.insight.rank(data, { model })",
                              ["scion.insight.curve"] = "scion.insight.curve(model, data)", ["scion.insight.embed"] = "scion.insight.embed(scion.randn { 5, 3 })" } do
      local out, status = run(([[
        -- Ctrl-C comes when features are scaled, and before that is done a second time
        local of, count = require "scion.data.normalization", 0
        local inner = of.mean
        of.mean = function(...)
          count = count + 1
          if count == 1 then assert(io.popen "kill -INT $PPID"):close() end
          if count > 3 then os.exit(8) end
          return inner(...)
        end
        %s
        os.exit(7)]]):format(call))
      assert.equal(1, status, out)
      assert.matches("lua5.4: [^\n]*: " .. name .. ": Ctrl%-C ended it, so that there is no result\nstatus 1\n$", out)
    end
  end)

  it("ends at a file that Ctrl-C came before, or in, when that is whole", function()
    local folder = files.folder()
    -- Ctrl-C comes when a function of the core has run
    local press = [[
      local core = require "scion.core"
      local function press_after(name)
        local inner = core[name]
        core[name] = function(...)
          local results = table.pack(inner(...))
          assert(io.popen "kill -INT $PPID"):close()
          core[name] = inner
          return table.unpack(results, 1, results.n)
        end
      end
      local path = "]] .. folder .. [[/net"
      model:save(path .. ".safetensors")
      model:export(path .. ".h5")
      local other = scion.sequential { nn.input(6, 6, 3), nn.conv2d(4, 3, { activation = "relu" }), nn.flatten(), nn.dense(2, "softmax") }
      local function outputs(m) return (m:features(images, m.output.layer.name)) end
      local function same() return outputs(model):equal(outputs(other)) end
      local function interrupted(f, ...)
        local ok, told = pcall(f, ...)
        assert(not ok and told.interrupted, told)
        return (told.message:gsub("^.-:%d+: ", ""))
      end
    ]]
    local out, status = run(press .. [[
      press_after "catch_interrupts"
      print(interrupted(other.load_weights, other, path .. ".safetensors"))
      assert(not same())
      press_after "unpack"
      print(interrupted(other.load_weights, other, path .. ".safetensors"))
      assert(same())
      for ending, writer in pairs { safetensors = "safetensors_write", h5 = "hdf5_write", ["weights.h5"] = "hdf5_write" } do
        press_after(writer)
        local name = path .. "_new." .. ending
        assert(interrupted(other.export, other, name) == "model:export: interrupted when " .. name .. " was written")
        assert(model:load_weights(name):complete())
      end
      press_after "safetensors_write"
      print(interrupted(other.save, other, path .. ".safetensors"))
      assert(scion.load(path .. ".safetensors"))
      io.write("whole\n")]])
    assert.equal(0, status, out)
    local path = folder .. "/net.safetensors"
    assert.equal(("load_weights: interrupted before %s was read, so nothing has changed\nload_weights: interrupted when %s was read, so the model has its weights\n" ..
                  "model:save: interrupted when %s was written\nwhole\nstatus 0\n"):format(path, path, path), (out:gsub("scion: features: [^\n]*\n", "")))
  end)

  it("is told that an optimizer begins anew in a model from a file, where it would have gone on", function()
    local path = files.folder() .. "/half.safetensors"
    for optimizer, told in pairs { ["adam()"] = true, ["sgd { momentum = 0.9 }"] = true, ["sgd()"] = false } do
      local out, status = run(([[
        local scion = require "scion"
        model:fit(data, { verbose = false, optimizer = scion.optim.%s })
        model:save("%s")
        local again = scion.load("%s")
        for _ = 1, 2 do again:fit(data, { verbose = false, optimizer = scion.optim.%s }) end]]):format(optimizer, path, path, optimizer))
      assert.equal(0, status, out)
      local _, count = out:gsub("a saved model holds no optimizer's state", "")
      assert.equal(told and 1 or 0, count, optimizer .. "\n" .. out)
    end
  end)

  it("has its old handler back after a fit, also one that failed", function()
    local out, status = run [[
      model:fit(data, { verbose = false })
      pcall(model.fit, model, data, { verbose = false, callbacks = { step = function() error "no" end } })
      assert(io.popen "kill -INT $PPID"):close()
      os.exit(7) -- the interpreter's handler raises before the next instruction]]
    assert.equal(1, status, out)
    assert.matches("interrupted!", out, 1, true) -- the interpreter's own message
  end)

  it("prints one plain line an epoch when its output is no terminal", function()
    local out, status = run "model:fit(data, { epochs = 3, validate = data, quiet = true })"
    assert.equal(0, status, out)
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(4, #lines)
    assert.matches("^epoch 2/3  loss %d%.%d+  accuracy %d%.%d+  val_loss %d%.%d+  val_accuracy %d%.%d+  [%d%.]+ images/s", lines[2])
    assert.is_nil(out:find "[\r\27]")
  end)

  it("starts without what it does not use", function()
    local out, status = run [[
      for name in pairs(package.loaded) do
        assert(not name:find "inception" and not name:find "hdf5" and not name:find "scion.train", name)
      end
      local function has_blas()
        local maps <close> = io.open "/proc/self/maps"
        return maps:read "a":find("openblas", 1, true) ~= nil
      end
      assert(not has_blas(), "OpenBLAS is loaded")
      scion.ones(2, 2):matmul(scion.ones(2, 2))
      assert(has_blas(), "OpenBLAS is not loaded, or not under that name")]]
    assert.equal(0, status, out)
  end)

  it("that finds no OpenBLAS lacks matrix products alone", function()
    local folder = files.folder()
    files.spit(folder .. "/libopenblas.so.0", "no library")
    local out, status = run([[
      for _ = 1, 2 do print((select(2, pcall(function() scion.ones(2, 2):matmul(scion.ones(2, 2)) end)):gsub("^%S+:%d+: ", ""))) end
      model:fit(data, { verbose = false })]], "LD_LIBRARY_PATH=" .. folder)
    assert.equal(0, status, out)
    local line = "matmul: OpenBLAS cannot be loaded: " .. folder .. "/libopenblas.so.0: file too short\n"
    assert.equal(line .. line, (out:gsub("status 0%s*$", "")))
  end)
end)
