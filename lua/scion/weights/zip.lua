--- Zip archives whose entries are stored, not compressed, as PyTorch and Keras write them: where each entry's bytes lie.
--- https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7 to 4.3.16.
local core = require "scion.core"
local lfs = require "lfs"

local zip = {}

local most_directory = 16 << 20 -- bytes

---@class scion.ZipEntry
---@field name string
---@field place integer of its first byte in the file
---@field bytes integer
---@field crc integer

local function bytes_at(path, size, place, count)
  if place < 0 or count < 0 or place > size - count then error("it is damaged: a part would lie outside of it", 0) end
  local bytes, message = core.read_bytes(path, place, count)
  if not bytes then error(message:sub(#path + 3), 0) end
  return bytes:bytes()
end

--- Number of entries, and size and place of the directory.
local function find_directory(path, size)
  local tail = bytes_at(path, size, math.max(0, size - 65557 - 20), math.min(size, 65557 + 20)) -- the longest comment, and zip64's locator
  local at
  for i = #tail - 21, 1, -1 do
    if tail:sub(i, i + 3) == "PK\5\6" then at = i break end
  end
  if not at then error("it is truncated: the directory at a zip archive's end is missing", 0) end
  local count, length, place = string.unpack("<I2I4I4", tail, at + 10)
  if count < 0xffff and length < 0xffffffff and place < 0xffffffff then return count, length, place end
  if at <= 20 or tail:sub(at - 20, at - 17) ~= "PK\6\7" then return count, length, place end
  local wide = bytes_at(path, size, string.unpack("<i8", tail, at - 12), 56)
  if wide:sub(1, 4) ~= "PK\6\6" then error("it is damaged: its zip64 directory is missing", 0) end
  return string.unpack("<i8i8i8", wide, 33)
end

--- Sizes and place that did not fit into 32 bits.
local function widen(extra, values)
  local at = 1
  while at + 3 <= #extra do
    local id, length = string.unpack("<I2I2", extra, at)
    local wide = id == 1 and extra:sub(at + 4, at + 3 + length)
    for i = 1, wide and 3 or 0 do
      if values[i] == 0xffffffff and #wide >= 8 then
        values[i] = string.unpack("<i8", wide)
        wide = wide:sub(9)
      end
    end
    at = at + 4 + length
  end
  return values
end

local function read_entry(path, size, directory, at)
  if at + 45 > #directory or directory:sub(at, at + 3) ~= "PK\1\2" then error("it is damaged: its directory ends early", 0) end
  local flags, method = string.unpack("<I2I2", directory, at + 8)
  local crc, stored, bytes, name_length, extra_length, comment_length = string.unpack("<I4I4I4I2I2I2", directory, at + 16)
  local name = directory:sub(at + 46, at + 45 + name_length)
  local values = widen(directory:sub(at + 46 + name_length, at + 45 + name_length + extra_length),
    { bytes, stored, (string.unpack("<I4", directory, at + 42)) })
  if method ~= 0 or flags & 1 ~= 0 or values[1] ~= values[2] then
    error(("'%s' in it is compressed or encrypted; PyTorch and Keras store entries as they are"):format(name), 0)
  end
  local header = bytes_at(path, size, values[3], 30)
  if header:sub(1, 4) ~= "PK\3\4" then error(("it is damaged: '%s' is not where the directory says"):format(name), 0) end
  local local_name, local_extra = string.unpack("<I2I2", header, 27)
  local place = values[3] + 30 + local_name + local_extra
  if values[1] < 0 or place > size - values[1] then error(("it is truncated: '%s' goes on after its end"):format(name), 0) end
  return { name = name, place = place, bytes = values[1], crc = crc }, at + 46 + name_length + extra_length + comment_length
end

local function read(path)
  local size = lfs.attributes(path, "size") or 0
  local count, length, place = find_directory(path, size)
  if length > most_directory then error("its directory is too long", 0) end
  local directory, at, entries = bytes_at(path, size, place, length), 1, {}
  for _ = 1, count do
    local entry
    entry, at = read_entry(path, size, directory, at)
    if entries[entry.name] then error(("it has two entries '%s'"):format(entry.name), 0) end
    entries[entry.name] = entry
  end
  return entries
end

--- The entries of an archive, by name.
---@param path string
---@return table<string, scion.ZipEntry>? entries nil when it is damaged, or has entries that are not just stored
---@return string? message names the file
function zip.entries(path)
  local ok, entries = pcall(read, path)
  if ok then return entries end
  return nil, path .. ": " .. tostring(entries)
end

local extracted = {}
extracted.__index = extracted
--- Removes the copy.
function extracted:close() os.remove(self.path) end
extracted.__close = extracted.close

--- Copies an entry into a file of its own, for libraries that read no archives. Raises with the path.
---@param path string
---@param entry scion.ZipEntry
---@return table copy its `path`; closing it removes the file
function zip.extract(path, entry)
  local copy = setmetatable({ path = os.tmpname() }, extracted)
  local file <close> = assert(io.open(copy.path, "wb"))
  local done = 0
  while done < entry.bytes do
    local piece = math.min(entry.bytes - done, 16 << 20)
    local bytes <close>, message = core.read_bytes(path, entry.place + done, piece)
    local written = bytes and file:write(bytes:bytes())
    if not written then
      copy:close()
      error(message or (copy.path .. ": cannot be written"), 0)
    end
    done = done + piece
  end
  return copy
end

return zip
