local core = require "scion.core"
local safetensors = require "scion.weights.safetensors"
local support = dofile "spec/files/support.lua"
local pack, spit, slurp = support.pack, support.spit, support.slurp

local PYTHON = os.getenv "PYTHON" or "python3"

describe("safetensors", function()
  local folder, path
  setup(function()
    folder = support.folder()
    path = folder .. "/x.safetensors"
  end)
  teardown(support.done)

  local function refused(pattern, bytes)
    local file, message = core.safetensors_open(spit(path, bytes))
    assert.is_nil(file)
    assert.equal(path, message:sub(1, #path))
    assert.matches(pattern, message)
  end

  describe("from Python", function()
    local file
    before_each(function() file = assert(core.safetensors_open(support.fixtures .. "python.safetensors")) end)
    after_each(function() file:close() end)

    it("lists tensors and metadata", function()
      local tensors, metadata = file:header()
      for name, entry in pairs(tensors) do
        local bytes = (core.element_size(entry.dtype) or 0)
        for _, size in ipairs(entry.shape) do bytes = bytes * size end
        local raw = core.read_bytes(support.fixtures .. "python.safetensors", entry.place, bytes):bytes()
        if entry.dtype == "F32" and #entry.shape <= 6 then assert.equal(support.bytes(assert(file:read(name))):sub(1, bytes), raw) end
        entry.place = nil
      end
      assert.same({ dtype = "F32", shape = { 2, 3, 4 } }, tensors.f32)
      assert.same({ dtype = "BF16", shape = { 2, 3 } }, tensors.bf16)
      assert.same({ dtype = "F32", shape = {} }, tensors.scalar)
      assert.same({ dtype = "F32", shape = { 0, 5 } }, tensors.empty)
      assert.same({ dtype = "I64", shape = { 3 } }, tensors.i64)
      assert.same({ dtype = "F32", shape = { 1 } }, tensors["näme \"quoted\"/x"])
      assert.same({ format = "np", text = "Zoë\n\"quoted\"", zero = "a\0b" }, metadata)
    end)

    it("reads each dtype, converted as numpy does it", function()
      for _, name in ipairs { "f16", "f64" } do
        local tensor = assert(file:read(name))
        assert.equal("f32", tensor:dtype())
        assert.equal(support.bytes(assert(file:read(name .. ".f32"))), support.bytes(tensor))
      end
      local brain = assert(file:read "bf16")
      assert.equal("bf16", brain:dtype())
      local wide = core.new { 2, 3 }
      assert(file:read_into("bf16", wide))
      assert.equal(support.bytes(file:read "bf16.f32"), support.bytes(wide))
      assert.equal(string.pack("<i4i4i4i4", -2 ^ 31 | 0, 2 ^ 31 - 1 | 0, 0, -1), support.bytes(file:read "i32"))
      local all = {}
      for i = 0, 255 do all[i + 1] = string.char(i) end
      assert.equal(table.concat(all), support.bytes(file:read "u8"))
      assert.equal("", support.bytes(file:read "empty"))
      assert.equal(string.pack("<f", 7.5), support.bytes(file:read "scalar"))
      assert.same({}, file:read "scalar":shape())
    end)

    it("refuses by name what it cannot read", function()
      for name, pattern in pairs { i64 = "'i64' has dtype I64", bool = "'bool' has dtype BOOL", seven = "7 dimensions", no = "no tensor 'no'" } do
        local tensor, message = file:read(name)
        assert.is_nil(tensor)
        assert.matches(pattern, message)
        assert.is_nil((file:read_into(name, core.new { 3 })))
      end
      local tensors, message = safetensors.read(support.fixtures .. "python.safetensors")
      assert.is_nil(tensors)
      assert.matches("python.safetensors: tensor '", message)
    end)

    it("reads into tensors of the same shape alone", function()
      local tensor = core.new { 4, 3, 2 }
      local before = tensor:version()
      local done, message = file:read_into("f32", tensor)
      assert.is_nil(done)
      assert.matches("'f32' is 2x3x4, expected 4x3x2", message)
      assert.equal(("\0"):rep(96), support.bytes(tensor))
      local fitting = core.new { 2, 3, 4 }
      assert.is_true(file:read_into("f32", fitting))
      assert.equal(support.bytes(file:read "f32"), support.bytes(fitting))
      assert.is_true(fitting:version() > before)
      done, message = file:read_into("f32", core.new({ 2, 3, 4 }, "u8"))
      assert.is_nil(done)
      assert.matches("F32, which cannot be read into u8", message)
    end)

    it("is refused at every length but its own", function()
      local whole = slurp(support.fixtures .. "python.safetensors")
      assert(core.safetensors_open(spit(path, whole))):close()
      for length = 0, #whole - 1 do refused("", whole:sub(1, length)) end
      refused((": truncated: 1 of its %d bytes are missing; download or copy it again"):format(#whole), whole:sub(1, -2))
      refused("goes on after its last tensor", whole .. "\0")
    end)

    it("closes once or often, and is not used afterwards", function()
      file:close()
      file:close()
      assert.has_error(function() file:header() end, "the safetensors file was closed")
      do local inner <close> = core.safetensors_open(support.fixtures .. "python.safetensors") file = inner end
      assert.has_error(function() file:read "f32" end, "the safetensors file was closed")
    end)
  end)

  describe("headers", function()
    local function entry(dtype, shape, from, to, more)
      local list = #shape > 0 and shape or setmetatable({}, core.json_array)
      local e = { dtype = dtype, shape = list, data_offsets = { from, to } }
      for key, value in pairs(more or {}) do e[key] = value end
      return e
    end
    local eight = ("x"):rep(8)

    it("that keep the rules are read", function()
      local fine = {
        pack({ a = entry("F32", { 2 }, 0, 8) }, eight), pack("{}"), pack("{}   "), pack('{"__metadata__":null}'),
        pack({ a = entry("F32", {}, 0, 4), b = entry("U8", { 2, 2 }, 4, 8) }, eight),
        pack({ a = entry("F32", { 0, 9 }, 0, 0), b = entry("F64", {}, 0, 8), c = entry("I8", { 0 }, 8, 8) }, eight),
        pack({ a = entry("F4", { 4, 4 }, 0, 8) }, eight), pack({ a = entry("F64", { 1 }, 0, 8, { more = "unknown" }) }, eight),
      }
      for _, bytes in ipairs(fine) do assert(core.safetensors_open(spit(path, bytes))):close() end
    end)

    it("of the wrong length are refused", function()
      refused("too short", "")
      refused("too short", "\2\0\0\0\0\0\0")
      refused("beyond its end", string.pack("<I8", 3) .. "{}")
      refused("longer than 100,000,000", string.pack("<I8", 100000001) .. "{}")
      refused("longer than 100,000,000", string.pack("<i8", -1) .. "{}")
      refused("is not valid", string.pack("<I8", 0))
      local file = assert(io.open(path, "wb")) -- long enough for its header, and sparse
      file:write(string.pack("<I8", 100000001), "{")
      file:seek("set", 100000100)
      file:write "}"
      file:close()
      local _, message = core.safetensors_open(path)
      assert.matches("longer than 100,000,000", message)
    end)

    it("that are no JSON objects are refused", function()
      refused("is no object", pack "[]")
      refused("a size is %-0", pack "{\"a\":{\"dtype\":\"U8\",\"shape\":[0, -0],\"data_offsets\":[0,0]}}")
      refused("a zero byte", pack("{\"a\":{\"dtype\":\"U8\",\"shape\":[1\0],\"data_offsets\":[0,1]}}", "x"))
      refused("not valid", pack "{")
      refused("not valid", pack "{}\0\0")
      refused("not valid", pack '{"\xff":1}')
      refused("duplicate", pack('{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}', eight))
      refused("duplicate", pack('{"a":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]}}', eight))
    end)

    it("with broken metadata are refused", function()
      refused("__metadata__ is no object", pack '{"__metadata__":[]}')
      refused("__metadata__ 'a' is no string", pack '{"__metadata__":{"a":1}}')
      refused("duplicate", pack '{"__metadata__":{"a":"1","a":"2"}}')
    end)

    it("with broken entries are refused, by the tensor's name", function()
      local huge = math.maxinteger
      for pattern, e in pairs {
        ["'t' has no dtype"] = 1, ["'t' has no dtype "] = entry(nil, { 8 }, 0, 8), ["'t' has a dtype that"] = entry("F31", { 8 }, 0, 8),
        ["has no valid data_offsets"] = entry("U8", { 8 }, 0), ["has no valid data_offsets "] = entry("U8", { 8 }, 8, 0),
        ["has no valid data_offsets  "] = entry("U8", { 8 }, -8, 0), ["has no valid data_offsets   "] = entry("U8", { 8 }, 0.0, 8.0),
        ["has no shape"] = { dtype = "U8", data_offsets = { 0, 8 } }, ["no whole number"] = entry("U8", { -8, -1 }, 0, 8),
        ["no whole number "] = entry("U8", { 8.0 }, 0, 8), ["shape and dtype do not fill"] = entry("F32", { 1 }, 0, 8),
        ["shape and dtype do not fill "] = entry("F4", { 17 }, 0, 8), ["larger than any file"] = entry("U8", { huge, huge }, 0, 8),
        ["larger than any file "] = entry("U8", { huge, 3, 0 }, 0, 0), ["larger than any file  "] = entry("F32", { huge }, 0, 8),
        ["truncated"] = entry("U8", { 16 }, 0, 16), ["truncated "] = entry("U8", { huge // 8 }, 0, huge // 8),
        ["leaves a hole"] = entry("U8", { 4 }, 4, 8), ["goes on after"] = entry("U8", { 4 }, 0, 4),
      } do
        refused((pattern:gsub("%s+$", "")), pack({ t = e }, eight))
      end
    end)

    it("with ranges that overlap or leave holes are refused", function()
      refused("'b' overlaps", pack({ a = entry("U8", { 5 }, 0, 5), b = entry("U8", { 4 }, 4, 8) }, eight))
      refused("'b' overlaps", pack({ a = entry("U8", { 8 }, 0, 8), b = entry("U8", { 8 }, 0, 8) }, eight))
      refused("'b' leaves a hole", pack({ a = entry("U8", { 3 }, 0, 3), b = entry("U8", { 4 }, 4, 8) }, eight))
      refused("'a' overlaps", pack({ a = entry("U8", { 0 }, 1, 1), b = entry("U8", { 8 }, 0, 8) }, eight))
    end)
  end)

  describe("reading", function()
    it("says what is wrong with the path", function()
      for name, pattern in pairs { [folder .. "/none"] = "No such file", [folder] = "not a regular file", ["/dev/null"] = "not a regular file" } do
        local file, message = core.safetensors_open(name)
        assert.is_nil(file)
        assert.equal(name .. ": ", message:sub(1, #name + 2))
        assert.matches(pattern, message)
      end
      assert.has_error(function() core.safetensors_open "a\0b" end)
    end)

    it("notices a file that becomes shorter", function()
      assert(core.safetensors_write(path, { x = core.new { 100000 } }))
      local bytes = slurp(path)
      local file <close> = assert(core.safetensors_open(path))
      assert(file:read "x")
      spit(path, bytes:sub(1, 200000))
      local tensor, message = file:read "x"
      assert.is_nil(tensor)
      assert.matches("x.safetensors: the file has become shorter", message)
    end)

    it("frees what it read when it fails", function()
      collectgarbage()
      collectgarbage()
      local before, file = core.live_bytes(), assert(core.safetensors_open(support.fixtures .. "python.safetensors"))
      for _ = 1, 100 do file:read "i64" end
      file:close()
      collectgarbage()
      collectgarbage()
      assert.equal(before, core.live_bytes())
    end)
  end)

  describe("writing", function()
    local function numbers() return support.floats({ 2, 2 }, { 1, -2, 0.5, 1e30 }) end

    it("comes back as it went, also written a second time", function()
      local tensors = {
        a = numbers(), ["ü/\"x\""] = support.tensor("u8", { 3 }, "abc"), b = support.tensor("bf16", { 2, 1 }, "\x80\x3f\0\0"),
        c = support.tensor("i32", {}, "\1\2\3\4"), none = core.new { 0, 3 },
      }
      local metadata = { z = "Zoë\0\n", a = "" }
      assert.is_true(safetensors.write(path, tensors, metadata))
      local back, said = safetensors.read(path)
      assert.same(metadata, said)
      for name, tensor in pairs(tensors) do
        assert.equal(tensor:dtype(), back[name]:dtype())
        assert.same(tensor:shape(), back[name]:shape())
        assert.equal(support.bytes(tensor), support.bytes(back[name]))
        back[name] = nil
      end
      assert.is_nil(next(back))
      local first = slurp(path)
      assert.is_true(safetensors.write(path, safetensors.read(path), said))
      assert.equal(first, slurp(path))
    end)

    it("lays out the bytes that the format asks for", function()
      local word, bytes = support.tensor("i32", { 1 }, "WXYZ"), support.tensor("u8", { 2 }, "uv")
      assert(safetensors.write(path, { { name = "z", tensor = bytes }, { name = "y", tensor = word }, { name = "a", tensor = word } }, { k = "v" }))
      local header = '{"__metadata__":{"k":"v"},"y":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},' ..
        '"a":{"dtype":"I32","shape":[1],"data_offsets":[4,8]},"z":{"dtype":"U8","shape":[2],"data_offsets":[8,10]}}'
      header = header .. (" "):rep(-#header % 8)
      assert.equal(string.pack("<s8", header) .. "WXYZWXYZuv", slurp(path))
      for i = 1, 9 do
        assert(safetensors.write(path, { [("n"):rep(i)] = word }))
        assert.equal(0, string.unpack("<I8", slurp(path)) % 8)
      end
    end)

    it("is made larger by zeros where its metadata or names ask for more memory than its size allows", function()
      assert(safetensors.write(path, { a = numbers() }, { k = ("v"):rep(70000) }, (64 << 20) + 100000))
      local bytes = slurp(path)
      local length = string.unpack("<I8", bytes)
      assert.equal(("\0"):rep(50000 - 16), bytes:sub(8 + length + 16 + 1)) -- half of what is too much, less the four numbers
      local back, said = safetensors.read(path)
      assert.equal(("v"):rep(70000), said.k)
      assert.equal(support.bytes(numbers()), support.bytes(back.a))
      assert.is_nil(next(back, next(back))) -- none but a
      assert.matches("1024 bytes of memory for each byte of the metadata", select(2, pcall(safetensors.write, path, { a = numbers() }, { k = "v" }, 1 << 53)), 1, true)
      assert.equal(bytes, slurp(path))
      local many, none = {}, core.new { 0 }
      for i = 1, 20000 do many[i] = { name = ("n%d"):format(i), tensor = none } end
      assert(safetensors.write(path, many))
      assert.equal("F32", assert(core.safetensors_open(path)):header().n20000.dtype)
      assert.is_true(#slurp(path) > 3e6)
    end)

    it("opens in Python's library", function()
      local _, missing = support.shell(PYTHON .. " -c 'import safetensors.numpy'")
      if missing ~= 0 then
        print("\nskipped: " .. PYTHON .. " has no safetensors; PYTHON names another one")
        return pending "no safetensors in Python"
      end
      local tensors = { a = numbers(), u = support.tensor("u8", { 3 }, "abc"), s = support.floats({}, { 2.5 }) }
      assert(safetensors.write(path, tensors, { k = "Zoë", long = ("v"):rep(70000) }, (64 << 20) + 100000))
      local output = support.shell(PYTHON .. [[ -c '
import sys, safetensors
with safetensors.safe_open(sys.argv[1], "np") as f:
    print(sorted(f.keys()), f.metadata()["k"], f.get_tensor("scion.padding").any(), f.get_tensor("a").tolist(), f.get_tensor("u").tolist(), f.get_tensor("s"))
' ]] .. path)
      assert.equal("['a', 's', 'scion.padding', 'u'] Zoë False [[1.0, -2.0], [0.5, 1.0000000150474662e+30]] [97, 98, 99] 2.5\n", output)
    end)

    it("judges mutated files as Python's library does", function()
      local _, missing = support.shell(PYTHON .. " -c 'import safetensors'")
      if missing ~= 0 then return pending "no safetensors in Python" end
      local output, code = support.shell(PYTHON .. " spec/peers/safetensors_fuzz.py 2000")
      assert.equal(0, code, output)
      assert.matches("2000 files, [1-9]%d+ accepted by the reference.* 0 judged differently", output)
    end)

    it("raises on misuse, and writes nothing", function()
      os.remove(path)
      local t = numbers()
      for pattern, arguments in pairs {
        ["two tensors are named 'a'"] = { { { name = "a", tensor = t }, { name = "a", tensor = t } } }, ["'a' is a number"] = { { a = 1 } },
        ["not UTF%-8"] = { { ["\xff"] = t } }, ["__metadata__"] = { { __metadata__ = t } },
        ["named scion.padding"] = { { ["scion.padding"] = t } }, ["without zeros"] = { { ["a\0b"] = t } },
        ["name must be a string"] = { { { tensor = t } } }, ["expected a list"] = { { { name = "a", tensor = t }, b = t } },
        ["metadata are strings"] = { { a = t }, { k = 1 } }, ["metadata 'k' is not UTF%-8"] = { { a = t }, { k = "\xff" } },
        ["table expected"] = {},
      } do
        local ok, message = pcall(core.safetensors_write, path, table.unpack(arguments, 1, 2))
        assert.is_false(ok)
        assert.matches(pattern, message)
      end
      assert.equal("", support.list(folder))
    end)

    it("says why it cannot write, and leaves nothing behind", function()
      spit(path, "old")
      for name, pattern in pairs {
        [path .. "/x"] = "Not a directory", [folder] = "not a regular file",
        ["/dev/full"] = "not a regular file", ["/proc/x.safetensors"] = "cannot be written",
        [folder .. "/" .. ("n"):rep(300)] = "File name too long",
      } do
        local done, message = safetensors.write(name, { a = numbers() })
        assert.is_nil(done)
        assert.equal(name .. ": ", message:sub(1, #name + 2))
        assert.matches(pattern, message)
      end
      assert.equal("old", slurp(path))
      assert.equal("x.safetensors\n", support.list(folder))
    end)

    it("says so where nobody may write, root included", function()
      for _, name in ipairs { "/proc/scion.safetensors", "/sys/scion.safetensors" } do
        local done, message = safetensors.write(name, { a = numbers() })
        assert.is_nil(done)
        assert.equal(name .. ": ", message:sub(1, #name + 2))
      end
    end)
  end)
end)
