local core = require "scion.core"
local lfs = require "lfs"
local safetensors = require "scion.weights.safetensors"
local support = dofile "spec/files/support.lua"

describe("HDF5", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  -- read(file, path) -> tensor or nil, message
  local function read(file, path)
    local shape, message = file:shape(path)
    if not shape then return nil, message end
    local tensor = core.new(shape)
    local done, reason = file:read_into(path, tensor)
    return done and tensor, reason
  end

  it("reads what h5py wrote: gzip, shuffle, halves and big-endian doubles", function()
    local expected = assert(safetensors.read(support.fixtures .. "keras.safetensors"))
    for name, prefix in pairs { ["keras.h5"] = "", ["keras_model.h5"] = "model_weights/" } do
      local file <close> = assert(core.hdf5_open(support.fixtures .. name))
      local count = 0
      for key, tensor in pairs(expected) do
        local found = assert(read(file, prefix .. key:gsub(":", "/", 1)))
        assert.same(tensor:shape(), found:shape())
        assert.equal(support.bytes(tensor), support.bytes(found))
        assert.equal(1, found:version())
        count = count + 1
      end
      assert.equal(9, count)
    end
  end)

  it("reads large datasets in pieces: as they are and in chunks, whatever their first dimensions", function()
    local file <close> = assert(core.hdf5_open(support.fixtures .. "pieces.h5"))
    local plain, tensors = folder .. "/plain.h5", {}
    for _, path in ipairs { "5x3x50x400", "1x1x700x401", "270001" } do
      local tensor = assert(read(file, path))
      local turn = {}
      for i = 0, 250 do turn[i + 1] = string.pack("<f", i) end
      local n, shape = 1, tensor:shape()
      for _, size in ipairs(shape) do n = n * size end
      assert.is_true(support.bytes(tensor) == table.concat(turn):rep(n // 251 + 1):sub(1, 4 * n), path)
      tensors[#tensors + 1] = { path = path, tensor = tensor }
    end
    assert(core.hdf5_write(plain, tensors, {}, {}))
    local written <close> = assert(core.hdf5_open(plain))
    for _, each in ipairs(tensors) do assert.is_true(support.bytes(assert(read(written, each.path))) == support.bytes(each.tensor), each.path) end
  end)

  it("reads attributes of strings", function()
    local file <close> = assert(core.hdf5_open(support.fixtures .. "hostile.h5"))
    assert.same({ "ab", "abcd" }, file:attribute("/", "padded"))
    assert.same({ "Zoë", "" }, file:attribute("/", "utf8"))
    assert.equal("one string", file:attribute("/", "one"))
    assert.same({}, file:attribute("/", "none"))
    for name, pattern in pairs { number = "number holds no strings", missing = "/ has no attribute missing" } do
      local value, message = file:attribute("/", name)
      assert.is_nil(value)
      assert.matches("hostile.h5: .*" .. pattern, message)
    end
    local other <close> = assert(core.hdf5_open(support.fixtures .. "keras.h5"))
    assert.same({ "conv2d_1", "block/norm_1", "dropout_1", "depthwise", "dense_1" }, other:attribute("/", "layer_names"))
    assert.same({}, other:attribute("dropout_1", "weight_names"))
    assert.equal("tensorflow", other:attribute("/", "backend"))
  end)

  it("says what is there", function()
    local file <close> = assert(core.hdf5_open(support.fixtures .. "hostile.h5"))
    for _, path in ipairs { "/", "fine", "/fine", "group", "group/inner", "/group//inner" } do assert.is_true(file:has(path)) end
    for _, path in ipairs { "", "no", "no/inner", "group/no", "fine/inner" } do assert.is_false(file:has(path)) end
    assert.is_true(file:has("/", "one"))
    assert.is_false(file:has("/", "two"))
    assert.is_false(file:has("no", "one"))
    assert.same({ 2, 3 }, file:shape "fine")
    assert.same({}, file:shape "scalar")
    assert.equal(string.pack("<f", 2.5), support.bytes(assert(read(file, "scalar"))))
  end)

  it("refuses data sets of which chunks were never written, in whose place the library gives zeros", function()
    local path = support.fixtures .. "chunks.h5"
    local file <close> = assert(core.hdf5_open(path))
    for _, name in ipairs { "plain", "packed" } do
      assert(read(file, name))
      assert.same({ nil, path .. (": %s_in_part holds fewer numbers than its shape says"):format(name) }, { read(file, name .. "_in_part") })
    end
  end)

  it("refuses each kind of object that it does not follow, by name", function()
    local file <close> = assert(core.hdf5_open(support.fixtures .. "hostile.h5"))
    local open = file:open_ids()
    assert(file:shape "fine")
    for path, pattern in pairs {
      soft = "soft or an external link", ["soft_group/inner"] = "soft_group is a soft", elsewhere = "external link",
      lzf = "lzf is stored under the filter lzf, number 32000, .*; in Python, with f = h5py.File%(path, 'a'%): x = f%['lzf'%]%[%(%)%]; del f%['lzf'%]; f%['lzf'%] = x$",
      fletcher32 = "under the filter fletcher32, and only gzip and shuffle are read; 'h5repack %-f NONE old.h5 new.h5' writes it without$",
      scaled = "under the filter scaleoffset, ", text = "floating%-point",
      references = "floating%-point", complex = "floating%-point.*; in Python, .*x = f%['complex'%]%[%(%)%]%.real%.astype%('float32'%)",
      seven = "7 dimensions", nothing = "nothing is empty",
      unwritten = "fewer numbers than its shape",
      external = "in another file", huge_chunks = "chunks that are too large", virtual = "virtual dataset", group = "not a dataset",
      missing = "no object 'missing'", ["fine/x"] = "no object", [""] = "no object", [("x"):rep(5000)] = "too long",
    } do
      local shape, message = file:shape(path)
      assert.is_nil(shape)
      assert.equal(support.fixtures .. "hostile.h5: ", message:sub(1, #support.fixtures + 12))
      assert.matches(pattern, message)
      local tensor = core.new { 2, 3 }
      assert.is_nil((file:read_into(path, tensor)))
      assert.equal(("\0"):rep(24), support.bytes(tensor))
      assert.equal(open, file:open_ids())
    end
    assert.is_nil((file:has "soft"))
    assert.is_nil((file:attribute("soft_group", "x")))
  end)

  it("reads whole numbers, and says that they are; bfloat16 as numbers; and lists what a group holds", function()
    local file <close> = assert(core.hdf5_open "spec/fixtures/weights/state.h5")
    local _, _, whole = file:shape "count"
    assert.is_true(whole)
    assert.equal(string.pack("<f", -3), support.bytes(assert(read(file, "count"))))
    _, _, whole = file:shape "brain"
    assert.is_false(whole)
    assert.equal(string.pack("<ffff", 1, -2.5, 0, math.huge), support.bytes(assert(read(file, "brain"))))
    local names = file:members "/"
    table.sort(names)
    assert.same({ "brain", "bytes", "count", "group" }, names)
    assert.same({ "inner" }, file:members "group")
    for path, pattern in pairs { bytes = "neither floating%-point numbers", ["group/inner/none"] = "no object" } do
      local shape, message = file:shape(path)
      assert.is_nil(shape)
      assert.matches(pattern, message)
    end
    local members, message = file:members "count"
    assert.is_nil(members)
    assert.matches("state.h5: count is not a group", message, 1, true)
  end)

  it("reads into f32 tensors of the same shape alone", function()
    local file <close> = assert(core.hdf5_open(support.fixtures .. "hostile.h5"))
    for _, shape in ipairs { { 3, 2 }, { 6 }, { 2, 3, 1 }, {} } do
      local tensor = core.new(shape)
      local done, message = file:read_into("fine", tensor)
      assert.is_nil(done)
      assert.matches("fine is 2x3, expected " .. (#shape > 0 and table.concat(shape, "x") or "scalar"), message)
    end
    assert.has_error(function() file:read_into("fine", core.new({ 2, 3 }, "i32")) end,
      support.fixtures .. "hostile.h5: weights are read into contiguous f32 tensors")
    assert.has_error(function() file:read_into("fine", {}) end)
    assert.has_error(function() file:shape "a\0b" end)
  end)

  it("says what is wrong with the path", function()
    for name, pattern in pairs {
      ["none.h5"] = "No such file", [folder] = "not a regular file", ["/dev/null"] = "not a regular file",
      [support.fixtures .. "make.py"] = "not an HDF5 file", [support.spit(folder .. "/empty", "")] = "not an HDF5 file",
    } do
      local file, message = core.hdf5_open(name)
      assert.is_nil(file)
      assert.equal(name .. ": ", message:sub(1, #name + 2))
      assert.matches(pattern, message)
    end
  end)

  it("refuses a truncated file, whatever is left of it", function()
    local whole, path = support.slurp(support.fixtures .. "keras.h5"), folder .. "/cut.h5"
    for length = 0, #whole - 1, 257 do
      local file, message = core.hdf5_open(support.spit(path, whole:sub(1, length)))
      assert.is_nil(file)
      assert.matches("cut.h5: ", message)
    end
    local _, message = core.hdf5_open(support.spit(path, whole:sub(1, -2)))
    assert.matches(("cut.h5: truncated: 1 of its %d bytes are missing; download or copy it again"):format(#whole), message, 1, true)
    assert(core.hdf5_open(support.spit(path, whole))):close()
  end)

  it("reports damage inside a compressed dataset", function()
    local whole, path = support.slurp(support.fixtures .. "keras.h5"), folder .. "/damaged.h5"
    local at = assert(whole:find("\x78[\x01\x5e\x9c\xda]")) -- how a zlib stream begins
    support.spit(path, whole:sub(1, at + 3) .. ("\xff"):rep(20) .. whole:sub(at + 24))
    local file <close> = assert(core.hdf5_open(path))
    local failures = 0
    for _, name in ipairs { "conv2d_1/conv2d_1/kernel:0", "depthwise/depthwise/depthwise_kernel:0" } do
      local tensor, message = read(file, name)
      if not tensor then
        failures = failures + 1
        assert.matches("damaged.h5: damaged: the dataset .*kernel:0 cannot be read %(.*%); download or copy it again$", message)
      end
    end
    assert.equal(1, failures)
  end)

  it("closes once or often, and is not used afterwards", function()
    local file = assert(core.hdf5_open(support.fixtures .. "keras.h5"))
    file:close()
    file:close()
    assert.has_error(function() file:has "/" end, "the HDF5 file was closed")
    do local inner <close> = core.hdf5_open(support.fixtures .. "keras.h5") file = inner end
    assert.has_error(function() file:shape "/" end, "the HDF5 file was closed")
    core.hdf5_open(support.fixtures .. "keras.h5")
    collectgarbage()
    collectgarbage()
  end)

  it("keeps no memory", function()
    local growth = support.growth([[
      local core = require "scion.core"
      function again(times)
        for _ = 1, times do
          local file <close> = assert(core.hdf5_open "spec/fixtures/files/hostile.h5")
          for _ = 1, 3 do
            for _, path in ipairs { "fine", "lzf", "virtual", "external", "soft", "nothing", "text", "huge_chunks", "seven" } do
              file:shape(path)
            end
            for _, name in ipairs { "padded", "number", "one", "utf8", "none", "missing" } do file:attribute("/", name) end
            assert(file:read_into("fine", core.new(file:shape "fine")))
            file:has("/", "one")
          end
        end
      end]], 5, 40)
    assert.is_true(not growth or growth < 500, growth)
  end)

  -- The whole of a file as Keras's reader would ask for it; whatever comes back is an answer.
  local function visit(path)
    local file <close>, message = core.hdf5_open(path)
    if not file then return message end
    for _, name in ipairs { "layer_names", "backend", "weight_names" } do file:attribute("/", name) end
    for _, name in ipairs { "conv2d_1/conv2d_1/kernel:0", "block/norm_1/block/norm_1/beta:0", "depthwise/depthwise/depthwise_kernel:0",
                            "dense_1/uniform1" } do
      local tensor, reason = read(file, name)
      message = tensor and message or reason
    end
    return message
  end

  it("outlives what breaks the library: bytes changed anywhere", function()
    local whole, path = support.slurp(support.fixtures .. "keras.h5"), folder .. "/flipped.h5"
    local seed = os.time()
    math.randomseed(seed)
    local refused, broken = 0, 0
    for _ = 1, 150 do
      local bytes = { whole:byte(1, -1) }
      for _ = 1, math.random(1, 6) do bytes[math.random(#bytes)] = math.random(0, 255) end
      local parts = {}
      for i = 1, #bytes, 4096 do parts[#parts + 1] = string.char(table.unpack(bytes, i, math.min(i + 4095, #bytes))) end
      local message = visit(support.spit(path, table.concat(parts)))
      if message then
        assert.equal(path .. ": ", message:sub(1, #path + 2))
        refused = refused + 1
        broken = broken + (message:find("broke down", 1, true) and 1 or 0)
      end
    end
    print(("\nchanged bytes, seed %d: 150 files, %d refused, %d broke the library"):format(seed, refused, broken))
    assert.is_true(refused > 0)
  end)

  -- The process that has the file open, of which there is one at a time.
  local function reader()
    local list = support.shell "cut -d ' ' -f 1 /proc/$PPID/task/$PPID/children" -- of this process; the shell itself comes later
    return assert(tonumber(list:match "%d+"))
  end

  it("says so when its process is killed, and leaves none behind", function()
    local file <close> = assert(core.hdf5_open(support.fixtures .. "keras.h5"))
    local process = reader()
    os.execute("kill -SEGV " .. process)
    local shape, message = file:shape "conv2d_1/conv2d_1/kernel:0"
    assert.is_nil(shape)
    assert.equal(support.fixtures .. "keras.h5: damaged: the HDF5 library broke down over it", message)
    assert.is_nil((file:has "/"))
    assert.is_nil(lfs.attributes("/proc/" .. process))
  end)

  it("reads in a program of its own, which Ctrl-C does not end and which ends with the file", function()
    local process
    do
      local file <close> = assert(core.hdf5_open(support.fixtures .. "keras.h5"))
      process = reader()
      assert.matches("/scion/hdf5_process\n$", (support.shell(("readlink /proc/%d/exe"):format(process))))
      assert.is_nil(support.slurp("/proc/" .. process .. "/maps"):find("core.so", 1, true))
      assert.is_nil(support.slurp "/proc/self/maps":find("libhdf5", 1, true))
      os.execute("kill -INT " .. process)
      assert.is_true(file:has "/")
      assert.equal(process, reader())
    end
    assert.is_nil(lfs.attributes("/proc/" .. process))
  end)

  it("finds that program wherever the process goes, and says so where there is none", function()
    local build = assert(package.searchpath("scion.core", package.cpath)):match "^(.*)/scion/core.so$"
    local script = ([[
      package.cpath = %%q
      local core, lfs = require "scion.core", require "lfs"
      lfs.chdir "/"
      local file, message = core.hdf5_open(%%q)
      print(file and file:has "/", message)]]):gsub("%%%%", "%%")
    local here = support.shell "pwd":gsub("\n", "")
    local path = here .. "/" .. support.fixtures .. "keras.h5"
    assert.equal("true\tnil\n", (support.shell(support.lua(script:format(build .. "/?.so;" .. package.cpath, path)))))
    assert(os.execute(("mkdir %s/scion && cp %s/scion/core.so %s/scion"):format(folder, build, folder)))
    local output = support.shell(support.lua(script:format(folder .. "/?.so;" .. package.cpath, path)))
    assert.equal(("nil\t%s: the program that reads and writes HDF5, %s/scion/hdf5_process, cannot be started: No such file or directory; "
      .. "install Scion anew\n"):format(path, folder), output)
  end)

  it("ends what the library does without end", function()
    -- The heap of strings is a list of objects with their sizes; at one of size 0 the library goes on forever.
    local whole, path = support.slurp(support.fixtures .. "keras_model.h5"), folder .. "/endless.h5"
    local heap = assert(whole:find "GCOL")
    local size = string.unpack("<I8", whole, heap + 24) -- of the first object, without its head of 16 bytes
    local second = heap + 16 + 16 + (size + 7) // 8 * 8
    support.spit(path, whole:sub(1, second - 1) .. ("\0"):rep(16) .. whole:sub(second + 16))
    local file <close> = assert(core.hdf5_open(path))
    local text, message = file:attribute("/", "model_config")
    assert.is_nil(text)
    assert.equal(("%s: damaged: it makes the HDF5 library work for more than 2 s, too long for its %d bytes"):format(path, #whole), message)
    assert.same({ n = 2, nil, message }, table.pack(file:has "/")) -- the reason stays
  end)

  it("ends what takes more memory than a file of its size may", function()
    if not support.resident() then return print "\nskipped: AddressSanitizer needs terabytes, so that memory has no limit here" end
    local path = support.fixtures .. "heap.h5"
    local file <close> = assert(core.hdf5_open(path))
    assert.equal(60000, #file:attribute("/", "long")[1])
    local list, message = file:attribute("/", "many")
    assert.is_nil(list)
    local text = "%s: damaged, or out of memory: it makes the HDF5 library take more than 64 MB, too much for its %d bytes, or more than this machine has"
    assert.equal(text:format(path, #support.slurp(path)), message)
  end)

  it("answers no more questions than a file of its size can give rise to", function()
    local path = support.fixtures .. "keras.h5"
    local file <close> = assert(core.hdf5_open(path))
    local bytes, asked = #support.slurp(path), 1
    local found, message
    repeat
      asked = asked + 1
      found, message = file:has "dense_1"
    until not found
    assert.equal(5000 + bytes // 32, asked - 1)
    assert.equal(("%s: damaged: it lists more than its %d bytes can hold"):format(path, bytes), message)
  end)

  it("answers no more than 45000 questions, however large the file is", function()
    local path = folder .. "/sparse.h5"
    support.spit(path, support.slurp(support.fixtures .. "keras.h5"))
    local grown <close> = assert(io.open(path, "r+b"))
    grown:seek("set", 300 << 20)
    grown:write "\0"
    grown:flush()
    local file <close> = assert(core.hdf5_open(path))
    local asked, found, message = 1
    repeat
      asked = asked + 1
      found, message = file:has "dense_1"
    until not found
    assert.equal(45000, asked - 1)
    assert.equal(("%s: damaged: it lists more than its %d bytes can hold"):format(path, (300 << 20) + 1), message)
  end)

  it("reads what a limit on the size of files allows it to share, and says so of the rest", function()
    local output = support.shell("ulimit -f 100; " .. support.lua [[
      local core = require "scion.core"
      local file <close> = assert(core.hdf5_open "spec/fixtures/files/hostile.h5")
      print(file:read_into("fine", core.new { 2, 3 }))
      local bomb <close> = assert(core.hdf5_open "spec/fixtures/files/bomb.h5")
      print(bomb:read_into("zeros", core.new { 10, 1024, 1024 }))]])
    assert.equal("true\nnil\tspec/fixtures/files/bomb.h5: zeros takes 41943040 bytes of memory that the limit on the size of files does not allow; "
      .. "raise it (ulimit -f)\n", output)
  end)

  it("reads no more than twice the file's size and 64 MB of it", function()
    local path = support.fixtures .. "bomb.h5"
    local file <close> = assert(core.hdf5_open(path))
    assert(read(file, "zeros")) -- 40 MB, and then no more of that
    local tensor, message = read(file, "zeros")
    assert.is_nil(tensor)
    assert.equal(path .. ": what is read would take more than twice the file's size, at zeros", message)
    tensor, message = read(file, "unwritten")
    assert.is_nil(tensor)
    assert.equal(path .. ": unwritten holds fewer numbers than its shape says", message)
  end)
end)
