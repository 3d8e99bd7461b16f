-- Whatever Scion writes appears whole or not at all: one implementation, seen through all that use it.
local core = require "scion.core"
local lfs = require "lfs"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"

-- Each writes half a megabyte and more to a path, so that a limit on the size of files meets it in the middle: the Lua text of a function
-- of the path, and the ending it takes.
local writers = {
  ["a safetensors file"] = { ".safetensors", [[function(path)
      return core.safetensors_write(path, { a = core.uniform({ 200000 }, 1, 1, 0, 1) })
    end]] },
  ["an HDF5 file"] = { ".h5", [[function(path)
      return core.hdf5_write(path, { { path = "a", tensor = core.uniform({ 200000 }, 1, 1, 0, 1) } }, { { path = "/", name = "n", value = "text" } })
    end]] },
  ["a text"] = { ".txt", [[function(path) return core.write_file(path, ("x"):rep(600000)) end]] },
  ["an image"] = { ".png", [[function(path) return core.image_save(path, (core.uniform({ 500, 500, 3 }, 1, 1, 0, 255):to "u8")) end]] },
}

local function is_whole(path)
  if path:find "%.txt$" then return support.slurp(path) == ("x"):rep(600000) end
  if path:find "%.png$" then return core.image_load(path) ~= nil end
  local file <close> = path:find "%.h5$" and core.hdf5_open(path) or core.safetensors_open(path)
  if path:find "%.h5$" then return file ~= nil and file:attribute("/", "n") == "text" and file:shape("a")[1] == 200000 end
  return file ~= nil
end

-- The number of a process that has ended.
local function dead_process() return tonumber((support.shell "echo $$")) end

teardown(support.done)

for what, writer in pairs(writers) do
  describe("writing " .. what, function()
    local ending, text = table.unpack(writer)
    local write = assert(load("local core = ... return " .. text))(core)
    local folder, path
    before_each(function()
      folder = support.folder()
      path = folder .. "/new" .. ending
    end)

    it("leaves that file alone, with the permissions that a new file has", function()
      assert.is_true(write(path))
      assert.is_true(is_whole(path))
      assert.equal("new" .. ending .. "\n", support.list(folder))
      assert.equal((support.shell(("touch %s/x; stat -c %%a %s/x; rm %s/x"):format(folder, folder, folder))), (support.shell("stat -c %a " .. path)))
    end)

    it("keeps an older file's permissions, and links", function()
      support.shell(("cd %s && touch real%s && chmod 640 real%s && ln -s real%s link%s && mkdir far && ln -s far/none%s dangling%s"):format(folder,
        ending, ending, ending, ending, ending, ending))
      for _, name in ipairs { "link", "dangling" } do
        assert.is_true(write(folder .. "/" .. name .. ending))
        assert.equal("link", lfs.symlinkattributes(folder .. "/" .. name .. ending, "mode"))
      end
      assert.equal("640 regular file\n", support.shell(("stat -c '%%a %%F' %s/real%s"):format(folder, ending)))
      assert.is_true(is_whole(folder .. "/real" .. ending))
      assert.is_true(is_whole(folder .. "/far/none" .. ending))
    end)

    it("works by a path that begins in the current folder", function()
      local out = support.shell(("cd %s && %s && ls -A"):format(folder,
        support.lua(("local core = require 'scion.core' assert((%s)('new%s'))"):format(text, ending))))
      assert.equal("new" .. ending .. "\n", out)
    end)

    it("makes the folders that are missing", function()
      assert.is_truthy(write(folder .. "/a/b/new" .. ending))
      assert.is_true(is_whole(folder .. "/a/b/new" .. ending))
      support.shell("rm -r " .. folder .. "/a")
    end)

    it("says why it cannot be done, and leaves nothing behind", function()
      support.spit(path, "old")
      assert(lfs.mkdir(folder .. "/folder" .. ending))
      assert(lfs.link("circle" .. ending, folder .. "/circle" .. ending, true))
      for name, pattern in pairs {
        [path .. "/none/x" .. ending] = "Not a directory", [path .. "/x" .. ending] = "Not a directory", ["/proc/none/x" .. ending] = "cannot be written",
        [folder .. "/folder" .. ending] = "not a regular file", [folder .. "/" .. ("n"):rep(300) .. ending] = "File name too long",
        [folder .. "/circle" .. ending] = "symbolic links",
      } do
        local done, message = write(name)
        assert.is_nil(done)
        assert.equal(name .. ": ", message:sub(1, #name + 2))
        assert.matches(pattern, message)
      end
      assert.equal("old", support.slurp(path))
      assert.equal(("circle%s\nfolder%s\nnew%s\n"):format(ending, ending, ending), support.list(folder))
    end)

    it("leaves the old file when it may not grow so long, and the process lives", function()
      for _, before in ipairs { "", "trap '' XFSZ;" } do -- the signal's usual effect, and a process that was started to ignore it
        support.spit(path, "old")
        local output, code = support.shell(before .. " ulimit -f 100; " .. support.lua(([[
          local core = require "scion.core"
          print((%s)(%q))]]):format(text, path)))
        assert.equal(0, code, output)
        assert.equal("nil\t" .. path .. ": ", output:sub(1, #path + 6))
        assert.matches("File too large", output, 1, true)
        assert.equal("old", support.slurp(path))
        assert.equal("new" .. ending .. "\n", support.list(folder))
      end
    end)

    it("removes what a killed process left of it, and nothing else", function()
      local dead = dead_process()
      local function temporary(name, process) return ("%s/.%s.scion-%d-0"):format(folder, name .. ending, process) end
      local here = tonumber((support.shell "echo $PPID")) -- this process lives
      local left, living, locked, other = temporary("new", dead), temporary("new", here), temporary("new", dead + 1), temporary("newer", dead)
      for _, name in ipairs { left, living, other } do support.spit(name, "part") end
      local lock <close> = assert(core.lock(locked)) -- another machine's process, which has other numbers
      assert.is_true(write(path))
      assert.same({ false, true, true, true }, { lfs.attributes(left) ~= nil, lfs.attributes(living) ~= nil, lfs.attributes(locked) ~= nil,
                                                 lfs.attributes(other) ~= nil })
      assert.is_true(is_whole(path))
      assert(lock)
    end)

    it("takes a name that leaves no room for another ending", function()
      local name = folder .. "/" .. ("n"):rep(255 - #ending) .. ending
      assert.is_true(write(name))
      assert.is_true(is_whole(name))
    end)
  end)
end

describe("a model", function()
  local folder
  before_each(function() folder = support.folder() end)

  it("that is loaded while another process saves over it is one of those that were saved", function()
    local path, stop = folder .. "/net.safetensors", folder .. "/stop"
    local saver = support.lua(([[
      local scion, nn = require "scion", require "scion.nn"
      local path, stop = %q, %q
      local models = {}
      for i = 1, 2 do
        models[i] = scion.sequential { nn.input(4, 4, 3), nn.conv2d(8 * i, 3, { name = "conv" }), nn.flatten(), nn.dense(2, { name = "out" }) }
        models[i].steps = i
        for _, row in ipairs(models[i]:layers()) do
          for _, t in pairs(row.weights) do t:fill(i) end
        end
      end
      local saves = 0
      repeat
        saves = saves + 1
        models[saves %% 2 + 1]:save(path)
        if saves == 2 then print "saving" io.stdout:flush() end
        local stopped = io.open(stop)
      until stopped or saves == 1e6
      print(saves)]]):format(path, stop))
    local pipe <close> = assert(io.popen(saver))
    local stopping <close> = setmetatable({}, { __close = function() support.spit(stop, "") end }) -- also when an assertion fails
    assert(stopping)
    assert.equal("saving", pipe:read "l")
    local seen = {}
    for _ = 1, 300 do
      local loaded = scion.load(path)
      for _, row in ipairs(loaded:layers()) do
        for _, t in pairs(row.weights) do
          assert.equal(loaded.steps, t:min())
          assert.equal(loaded.steps, t:max())
        end
      end
      seen[loaded.steps] = true
    end
    support.spit(stop, "")
    assert.is_true(tonumber(pipe:read "l") > 2)
    assert.same({ true, true }, seen)
  end)

  it("whose file is replaced between its header and its numbers has the numbers that belong to the header", function()
    local path = folder .. "/net.safetensors"
    assert(safetensors.write(path, { a = support.floats({ 3 }, { 1, 2, 3 }) }, { which = "first" }))
    local arrays <close> = assert(safetensors.arrays(path))
    assert(safetensors.write(path, { b = support.floats({ 1 }, { 7 }), a = support.floats({ 3 }, { 4, 5, 6 }) }, { which = "second" }))
    local room = core.new({ 12 }, "u8")
    assert.equal("first", arrays.metadata.which)
    assert.equal(string.pack("<fff", 1, 2, 3), assert(arrays[1].read(0, 12, room)):bytes())
    local bytes, message = arrays[1].read(1 << 40, 12, room)
    assert.is_nil(bytes)
    assert.matches("net.safetensors: the file has become shorter", message)
  end)
end)
