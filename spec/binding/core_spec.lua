-- Calls of scion.core that no script should make, and that once ended the process or hung it: each is an error in words.
local core = require "scion.core"
local files = dofile "spec/support/files.lua"

local function closed(...)
  local t = core.new(...)
  do local _ <close> = t end
  return t
end

-- A table that says it has 2^61 + 1 entries, and shows one wherever it is asked.
local function endless(entry, length)
  return setmetatable({}, { __len = function() return length or (1 << 61) + 1 end, __index = function() return entry end })
end

-- A plain table whose length Lua itself takes for 2^61 or so: it looks at the powers of two.
local function sparse(entry)
  local t = {}
  for i = 0, 61 do t[1 << i], t[(1 << i) + 1] = entry, entry end
  return t
end

local function refuses(pattern, f, ...)
  local done, message = pcall(f, ...)
  assert.is_false(done)
  assert.equal("string", type(message))
  assert.matches(pattern, message)
  assert.is_nil(message:find("attempt to", 1, true))
end

describe("a closed tensor", function()
  it("is refused wherever one is taken", function()
    local open = core.new { 2 }
    refuses("the tensor was closed", core.run, { "copy", x = closed {}, y = core.new {} })
    refuses("the tensor was closed", core.run, { "copy", x = open, y = closed { 2 } })
    refuses("the tensor was closed", core.from_one, closed({ 2 }, "i32"))
    refuses("the tensor was closed", core.stack, { open, closed { 2 } })
    refuses("the tensor was closed", core.hash, closed { 2 })
    refuses("the tensor was closed", core.loader, { height = 2, width = 2, images = closed({ 1, 2, 2, 3 }, "u8") })
    refuses("the tensor was closed", core.safetensors_write, "never-written", { a = closed { 2 } })
    refuses("the tensor was closed", core.program, { { "activation_forward", x = closed { 2 }, y = open, activation = "relu" } })
    refuses("the tensor was closed", core.place, closed({ 64 }, "u8"), { offset = 0, shape = { 2 }, stride = 2 })
  end)
end)

describe("a list", function()
  it("whose length is its own affair is refused", function()
    for _, length in ipairs { -1, 3, 1 << 61, (1 << 32) + 1, 1 << 62 } do
      local own = "a list with a __len of its own"
      refuses(own, core.stack, endless(core.new { 1 }, length))
      refuses(own, core.loader, { height = 2, width = 2, files = endless("x", length) })
      refuses(own, core.program, endless({ "copy" }, length))
      refuses(own, core.from_one, endless(1, length))
      refuses(own, core.from_table, endless(1, length))
      refuses(own, core.new, endless(1, length))
      refuses(own, core.place, core.new({ 64 }, "u8"), { offset = 0, shape = endless(1, length), stride = 1 })
      refuses(own, core.unpack, core.new({ 64 }, "u8"), "F32", 0, endless(1, length), core.new { 2 })
    end
  end)

  it("that Lua itself takes for endless is refused", function()
    assert.is_true(#sparse(1) > 1 << 60)
    local many = "a list of more than 268435456 entries"
    refuses(many, core.stack, sparse(core.new { 1 }))
    refuses(many, core.loader, { height = 2, width = 2, files = sparse "x" })
    refuses(many, core.program, sparse { "copy" })
    refuses(many, core.from_one, sparse(1))
    refuses(many, core.from_table, sparse(1))
  end)

  it("with a hole is refused at the hole", function()
    refuses("number 2 is not a whole number", core.from_one, { 1, nil, 3 })
    refuses("file 2 of the list is not a string", core.loader, { height = 2, width = 2, files = { "a", nil, "b" } })
    refuses("entry 2 of the list is nil, not a tensor", core.stack, { core.new { 1 }, nil, core.new { 1 } })
  end)
end)

describe("a shape", function()
  it("has a product that can be counted, also where one size is 0", function()
    for _, shape in ipairs { { 1 << 62 }, { 1 << 40, 1 << 40 }, { 1 << 31, 1 << 31, 2 }, { math.maxinteger }, { (1 << 62) + 1, 4 } } do
      refuses("memory", core.new, shape)
      table.insert(shape, 0)
      refuses("has more bytes than memory can address", core.new, shape)
    end
    refuses("without elements has too large sizes", core.new, { 1 << 50, 5, 0 })
    refuses("without elements has too large sizes", core.new({ 0 }).reshape, core.new { 0 }, { 0, 1 << 40 })
    assert.same({ 0, 1 << 26 }, core.new({ 0, 1 << 26 }):shape())
    assert.same({ 1 << 20, 1, 0 }, core.new({ 1 << 20, 1, 0 }):slice(2, 1, 1):shape())
  end)

  it("of more than the machine's memory is refused before the system kills the process", function()
    refuses("out of memory: a tensor of 1099511627776 bytes cannot be had", core.new, { 1 << 40 }, "u8")
  end)
end)

describe("a place", function()
  local arena = core.new({ 256 }, "u8")
  local function place(changes)
    local p = { offset = 0, shape = { 2, 3 }, stride = 3, dtype = "f32" }
    for key, value in pairs(changes) do p[key] = value end
    return core.place(arena, p)
  end

  it("lies in the arena, in arithmetic that does not wrap", function()
    assert.same({ 2, 3 }, place({}):shape())
    assert.same({ 2, 3 }, place({ offset = 256 - 24 }):shape())
    refuses("outside of the arena", place, { offset = 256 - 20 })
    refuses("more bytes than memory can address", place, { shape = { 1 << 62 }, stride = 1 << 62 })
    refuses("more bytes than memory can address", place, { offset = 1 << 62, stride = 1 << 61 })
    refuses("more bytes than memory can address", place, { stride = 1 << 62 })
    refuses("outside of the arena", place, { offset = 1 << 50 })
    refuses("outside of the arena", place, { stride = 1 << 30 })
    refuses("stride of 2 is less than its 3 channels", place, { stride = 2 })
    refuses("offset of 2 bytes is no multiple of 4", place, { offset = 2 })
    refuses("needs 'offset', a whole number", place, { offset = -4 })
    refuses("needs 'offset', a whole number", place, { offset = 0.5 })
    refuses("needs 'stride', a whole number", place, { stride = 0 / 0 })
    refuses("needs a first dimension", place, { shape = {}, batch = true })
    refuses("outside of the arena", core.place, arena:slice(1, 129, 256), { offset = 0, shape = { 1 }, stride = 1 })
  end)

  it("of a batch has room for so many examples", function()
    local p = { offset = 0, shape = { 2, 3 }, stride = 3, batch = true }
    assert.same({ 1, 3 }, core.place(arena, p, 1):shape())
    assert.same({ 0, 3 }, core.place(arena, p, 0):shape())
    refuses("room for 2 examples, not for 3", core.place, arena, p, 3)
    refuses("a number of examples is from 0", core.place, arena, p, -1)
  end)
end)

describe("a program", function()
  local function at(offset, rows) return { offset = offset, shape = { rows or 2, 3 }, stride = 3, batch = true } end
  local function relu(x, y) return core.program { { "activation_forward", x = x, y = y, activation = "relu" } } end

  it("runs as many examples as all its places have room for", function()
    local program, arena = relu(at(0, 3), at(64)), core.new({ 128 }, "u8")
    assert.equal(64 + 24, program:arena_bytes())
    assert.is_true(program:run(arena, 0))
    assert.is_true(program:run(arena, 2))
    for _, examples in ipairs { -1, 3, 1000000, 1 << 62, math.mininteger } do
      refuses("room for 0 to 2 examples, not for " .. ("%d"):format(examples):gsub("%-", "%%-"), program.run, program, arena, examples)
    end
    refuses("counted from 0 up", program.run, program, arena, 1, -1)
    refuses("smaller than the program needs", program.run, program, core.new({ 87 }, "u8"), 1)
    refuses("smaller than the program needs", program.run, program, core.new({ 256 }, "u8"):slice(1, 129, 256), 1)
  end)

  it("computes what core.run does, and says which step failed", function()
    local x = core.from_table { { -1, 2, -3 }, { 4, -5, 6 } }
    local program, arena = relu(x, at(0)), core.new({ 64 }, "u8")
    assert.is_true(program:run(arena, 2))
    assert.same({ { 0, 2, 0 }, { 4, 0, 6 } }, core.place(arena, at(0)):totable())
    refuses("one shape %(step 1, activation_forward%)$", program.run, program, arena, 1)
    assert.equal(1, #program:seconds())
    do local _ <close> = program end
    refuses("the program was closed", program.run, program, arena, 1)
  end)

  it("is refused where a step is no step of its kernel's", function()
    local x = core.new { 2, 3 }
    refuses("unknown operation 'nothing'", core.program, { { "nothing" } })
    refuses("unknown operation 'nil'", core.program, { {} })
    refuses("a step of a program is a table, not a number", core.program, { 3 })
    refuses("activation_forward: operand 'y' is missing", core.program, { { "activation_forward", x = x } })
    refuses("operand 'y' must be a tensor or a place, not number", core.program, { { "activation_forward", x = x, y = 3 } })
    refuses("operand 'y' is u8, not f32 or bf16", core.program, { { "activation_forward", x = x, y = core.new({ 2, 3 }, "u8") } })
    refuses("operand 'y' is i32, not f32 or bf16", relu, x, { offset = 0, shape = { 2, 3 }, stride = 3, dtype = "i32" })
    refuses("no operand or option 'z'", core.program, { { "activation_forward", x = x, y = x, z = x } })
  end)
end)

describe("a kernel", function()
  local x = core.new { 1, 4, 4, 2 }

  it("has options within their range", function()
    local function pool(changes)
      local window = { kernel = { 2, 2 }, stride = { 2, 2 }, dilation = { 1, 1 }, before = { 0, 0 }, after = { 0, 0 } }
      for key, value in pairs(changes) do window[key] = value end
      core.run { "max_pool_forward", x = x, y = core.new { 1, 2, 2, 2 }, window = window }
    end
    pool {}
    pool { stride = { 2.0, 2 } }
    refuses("kernel, stride and dilation are from 1 to 65535, not 0", pool, { stride = { 0, 2 } })
    refuses("'stride' is a pair of whole numbers up to 65535", pool, { stride = { 1 << 32 | 2, 2 } })
    refuses("'before' is a pair of whole numbers", pool, { before = { -1, 0 } })
    refuses("'kernel' is a pair of whole numbers", pool, { kernel = { 2 } })
    refuses("needs 'kernel', a pair such as {2, 3}", pool, { kernel = 2 })
    refuses("a window is a table, not a string", core.run, { "max_pool_forward", x = x, y = x, window = "2x2" })

    local w, g = core.new { 3 }, core.new { 3 }
    refuses("sgd_update: the option 'lr' is %-?nan", core.run, { "sgd_update", w = w, g = g, lr = 0 / 0 })
    refuses("sgd_update: the option 'lr' is inf", core.run, { "sgd_update", w = w, g = g, lr = 1 / 0 })
    refuses("the option 'momentum' is 2, but should be from 0 to 1", core.run, { "sgd_update", w = w, g = g, momentum = 2 })
    refuses("the option 'lr' wants a number, not a table", core.run, { "sgd_update", w = w, g = g, lr = {} })
    refuses("unknown activation 'rel'", core.run, { "activation_forward", x = x, y = x, activation = "rel" })
    refuses("'activation' wants a name, not a boolean", core.run, { "activation_forward", x = x, y = x, activation = true })
    refuses("the option 'top' is 4.29497e%+09, but should be from 0", core.run, { "zero_pad_forward", x = x, y = x, top = 1 << 32 })
    refuses("the option 'seed' is not a whole number", core.run, { "dropout", x = x, y = x, seed = 0.5 })
    refuses("the option 'scale_by' wants a number, not a nil", core.run, { "preprocess", x = x, y = x, scale_by = { 1, 2 } })
  end)

  it("takes no images without pixels where it shares them out", function()
    refuses("both should have pixels", core.run, { "adaptive_average_pool_forward", x = core.new { 5, 17, 15, 2 }, y = core.new { 5, 33, 0, 2 } })
    refuses("both should have pixels", core.run, { "adaptive_average_pool_backward", dx = core.new { 5, 17, 15, 2 }, dy = core.new { 5, 0, 3, 2 } })
  end)

  it("stays within its memory where what it writes lies over its labels", function()
    local arena = core.new({ 4096 }, "u8")
    local function at(offset, dtype, ...) return core.place(arena, { offset = offset, shape = { ... }, stride = select(-1, ...), dtype = dtype }) end
    local scores, labels = at(1024, "f32", 60, 3):fill(5), at(0, "i32", 60)
    core.run { "softmax_cross_entropy", x = scores, labels = labels, probabilities = at(0, "f32", 60, 3), losses = at(2048, "f32", 60) }
    labels:fill(0)
    core.run { "confusion", x = scores, labels = labels, counts = at(4, "i32", 3, 3), support = at(0, "i32", 3) }
  end)

  it("counts rows that are not finite in the support of their class, and in no prediction", function()
    local nan, inf = 0 / 0, 1 / 0
    local scores = core.from_table { { 1, 2, 0 }, { nan, 1, 2 }, { 3, 0, inf }, { 0, 0, 1 } }
    local counts, support = core.new({ 3, 3 }, "i32"), core.new({ 3 }, "i32")
    core.run { "confusion", x = scores, labels = core.from_table({ 1, 0, 1, 2 }, "i32"), counts = counts, support = support }
    assert.same({ { 0, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, counts:totable())
    assert.same({ 1, 2, 1 }, support:totable())
  end)
end)

describe("files", function()
  local folder = files.folder()
  teardown(files.done)

  it("that have no end, or that nobody writes to, are refused at once", function()
    files.shell("mkfifo " .. folder .. "/fifo")
    for _, path in ipairs { "/dev/zero", folder .. "/fifo", folder } do
      for _, name in ipairs { "hash_file", "file_stamp", "safetensors_open", "zip_open", "image_load", "lock", "try_lock" } do
        local result, message = core[name](path)
        assert.is_nil(result, name .. " takes " .. path)
        assert.is_truthy(message:find "regular file" or message:find "Is a directory", message)
      end
      assert.matches("regular file", select(2, core.read_head(path, 8)))
      assert.matches("regular file", select(2, core.read_bytes(path, 0, 8)))
      assert.matches(path == folder and "Is a directory" or "regular file", select(2, core.row_file(path, 16)))
    end
    local scion = require "scion"
    local model = scion.sequential { scion.nn.input(4), scion.nn.dense(2) }
    refuses("fifo: this is a named pipe", require "scion.weights".load, model, folder .. "/fifo")
  end)

  it("that a finalizer closes while room is made for what is read are closed then, and not before", function()
    local path = folder .. "/closing"
    assert(core.safetensors_write(path, { a = core.ones { 2, 3 } }))
    local script = files.spit(folder .. "/closing.lua", [[ -- in a process of its own, whose heap is small: making room soon collects
      local core, path, closed = require "scion.core", ...
      collectgarbage("incremental", 1, 1000, 4)
      for _ = 1, 2000 do
        local file = core.safetensors_open(path)
        do local _ = setmetatable({}, { __gc = function() file:close() end }) end
        local done, message = pcall(file.bytes, file, 0, 8)
        if not done then closed = message break end
      end
      print(closed)]])
    assert.equal("the safetensors file was closed\n", (files.shell(("lua5.4 %s %s"):format(files.quoted(script), files.quoted(path)))))
  end)

  it("show their first bytes", function()
    files.spit(folder .. "/short", "abc")
    assert.equal("ab", core.read_head(folder .. "/short", 2))
    assert.equal("abc", core.read_head(folder .. "/short", 4096))
    refuses("a number of bytes is from 0 to 4096, not 4097", core.read_head, folder .. "/short", 4097)
    assert.matches("No such file", select(2, core.read_head(folder .. "/none", 8)))
  end)

  it("are locked once in a process, and again after that", function()
    local path = folder .. "/lock"
    do
      local lock <close> = core.lock(path)
      assert.is_truthy(lock)
      refuses("this process holds that lock already: close it first", core.lock, path)
      files.shell(("ln -s %s %s/other"):format(path, folder))
      refuses("this process holds that lock already", core.lock, folder .. "/other")
      refuses("this process holds a lock of that file", core.row_file, path, 16)
    end
    local again <close> = core.lock(path)
    assert.is_truthy(again)
  end)

  it("that are there only while they are locked are locked once, whoever asks, and are gone afterwards", function()
    local path, lfs = folder .. "/run.lock", require "lfs"
    local here = lfs.currentdir()
    do
      local lock <close> = core.try_lock(path)
      assert.equal("userdata", type(lock))
      assert.is_false(core.try_lock(path))
      refuses("this process holds that lock already", core.lock, path) -- and does not wait for itself
      refuses("this process holds a lock of that file", core.row_file, path, 16)
      assert.equal(1, select(2, files.shell(("flock -n %s true"):format(path))))
      lfs.chdir(folder)
      lfs.chdir(here)
    end
    assert.is_nil(lfs.attributes(path))
    files.spit(path, "") -- as a killed process leaves it
    do
      local lock <close> = core.try_lock(path)
      assert.is_truthy(lock)
    end
    assert.is_nil(lfs.attributes(path))
    files.spit(path, "somebody's own")
    do
      local lock <close> = core.try_lock(path)
      assert.is_truthy(lock)
    end
    assert.equal("somebody's own", files.slurp(path))
  end)

  it("of HDF5 that are open are not locked", function()
    local path = folder .. "/weights.h5"
    assert(core.hdf5_write(path, { { path = "a", tensor = core.ones { 2 } } }, {}))
    local open <close> = assert(core.hdf5_open(path))
    assert.same({ 2 }, open:shape "a")
    assert.equal(0, select(2, files.shell("timeout 5 flock " .. path .. " true")))
  end)

  it("of rows have keys and rows that are what they seem", function()
    local rows <close> = core.row_file(folder .. "/rows", 16)
    local key = ("x"):rep(16)
    refuses("__len of its own", rows.append, rows, endless(key), endless(core.new { 4 }))
    refuses("a key is a string of 16 bytes, not a number", rows.append, rows, { 1 }, { core.new { 4 } })
    assert.equal(1, rows:append({ key }, { core.ones { 4 } }))
    assert.matches("there is no row 1152921504606846975", select(2, rows:read(1 << 60, key, core.new { 4 })))
    refuses("records count from 1", rows.read, rows, 0, key, core.new { 4 })
  end)
end)

-- Memory for thread-local variables is taken at a thread's first use of one; where there is none, the C library ends the process.
it("scion.core has no thread-local memory", function()
  local elf = files.slurp(package.searchpath("scion.core", package.cpath))
  if elf:sub(1, 5) ~= "\127ELF\2" then return pending "no ELF file of 64 bits" end
  local first = string.unpack("<I8", elf, 33)
  local size, count = string.unpack("<I2I2", elf, 55)
  for i = 0, count - 1 do assert.not_equal(7, (string.unpack("<I4", elf, first + i * size + 1))) end -- 7: PT_TLS
  assert.is_true(count > 3)
end)

it("nn.dense counts the multiply-adds of all leading dimensions", function()
  local dense = require "scion".nn.dense(5)
  assert.equal(3 * 5, dense.macs(dense, { 3 }, { 5 }))
  assert.equal(7 * 3 * 5, dense.macs(dense, { 7, 3 }, { 7, 5 }))
end)

it("core.base64 gives the examples of RFC 4648, and takes any bytes", function()
  local examples = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\0\255\254\250"] = "AP/++g==" }
  for bytes, text in pairs(examples) do assert.equal(text, core.base64(bytes)) end
  assert.equal(400000, #core.base64(("\251"):rep(300000)))
end)
