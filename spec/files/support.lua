-- What the specs of weights files share beside spec/support/files.lua: tensors from and to bytes by way of hand-made safetensors files.
local core = require "scion.core"

local files = dofile "spec/support/files.lua"

local support = setmetatable({ fixtures = "spec/fixtures/files/" }, { __index = files })

-- The bytes of a safetensors file with that header, a table or already text.
function support.pack(header, data)
  local text = type(header) == "table" and core.json_encode(header) or header
  return string.pack("<s8", text) .. (data or "")
end

local NAMES = { f32 = "F32", bf16 = "BF16", u8 = "U8", i32 = "I32" }
local scratch = support.folder()

-- A tensor that holds those bytes.
function support.tensor(dtype, shape, bytes)
  local list = #shape > 0 and shape or setmetatable({}, core.json_array)
  local header = { x = { dtype = NAMES[dtype], shape = list, data_offsets = { 0, #bytes } } }
  local file <close> = assert(core.safetensors_open(support.spit(scratch .. "/tensor", support.pack(header, bytes))))
  return assert(file:read "x")
end

-- The image that the scripts in fixtures/weights make too, as a batch of one.
function support.pattern(height, width)
  local bytes = {}
  for i = 0, height - 1 do
    for j = 0, width - 1 do
      for c = 0, 2 do bytes[#bytes + 1] = string.char((37 * i + 101 * j + 59 * c + i * j) % 256) end
    end
  end
  return support.tensor("u8", { 1, height, width, 3 }, table.concat(bytes))
end

-- f32 numbers as a tensor of that shape.
function support.floats(shape, numbers)
  return support.tensor("f32", shape, string.pack("<" .. ("f"):rep(#numbers), table.unpack(numbers)))
end

-- The bytes that a tensor holds.
function support.bytes(tensor)
  assert(core.safetensors_write(scratch .. "/bytes", { x = tensor }))
  local file = support.slurp(scratch .. "/bytes")
  local _, start = string.unpack("<s8", file)
  return file:sub(start)
end

local function whole(path)
  local file <close> = io.open(path)
  return file and file:read "a" or ""
end

-- Resident kilobytes of this process, or nil where they say nothing: AddressSanitizer holds freed memory back.
function support.resident()
  if whole "/proc/self/maps":find("libasan", 1, true) then return end
  return tonumber((whole "/proc/self/status":match "VmRSS:%s+(%d+)"))
end

-- A command line that runs a Lua text with the modules of this process.
function support.lua(text)
  return ("LUA_PATH=%s LUA_CPATH=%s lua5.4 -e %s"):format(files.quoted(package.path), files.quoted(package.cpath), files.quoted(text))
end

-- Kilobytes by which a process of its own grows while it calls `again(times)`, defined by a Lua text, after having called it
-- `first` times. Under AddressSanitizer nil: LeakSanitizer then looks, when the process ends.
function support.growth(text, first, times)
  local output, status = support.shell(support.lua(([[
    %s
    local support = dofile "spec/files/support.lua"
    again(%d) collectgarbage()
    local before = support.resident()
    again(%d) collectgarbage()
    print("grew", before and support.resident() - before)
    support.done()]]):format(text, first, times)))
  assert(status == 0, output)
  return tonumber((output:match "grew%s+(%S+)"))
end

return support
