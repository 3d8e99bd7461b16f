--- Reads and writes whole safetensors files. For single tensors see core.safetensors_open.
local check = require "scion.check"
local array = require "scion.weights.array"
local core = require "scion.core"
local lfs = require "lfs"

local safetensors = {}

--- Reads every tensor of a file.
---@param path string
---@return table<string, scion.Tensor>? tensors by name; nil when the file cannot be read or breaks a rule of the format
---@return table<string, string>|string metadata the file's pairs of strings, or a message that names the file
function safetensors.read(path)
  local file <close>, message = core.safetensors_open(check.argument("scion.weights.safetensors.read", "its argument", path, check.path))
  if not file then return nil, message end
  local tensors, metadata = file:header()
  for name in pairs(tensors) do
    local tensor, reason = file:read(name)
    if not tensor then return nil, reason end
    tensors[name] = tensor
  end
  return tensors, metadata
end

--- Writes a file that appears whole or not at all: whatever goes wrong, an older file of that name stays as it was.
--- Raises on names and metadata that are not UTF-8 strings, on a name given twice, and on what is no tensor.
---@param path string
---@param tensors table<string, scion.Tensor> | { name: string, tensor: scion.Tensor }[] a list is written in its order
---@param metadata? table<string, string>
---@param decoded? integer bytes of memory that decoding the metadata may take: beside few numbers the file is made larger by zeros, which no
--- reader here lists, so that it may ask for them (0)
---@return true? written
---@return string? message names the file
function safetensors.write(path, tensors, metadata, decoded)
  path = check.argument("scion.weights.safetensors.write", "the file to write", path, check.path)
  local ok, written, message = check.try(core.safetensors_write, path, tensors, metadata, decoded)
  if not ok then check.raise("scion.weights.safetensors.write: " .. (written:match "%((.*)%)$" or written)) end
  return written, message
end

---@class scion.SafetensorsArrays a list of scion.Array, sorted by name. Close it (local x <close>): its arrays are read from files that
--- stay open, so that it does not matter what happens to the paths meanwhile
---@field files userdata[] of core.safetensors_open: one, or those of an index
---@field metadata table<string, string> the file's pairs of strings; empty for an index
---@field bytes integer size of all files together

local closable = { __close = function(arrays)
  for _, file in ipairs(arrays.files) do file:close() end
end }

--- Adds the arrays of a file to a list.
---@return true? added
---@return string? message
local function add_file(list, path)
  local file, message = core.safetensors_open(path)
  if not file then return nil, message end
  table.insert(list.files, file)
  local entries, metadata = file:header()
  list.metadata, list.bytes = metadata, list.bytes + file:size()
  for name, entry in pairs(entries) do
    local elements = array.elements(entry.shape)
    list[#list + 1] = { name = name, path = path, dtype = entry.dtype, shape = entry.shape,
                        bytes = elements * (core.element_size(entry.dtype) or 0),
                        read = function(offset, count, room) return file:bytes(entry.place + offset, count, room) end }
  end
  return true
end

local most_index, most_parts = 1 << 20, 256 -- bytes of an index, and files that it may name: all are open at once

--- Reads an index such as {"weight_map": {"conv1.weight": "model-00001-of-00002.safetensors"}}. Returns the sorted names of the parts, and
--- the part of each array; or nil and a message. Raises, without the path, where it is no index or names a file outside of its folder.
local function read_index(path)
  local size = lfs.attributes(path, "size")
  if not size then return nil, ("%s: No such file or directory"):format(path) end
  if size > most_index then check.raise(("its %d bytes are too many for an index"):format(size)) end
  local bytes <close>, message = core.read_bytes(path, 0, size)
  if not bytes then return nil, message end
  local index = core.json_decode(bytes:bytes())
  local parts, part_of = {}, type(index) == "table" and index.weight_map
  if type(part_of) ~= "table" or type(next(part_of)) ~= "string" then check.raise "an index of parts has a weight_map, and this has none" end
  for _, part in pairs(part_of) do
    if type(part) ~= "string" or part:find "[/\\%z]" then
      check.raise(("its part %s is none in its own folder"):format(check.show(part)))
    end
    if not part:find "%.safetensors$" then
      check.raise(("its part %s is no safetensors file; in Python: safetensors.torch.save_model(model, 'weights.safetensors')"):format(check.show(part)))
    end
    if not parts[part] then parts[part], parts[#parts + 1] = true, part end
  end
  if #parts > most_parts then check.raise(("it has %d parts, more than %d"):format(#parts, most_parts)) end
  table.sort(parts)
  return parts, part_of
end

--- Adds the arrays of all parts of an index to a list. Raises, without the path, unless they are exactly those that the index names.
local function add_parts(list, path)
  local parts, part_of = read_index(path)
  if not parts then return nil, part_of end
  local folder, missing, found = path:match "^(.*/)" or "", {}, {}
  for _, part in ipairs(parts) do
    if lfs.attributes(folder .. part, "mode") ~= "file" then missing[#missing + 1] = part end
  end
  if missing[1] then
    local told = table.concat(missing, ", ", 1, math.min(#missing, 4)) .. (#missing > 4 and ", …" or "")
    check.raise(("%d of its %d parts are missing, which belong beside it, and come from where it does: %s"):format(#missing, #parts, told))
  end
  for _, part in ipairs(parts) do
    local before = #list
    local added, message = add_file(list, folder .. part)
    if not added then return nil, message end
    for i = before + 1, #list do
      local name = list[i].name
      if part_of[name] ~= part then check.raise(("its part %s holds %s, which it does not name there"):format(part, name)) end
      found[name] = true
    end
  end
  for name, part in pairs(part_of) do
    if not found[name] then check.raise(("its part %s lacks %s"):format(part, name)) end
  end
  list.metadata = {}
  return true
end

--- Lists the arrays of a file, or of all files that an index names (model.safetensors.index.json), without reading their numbers. The files
--- stay open until the list is closed, so that header and numbers are of the same file even if another process replaces it.
---@param path string
---@return scion.SafetensorsArrays? arrays nil when a file cannot be read, or when an index and its parts do not agree
---@return string? message names the file
function safetensors.arrays(path)
  path = check.argument("scion.weights.safetensors.arrays", "its argument", path, check.path)
  local list = setmetatable({ files = {}, bytes = 0 }, closable)
  local index = path:find "%.index%.json$"
  local ok, added, message = check.try(index and add_parts or add_file, list, path)
  if ok and added then
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
  end
  closable.__close(list)
  return nil, ok and message or ("%s: %s"):format(path, added)
end

--- The arrays that a model's layers have in Scion's own files, named layer/weight as model:save does.
---@param layers scion.Layer[]
---@return scion.ExpectedWeight[]
function safetensors.expected(layers)
  local list = {}
  for _, layer in ipairs(layers) do
    for _, p in ipairs(layer.parameters) do
      list[#list + 1] = { name = layer.name .. "/" .. p.name, shape = p.tensor:shape(), tensor = p.tensor }
    end
  end
  return list
end

return safetensors
