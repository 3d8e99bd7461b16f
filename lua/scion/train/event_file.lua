--- TensorBoard's event files: records of a length, its checksum, an Event of TensorFlow's event.proto, and its checksum. An Event is written
--- in Protocol Buffers' wire format, as far as numbers by step need it.
local event_file = {}

-- CRC-32C (Castagnoli), of a byte: bits are reflected, the polynomial is 0x1EDC6F41
local remainders = {}
for byte = 0, 255 do
  local r = byte
  for _ = 1, 8 do r = r >> 1 ~ ((r & 1) * 0x82F63B78) end
  remainders[byte] = r
end

--- The checksum of a record's part, "masked": turned by 15 bits, and a constant added.
local function masked_crc(text)
  local crc = 0xFFFFFFFF
  for i = 1, #text do crc = remainders[(crc ~ text:byte(i)) & 0xFF] ~ crc >> 8 end
  crc = crc ~ 0xFFFFFFFF
  return string.pack("<I4", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
end

local function record(text)
  local length = string.pack("<I8", #text)
  return length .. masked_crc(length) .. text .. masked_crc(text)
end

--- A whole number: groups of seven bits, the lowest first, of which all but the last have the eighth set.
local function varint(n)
  local bytes = {}
  repeat
    local more = n >> 7
    bytes[#bytes + 1] = string.char(n & 0x7F | (more ~= 0 and 0x80 or 0))
    n = more
  until n == 0
  return table.concat(bytes)
end

-- fields by how they are written
local function of_bytes(field, text) return string.char(field << 3 | 2) .. varint(#text) .. text end
local function of_double(field, x) return string.pack("<Bd", field << 3 | 1, x) end
local function of_float(field, x) return string.pack("<Bf", field << 3 | 5, x) end
local function of_whole(field, n) return string.char(field << 3) .. varint(n) end

--- The record that a file begins with.
---@param time number seconds since 1970
---@return string
function event_file.header(time) return record(of_double(1, time) .. of_bytes(3, "brain.Event:2")) end

--- The record of a number at a step. Numbers too large for f32 become infinite.
---@param time number seconds since 1970
---@param step integer
---@param tag string
---@param value number
---@return string
function event_file.scalar(time, step, tag, value)
  local summary = of_bytes(1, of_bytes(1, tag) .. of_float(2, value))
  return record(of_double(1, time) .. of_whole(2, step) .. of_bytes(5, summary))
end

return event_file
