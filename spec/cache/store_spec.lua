-- The files of the cache, as a long process uses them: few are open at a time, and whoever deletes their folder loses nothing else. Each
-- test runs in a process of its own, over a cache folder of its own.
local support = dofile "spec/support/files.lua"

local prelude = [[
local core, scion, lfs = require "scion.core", require "scion", require "lfs"
local store = require "scion.cache.store"
local function open_files()
  local count = 0
  for name in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and target:find "%.rows" then count = count + 1 end
  end
  return count
end
local function key(i) return ("%16d"):format(i) end
local function row(i) return core.full({ 4 }, i) end
]]

describe("the cache's files", function()
  local caches
  before_each(function() caches = support.folder() end)
  teardown(support.done)

  local function run(script, variables)
    local output, code = support.shell(("XDG_CACHE_HOME=%s SCION_CACHE_DISK=10 %s lua5.4 %s"):format(caches, variables or "",
      support.spit(caches .. "/script.lua", prelude .. script)))
    assert.equal(0, code, output)
    return output
  end

  it("are open a few at a time, and opened again when they are asked for", function()
    local output = run([[
      local list = {}
      for i = 1, 40 do
        list[i] = store.open("s" .. i, { 4 }, "f32")
        list[i]:expect(2)
        list[i]:put({ key(1), key(2) }, { row(i), row(-i) })
      end
      print(open_files() <= 8)
      for i = 40, 1, -1 do -- each was closed for others, with an open pass that holds it
        assert(list[i]:has(key(1)) and not list[i]:has(key(3)))
        assert(list[i]:get(key(2)):get(1) == -i)
        list[i]:put({ key(3) }, { row(100 + i) })
      end
      for i = 1, 40 do assert(list[i]:get(key(3)):get(1) == 100 + i) end
      print(open_files() <= 8)]], "SCION_CACHE_MEMORY=0")
    assert.equal("true\ntrue\n", output)
  end)

  it("do not stay open for each of a network's trainings", function()
    local output = run [[
      local nn = scion.nn
      local data = scion.data.tensors(scion.uniform({ 4, 16, 16, 3 }, 0, 255):to "u8", { 1, 2, 1, 2 }, { batch = 2 })
      local m = scion.sequential { nn.input(16, 16, 3), nn.conv2d(32, 3), nn.relu(), nn.conv2d(32, 3), nn.global_avg_pool(), nn.dense(2, "softmax") }
      local most = 0
      for _ = 1, 12 do
        m:thaw():fit(data, { verbose = false })
        m:freeze { upto = "global_avg_pool_1" }:fit(data, { verbose = false })
        most = math.max(most, open_files())
      end
      print(most > 0, most <= 8)]]
    assert.equal("true\ttrue\n", output)
    assert.equal("12\n", (support.shell("ls " .. caches .. "/scion | grep -v '^files.rows' | wc -l")))
  end)

  it("may be deleted with their folder between two passes, and while one runs", function()
    local output = run [[
      local function delete() assert(os.execute("rm -r " .. os.getenv "XDG_CACHE_HOME" .. "/scion")) end
      local s = store.open("s", { 4 }, "f32")
      s:expect(1)
      s:put({ key(1) }, { row(1) })
      delete()
      s:expect(1) -- in the middle of a pass
      s:put({ key(2) }, { row(2) })
      assert(s:get(key(1)):get(1) == 1 and s:get(key(2)):get(1) == 2)
      assert(store.open("s", { 4 }, "f32") == s) -- the next pass
      assert(not s:has(key(3)))
      s:expect(1)
      s:put({ key(3) }, { row(3) })
      delete()
      local other = store.open("other", { 4 }, "f32")
      other:expect(1)
      other:put({ key(4) }, { row(4) })
      print(open_files())]]
    assert.equal("2\n", output)
    assert.equal("other.rows\n", support.list(caches .. "/scion"))
  end)

  it("may be deleted between training and evaluation", function()
    local output = run [[
      local nn = scion.nn
      local function data(seed)
        return scion.data.tensors(scion.uniform({ 4, 16, 16, 3 }, 0, 255):to "u8", { 1, 2, 1, 2 }, { batch = 2, seed = seed })
      end
      local m = scion.sequential { nn.input(16, 16, 3), nn.conv2d(32, 3), nn.relu(), nn.conv2d(32, 3), nn.global_avg_pool(), nn.dense(2, "softmax") }
      m:fit(data(1), { verbose = false })
      m:freeze { upto = "global_avg_pool_1" }:fit(data(1), { verbose = false })
      assert(os.execute("rm -r " .. os.getenv "XDG_CACHE_HOME" .. "/scion"))
      local other = data(2)
      local expected = m:evaluate(other, { cache = false })
      local found = m:evaluate(other)
      print(found.loss == expected.loss, found.accuracy == expected.accuracy)]]
    assert.equal("true\ttrue\n", output)
    assert.equal("1\n", (support.shell("ls " .. caches .. "/scion | grep -v '^files.rows' | wc -l")))
  end)

  it("are done without where no file may grow, from the first byte on", function()
    local output = run([[
      local s = store.open("small", { 4 }, "f32")
      s:expect(1)
      s:put({ key(1) }, { row(7) })
      print(s:get(key(1)):max())]], "sh -c 'ulimit -f 0; exec \"$@\"' sh")
    assert.matches("scion: .*small.rows: cannot be written: File too large; the cache does without the disk\n7", output)
  end)
end)
