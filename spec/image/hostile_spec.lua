-- Small files that are made to keep a decoder busy, or to take memory: each is read in a process of its own, whose time and peak are measured.
-- Two seconds, and ten times the bytes of the pixels and 64 MB, have to do. spec/image/fuzz_spec.lua has the damaged ones.
local support = dofile "spec/support/images.lua"

local reader = [[
  local path = ...
  local core, image = require "scion.core", require "scion.image"
  local data = require "scion.data"
  local function kilobytes(key)
    local file <close> = assert(io.open "/proc/self/status")
    return tonumber((file:read "a":match(key .. ":%s+(%d+)")))
  end
  local before = kilobytes "VmRSS"
  local ways = {
    load = function() local t, message = image.load(path) return t and table.concat(t:shape(), "x") or message end,
    doctor = function() local found = data.doctor(data.files { path }) return found.broken[1] and found.broken[1].message or found.images end,
    batches = function()
      local set = data.files({ path }, { size = 32 })
      set.warn = function() end
      for batch in set:batches() do return batch.failed[1] and batch.failed[1].message or #batch end
    end,
  }
  for _, how in ipairs { "load", "doctor", "batches" } do
    local began = os.clock()
    local result = ways[how]()
    print(("%s: %.2f s, %d bytes: %s"):format(how, os.clock() - began, (kilobytes "VmHWM" - before) * 1024, result))
  end
]]

-- ---- the files

local function bytes_of(bits) return (bits:gsub("%d%d%d%d%d%d%d%d", function(eight) return string.char(tonumber(eight, 2)) end)) end

-- A grey progressive JPEG of empty scans, a few bytes each.
local function scans(side, count)
  local blocks = ((side + 7) // 8) ^ 2 // 1 | 0
  local function table_of(class, symbol) return "\xff\xc4" .. string.pack(">HBBc15B", 20, class << 4, 1, ("\0"):rep(15), symbol) end
  local function scan(first, last) return "\xff\xda" .. string.pack(">HBBBBBB", 8, 1, 1, 0, first, last, 0) end
  local runs, bits = blocks // 16384, "" -- of empty blocks, 16,384 to 32,767 each
  for i = 1, runs do
    local rest = blocks * i // runs - blocks * (i - 1) // runs - 16384
    bits = bits .. "0"
    for bit = 13, 0, -1 do bits = bits .. (rest >> bit & 1) end
  end
  local empty = scan(1, 1) .. bytes_of(bits .. ("1"):rep(-#bits % 8)):gsub("\xff", "\xff\0")
  return "\xff\xd8\xff\xdb" .. string.pack(">HB", 67, 0) .. ("\1"):rep(64) .. "\xff\xc2" .. string.pack(">HBHHBBBB", 11, 8, side, side, 1, 1, 0x11, 0)
    .. table_of(0, 0) .. table_of(1, 0xe0) .. scan(0, 0) .. ("\0"):rep((blocks + 7) // 8) .. empty:rep(count - 1) .. "\xff\xd9"
end

local function chunk(kind, body) return string.pack(">I4", #body) .. kind .. body .. string.pack(">I4", support.crc32(kind .. body)) end

-- A PNG of zeros: `lines` of so many bytes each.
local function png(folder, width, height, depth, colour, line)
  local count, path = line * height, folder .. "/zeros.gz"
  assert(os.execute(("head -c %d /dev/zero | gzip -9n > %s"):format(count, support.quoted(path))))
  local deflated = support.slurp(path):sub(11, -9) -- without gzip's own head and end
  local packed = "\x78\xda" .. deflated .. string.pack(">I4", count % 65521 << 16 | 1)
  return "\x89PNG\r\n\x1a\n" .. chunk("IHDR", string.pack(">I4I4BBBBB", width, height, depth, colour, 0, 0, 0)) .. chunk("IDAT", packed) .. chunk("IEND", "")
end

local dot = "," .. string.pack("<I2I2I2I2B", 0, 0, 1, 1, 0) .. "\2\2\x44\1\0" -- a frame of one pixel

local function gif(side, frames)
  return "GIF89a" .. string.pack("<I2I2BBB", side, side, 0x80, 0, 0) .. "\0\0\0\255\255\255" .. dot:rep(frames) .. ";"
end

-- An animation with a small frame upon a canvas of another size.
local function webp(side)
  for _, case in ipairs(dofile "spec/fixtures/image/formats.lua") do
    if case.name == "part.webp" then
      local bytes = support.unhex(case.file)
      local at = bytes:find("VP8X", 1, true)
      return bytes:sub(1, at + 11) .. string.pack("<I3I3", side - 1, side - 1) .. bytes:sub(at + 18)
    end
  end
end

describe("a hostile image", function()
  local side = 3000 -- 9 million pixels; the largest that are read have twenty times as many
  local folder = support.folder()
  local sanitized = (os.getenv "SCION_BUILD" or ""):find "sanitize" ~= nil
  teardown(function()
    support.done()
    if sanitized then print "\nskipped: time and memory mean nothing under AddressSanitizer" end
  end)

  for name, case in pairs {
    ["of a hundred empty scans"] = { scans(side, 100), side },
    ["of too many scans"] = { scans(side, 1000), side, "a JPEG of more than 100 scans" },
    ["of so many scans that no such large one has"] = { scans(12000, 60), 12000, "a JPEG of more than 29 scans" },
    ["of sixteen bits of nothing"] = { png(folder, side, side, 16, 6, side * 8 + 1), side },
    ["of one column"] = { png(folder, 1, 9000000, 8, 2, 4), side },
    ["of more columns than may be"] = { png(folder, 1 << 28, 1, 1, 0, 2), 0, "is refused, since it has more than" },
    ["of one dot upon a canvas, GIF"] = { gif(side, 1), side },
    ["of a million frames"] = { gif(9, 1000000), 9 },
    ["of a small frame upon a canvas, WebP"] = { webp(side), side },
  } do
    it(name .. " is soon done with", function()
      local path, script = support.spit(folder .. "/x", case[1]), support.spit(folder .. "/script.lua", reader)
      local output, count = support.shell(("SCION_CACHE_DISK=0 lua5.4 %s %s"):format(script, support.quoted(path))), 0
      for seconds, peak, result in output:gmatch "(%S+) s, (%d+) bytes: ([^\n]*)" do
        count = count + 1
        if case[3] then assert.matches(case[3], result, 1, true) else assert.matches("^%d[%dx]*$", result) end
        assert.is_true(sanitized or tonumber(seconds) < 2, output)
        assert.is_true(sanitized or tonumber(peak) <= 10 * 3 * case[2] ^ 2 + 64e6, output)
      end
      assert.equal(3, count, output)
    end)
  end
end)
