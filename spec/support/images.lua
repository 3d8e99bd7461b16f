--- What the specs of images and data sets share beside files.lua: patterns, raw bytes, the shared photographs.
local core = require "scion.core"
local lfs = require "lfs"

local support = setmetatable({}, { __index = dofile "spec/support/files.lua" })

--- The pattern of spec/fixtures/image/make.py as a u8 tensor; `shift` makes others of it.
function support.pattern(height, width, shift)
  local rows = {}
  for y = 0, height - 1 do
    local row = {}
    for x = 0, width - 1 do
      for c = 0, 2 do row[#row + 1] = string.char((y * y * 5 + x * 37 + x * y * 11 + c * 83 + (shift or 0)) % 256) end
    end
    rows[#rows + 1] = table.concat(row)
  end
  return core.from_bytes(table.concat(rows), { height, width, 3 })
end

--- zlib's checksum.
function support.adler32(bytes)
  local a, b = 1, 0
  for i = 1, #bytes, 4096 do
    for _, byte in ipairs{ bytes:byte(i, math.min(i + 4095, #bytes)) } do
      a = a + byte
      b = b + a
    end
    a, b = a % 65521, b % 65521
  end
  return b << 16 | a
end

--- The checksum of a PNG's chunk.
function support.crc32(text)
  local crc = 0xffffffff
  for i = 1, #text do
    crc = crc ~ text:byte(i)
    for _ = 1, 8 do crc = crc >> 1 ~ (crc & 1) * 0xedb88320 end
  end
  return crc ~ 0xffffffff
end

function support.unhex(text) return (text:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)) end

--- The largest difference between the bytes of two strings of equal length.
function support.largest_difference(a, b)
  assert(#a == #b, "lengths differ")
  local worst = 0
  for i = 1, #a do worst = math.max(worst, math.abs(a:byte(i) - b:byte(i))) end
  return worst
end

--- An i32 tensor as a list.
function support.integers(t)
  local list, bytes = {}, t:bytes()
  for i = 1, #bytes, 4 do list[#list + 1] = string.unpack("<i4", bytes, i) end
  return list
end

--- Links the first `count` photographs of each class of TrashNet's `part`, "train" or "val", into a new folder.
function support.photographs(data, part, into, count)
  local from = data .. "/data/trashnet/" .. part
  assert(lfs.mkdir(into))
  for class in lfs.dir(from) do
    local names = {}
    for name in lfs.dir(from .. "/" .. class) do
      if name:find "%.jpg$" then names[#names + 1] = name end
    end
    table.sort(names)
    if #names > 0 then assert(lfs.mkdir(into .. "/" .. class)) end
    for i = 1, math.min(count, #names) do
      assert(lfs.link(("%s/%s/%s"):format(from, class, names[i]), ("%s/%s/%s"):format(into, class, names[i]), true))
    end
  end
end

return support
