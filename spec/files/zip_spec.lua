local core = require "scion.core"
local lfs = require "lfs"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local torch = require "scion.weights.torch"
local weights = require "scion.weights"

local fixtures = "spec/fixtures/weights/"

-- A zip archive of one entry "a", as its sizes, method and CRC are told, whatever is in it.
local function archive_of(packed, changes)
  local e = { method = 0, flags = 0, crc = 0, packed = #packed, bytes = #packed }
  for key, value in pairs(changes or {}) do e[key] = value end
  local common = string.pack("<I2I2I2I2I2I4I4I4I2I2", 20, e.flags, e.method, 0, 0x21, e.crc, e.packed, e.bytes, 1, 0)
  local body = "PK\3\4" .. common .. "a" .. packed
  local directory = ("PK\1\2\20\0" .. common .. string.pack("<I2I2I2I4I4", 0, 0, 0, 0, 0) .. "a"):rep(e.times or 1)
  return body .. directory .. "PK\5\6" .. string.pack("<I2I2I2I2I4I4I2", 0, 0, e.times or 1, e.times or 1, #directory, #body, 0)
end

-- A deflate stream of 1 + 258 * matches zeros: a block of fixed codes, a zero, and copies of what is one byte back.
local function deflated_zeros(matches)
  local bits = "110" .. "00110000" .. ("11000101" .. "00000"):rep(matches) .. "0000000"
  local bytes = (bits .. ("0"):rep(-#bits % 8)):gsub("........", function(eight) return string.char(tonumber(eight:reverse(), 2)) end)
  return bytes
end

describe("scion.core.zip_open", function()
  local folder, path
  setup(function()
    folder = support.folder()
    path = folder .. "/x.zip"
  end)
  teardown(function()
    support.remove(folder)
    support.done()
  end)

  -- Opens that archive and reads all of "a": its bytes, or the message.
  local function read(bytes)
    local archive <close>, message = core.zip_open(support.spit(path, bytes))
    if not archive then return nil, message end
    local contents, reason = archive:read("a", 0, archive:entries().a.bytes)
    return contents and contents:bytes(), reason
  end

  local function refused(bytes, expected)
    local contents, message = read(bytes)
    assert.is_nil(contents)
    assert.equal(path .. ": ", message:sub(1, #path + 2))
    assert.is_truthy(message:find(expected, 1, true), message .. "\n" .. expected)
  end

  it("lists entries, and reads them whole or in part, stored or deflated", function()
    local stored <close> = assert(core.zip_open(fixtures .. "torch_zip.pth"))
    local deflated <close> = assert(core.zip_open(fixtures .. "deflated.pth"))
    local packed, room = 0, core.new({ 100 }, "u8")
    for name, entry in pairs(stored:entries()) do
      local other = deflated:entries()[name]
      assert.equal(entry.bytes, other.bytes)
      assert.same({ true, false, entry.bytes }, { entry.stored, other.stored, entry.packed })
      packed = packed + other.packed
      local whole = stored:read(name, 0, entry.bytes):bytes()
      assert.equal(whole, deflated:read(name, 0, entry.bytes):bytes())
      local first = entry.bytes // 3
      local count = math.min(entry.bytes - first, 100)
      for _, archive in ipairs { stored, deflated } do
        assert.equal(whole:sub(first + 1, first + count), archive:read(name, first, count):bytes())
        assert.equal(whole:sub(first + 1, first + count), archive:read(name, first, count, room):bytes():sub(1, count))
        local _, message = archive:read(name, first, entry.bytes)
        assert.matches(first == 0 and "^nil$" or "it ends before that", tostring(message))
      end
    end
    assert.is_true(packed < 5465)
    assert.matches("has no entry 'none'", select(2, stored:read("none", 0, 1)), 1, true)
    assert.has_error(function() stored:read("torch_zip/data.pkl", 0, 101, room) end)
    assert.has_error(function() stored:read("torch_zip/data.pkl", -1, 1) end)
    stored:close()
    assert.has_error(function() stored:entries() end, "the zip archive was closed")
  end)

  it("reads the archives that the refused ones vary", function()
    assert.equal("abc", read(archive_of("abc", { crc = 0x352441c2 })))
    assert.equal(("\0"):rep(259), read(archive_of(deflated_zeros(1), { method = 8, bytes = 259, crc = 0xc276fc68 })))
  end)

  it("refuses what is damaged, forged, or packed in another way", function()
    refused(archive_of("abc", { crc = 1 }), "'a' in it cannot be read: CRC error")
    refused(archive_of("abc", { packed = 1 << 30, bytes = 3 }), "'a' in it cannot be read: it is truncated")
    refused(archive_of("abc", { method = 14 }), "it is neither stored nor deflated")
    refused(archive_of("abc", { flags = 1 }), "'a' in it cannot be read: ")
    refused(archive_of("abc", { times = 2 }), "with two entries 'a'")
    refused(archive_of("abc", { times = 2 }):sub(1, -2), "a damaged or truncated zip archive")
    refused("PK\3\4", "a damaged or truncated zip archive")
    refused(archive_of(("\xff"):rep(9), { method = 8, bytes = 259 }), "'a' in it cannot be read: ")
    local _, message = core.zip_open(folder)
    assert.equal(folder .. ": is a folder, not a regular file", message)
    assert.matches("No such file", select(2, core.zip_open(folder .. "/none")))
  end)

  it("reads an entry on, piece by piece, and finds at its end that it is damaged", function()
    local zeros = { method = 8, bytes = 259, crc = 0xc276fc68 }
    for _, case in ipairs { { "abc", { crc = 0x352441c2 }, "ab", "c" }, { deflated_zeros(1), zeros, ("\0"):rep(2), ("\0"):rep(257) } } do
      local archive <close> = assert(core.zip_open(support.spit(path, archive_of(case[1], case[2]))))
      for _ = 1, 2 do -- the second time it begins again
        assert.equal(case[3], archive:read("a", 0, #case[3]):bytes())
        assert.equal(case[4], archive:read("a", #case[3], #case[4]):bytes())
        assert.equal(case[4]:sub(-1), archive:read("a", #case[3] + #case[4] - 1, 1):bytes())
      end
      case[2].crc = 1
      local damaged <close> = assert(core.zip_open(support.spit(path, archive_of(case[1], case[2]))))
      assert(damaged:read("a", 0, #case[3]))
      assert.matches("'a' in it cannot be read: CRC error", select(2, damaged:read("a", #case[3], #case[4])), 1, true)
    end
  end)

  it("refuses bombs by what they declare, and by what they inflate to", function()
    local zeros = deflated_zeros(140000) -- 36 MB
    refused(archive_of(zeros, { method = 8, bytes = 1 + 258 * 140000 }), "would inflate to more than twice its size and 32 MB, at 'a' of 36120001 bytes")
    refused(archive_of(zeros, { method = 8, bytes = 1000 }), "'a' in it cannot be read: it is longer than the archive says")
    refused(archive_of(zeros, { method = 8, bytes = 0 }), "'a' in it cannot be read: it is longer than the archive says")
    refused(archive_of(zeros:sub(1, 100), { method = 8, bytes = 30000000 }), "'a' in it cannot be read: ")
    refused(archive_of("abc", { bytes = 0xfffffffe }), "would inflate to more than twice its size and 32 MB, at 'a' of 4294967294 bytes")
  end)

  it("does not inflate an entry again and again", function()
    local bytes = 1 + 258 * 120000 -- 31 MB
    local archive <close> = assert(core.zip_open(support.spit(path, archive_of(deflated_zeros(120000), { method = 8, bytes = bytes, crc = 1 }))))
    for _ = 1, 4 do assert(archive:read("a", bytes - 2, 1)) end
    local refusal = "'a' in it cannot be read: what is wanted of it lies in such an order that it would be inflated again and again; pack it without compression, as zip"
    assert.matches(refusal, select(2, archive:read("a", bytes - 2, 1)), 1, true)
  end)

  it("keeps no memory", function()
    support.spit(path, archive_of("abc", { times = 2 }))
    support.spit(folder .. "/wrong", archive_of("abc", { crc = 1 }))
    local growth = support.growth(([[
      local core = require "scion.core"
      function again(times)
        for _ = 1, times do
          local archive <close> = assert(core.zip_open "spec/fixtures/weights/deflated.pth")
          for name, entry in pairs(archive:entries()) do assert(archive:read(name, entry.bytes // 2, math.min(1, entry.bytes))) end
          local copy <close> = io.tmpfile()
          assert(archive:copy("torch_zip/data.pkl", copy))
          assert(not core.zip_open "README.md" and not core.zip_open %q and not archive:read("none", 0, 1))
          local wrong <close> = assert(core.zip_open %q)
          assert(not wrong:read("a", 0, 3))
        end
      end]]):format(path, folder .. "/wrong"), 20, 300)
    assert.is_true(not growth or growth < 2000, growth)
  end)

  it("carries compressed weights", function()
    local plain, packed = assert(torch.read(fixtures .. "torch_zip.pth")), assert(torch.read(fixtures .. "deflated.pth"))
    for name, tensor in pairs(plain) do assert.is_true(tensor:equal(packed[name]), name) end
    local function small()
      local nn = scion.nn
      local x = nn.input { shape = { 8, 9, 3 }, preprocess = "unit" }
      x = nn.batch_norm { epsilon = 1e-3, statistics = "stored" }(nn.conv2d(6, { 3, 2 }, { bias = false })(x))
      x = nn.relu()(x)
      x = nn.depthwise_conv2d(3, { padding = "same" })(x)
      return scion.model { output = nn.dense(5)(nn.global_avg_pool()(nn.add() { x, nn.conv2d(6, 1)(x) })) }
    end
    local models = { small(), small() }
    for i, name in ipairs { "small.keras", "deflated.keras" } do assert.equal(11, weights.load(models[i], fixtures .. name).loaded) end
    for i, layer in ipairs(models[1].order) do
      for k, p in ipairs(layer.layer.parameters) do assert.is_true(p.tensor:equal(models[2].order[i].layer.parameters[k].tensor), p.name) end
    end
  end)

  it("is refused when truncated at any kilobyte, and leaves no file open", function()
    local function descriptors()
      local count = 0
      for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
      return count
    end
    local model = scion.sequential { scion.nn.input(8, 9, 3), scion.nn.conv2d(6, { 3, 2 }) }
    collectgarbage()
    local before = descriptors()
    for _, name in ipairs { "deflated.keras", "deflated.pth", "small.keras", "torch_zip.pth" } do
      local whole = support.slurp(fixtures .. name)
      assert.is_false((pcall(weights.load, model, fixtures .. name)))
      for length = 4, #whole - 1, 1024 do
        local ok, message = pcall(weights.load, model, support.spit(path, whole:sub(1, length)))
        assert.is_false(ok)
        assert.matches(path .. ": a damaged or truncated zip archive: its end, where the list of its files is, is missing; download or copy it again", message, 1, true)
      end
    end
    collectgarbage()
    assert.equal(before, descriptors())
    local piece
    do
      local arrays <close> = torch.arrays(fixtures .. "deflated.pth")
      piece = arrays[1].read
      assert.is_truthy(piece(0, 1, core.new({ 1 }, "u8")))
    end
    assert.has_error(function() piece(0, 1, core.new({ 1 }, "u8")) end, "the zip archive was closed")
  end)
end)
