--- PyTorch's state dicts: what torch.save writes, as a zip archive (since 1.6) and as a chain of pickles (before). Of the pickles only
--- tensors and plain containers are understood, and nothing in a file is ever called: see pickle.lua.
local check = require "scion.check"
local array = require "scion.weights.array"
local core = require "scion.core"
local lfs = require "lfs"
local pickle = require "scion.weights.pickle"

local torch = {}

local most_pickled = 8 << 20 -- bytes of one pickle
local most_tensors = 20000
local most_dimensions = 64 -- PyTorch's
local magic_number = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

local storages = { Float = "F32", Half = "F16", Double = "F64", BFloat16 = "BF16", Byte = "U8", Char = "I8", Short = "I16", Int = "I32",
                   Long = "I64", Bool = "BOOL" }

-- ---- what the pickles may mention -----------------------------------------------------------------------------------

local function ensure(condition, message)
  if not condition then pickle.fail("it describes a tensor wrongly: %s", message) end
end

local function natural(value) return math.type(value) == "integer" and value >= 0 end

local function sizes(tuple, what)
  ensure(type(tuple) == "table" and tuple.type == "tuple", what .. " is no tuple")
  ensure(#tuple <= most_dimensions, what .. " has more than 64 numbers")
  for _, n in ipairs(tuple) do ensure(natural(n), what .. " has what is no whole number from 0 up") end
  return tuple -- not copied: many tensors may share one
end

local function rebuild_tensor(arguments)
  local storage, first = arguments[1], arguments[2]
  ensure(type(storage) == "table" and storage.type == "storage", "it has no storage")
  ensure(natural(first), "its offset is no whole number")
  local shape, strides = sizes(arguments[3], "its shape"), sizes(arguments[4], "its strides")
  ensure(#shape == #strides, "shape and strides differ in length")
  return { type = "tensor", storage = storage, first = first, shape = shape, strides = strides }
end

local function rebuild_parameter(arguments)
  ensure(type(arguments[1]) == "table" and arguments[1].type == "tensor", "a parameter holds no tensor")
  return arguments[1]
end

local function rebuild_dict(arguments)
  local dict, items = { type = "dict" }, arguments[1] -- which Python 2 pickles
  if items == nil then return dict end
  if type(items) ~= "table" or items.type ~= "list" then pickle.fail "it makes a dict of what is no list" end
  dict.keys, items.type = {}, "spent" -- else a short pickle could have a long list copied again and again
  for i, pair in ipairs(items) do
    if type(pair) ~= "table" or #pair ~= 2 then pickle.fail "it makes a dict of what are no pairs" end
    dict.keys[i], dict[i] = pair[1], pair[2]
  end
  return dict
end

--- A storage by its persistent id: ("storage", type, key, location, elements, and in old files a view of another one or None).
local function persistent_storage(id)
  ensure(type(id) == "table" and id.type == "tuple" and id[1] == "storage", "a persistent id is no storage")
  local dtype = type(id[2]) == "table" and id[2].dtype
  ensure(dtype, "a storage has no type")
  ensure(type(id[3]) == "string" and natural(id[5]), "a storage has no key or size")
  local view = type(id[6]) == "table" and id[6].type == "tuple" and id[6]
  if not view then return { type = "storage", dtype = dtype, key = id[3], first = 0, count = id[5] } end
  ensure(natural(view[2]) and natural(view[3]), "a view of a storage has no offset or size")
  ensure(view[2] <= id[5] and view[3] <= id[5] - view[2], "a view is larger than its storage")
  return { type = "storage", dtype = dtype, key = id[3], first = view[2], count = view[3] }
end

local globals = {
  ["collections.OrderedDict"] = rebuild_dict,
  ["torch._utils._rebuild_tensor"] = rebuild_tensor,
  ["torch._utils._rebuild_tensor_v2"] = rebuild_tensor,
  ["torch._utils._rebuild_parameter"] = rebuild_parameter,
  ["torch.Size"] = function(arguments) return arguments[1] end,
  persistent = persistent_storage,
}
for name, dtype in pairs(storages) do
  for _, module in ipairs { "torch.", "torch.cuda." } do globals[module .. name .. "Storage"] = { dtype = dtype } end
end

-- ---- the state dict in what was saved -------------------------------------------------------------------------------

--- The tensors in a dict by their names, in its order; a later one takes the place of an earlier one of its name.
local function tensors_in(value)
  local list, index = {}, {}
  for i, key in ipairs(type(value) == "table" and value.type == "dict" and value.keys or {}) do
    if type(key) == "string" and type(value[i]) == "table" and value[i].type == "tensor" then
      index[key] = index[key] or #list + 1
      list[index[key]] = { name = key, tensor = value[i] }
      if #list > most_tensors then check.raise(("it holds more than %d tensors"):format(most_tensors)) end
    end
  end
  return list
end

--- Keys under which a checkpoint holds its state dict, the likeliest first: the weights themselves before their average.
local wrappers = { "state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "params", "weights", "student", "teacher",
                   "state_dict_ema", "model_state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema", "params_ema" }
local most_dicts = 8 -- that are compared with a model

local rank_of = {}
for rank, key in ipairs(wrappers) do rank_of[key] = rank end

--- The dicts in a dict, those of known keys first, each once: any number of keys may have the same.
local function dicts_in(dict, rank)
  local list, found = {}, {}
  for i, key in ipairs(dict.keys or {}) do
    local value = dict[i]
    if type(key) == "string" and type(value) == "table" and value.type == "dict" then
      list[#list + 1] = { key = key, dict = value, rank = rank[key] or #wrappers + 1, place = i }
    end
  end
  table.sort(list, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a.place < b.place
  end)
  for _, each in ipairs(list) do
    if not found[each.dict] then
      found[each.dict] = true
      found[#found + 1] = each
    end
  end
  return found
end

--- The dicts that hold tensors by names, the likeliest first: under known keys, themselves or one level deeper; what was saved itself;
--- then those under other keys, which hold an optimizer's state, or weights.
local function find_dicts(value)
  if type(value) ~= "table" or value.type ~= "dict" then return {} end
  local found, seen = {}, {}
  local function add(dict, key)
    if #found == most_dicts or seen[dict] then return end
    seen[dict] = true
    local tensors = tensors_in(dict)
    tensors.key = key
    found[#found + 1] = #tensors > 0 and tensors or nil
  end
  for _, outer in ipairs(dicts_in(value, rank_of)) do
    if outer.rank > #wrappers then add(value) end
    add(outer.dict, outer.key)
    for _, inner in ipairs(#found < most_dicts and dicts_in(outer.dict, rank_of) or {}) do add(inner.dict, outer.key .. "." .. inner.key) end
  end
  add(value)
  return found
end

local function to_array(path, found, find)
  local t, storage = found.tensor, found.tensor.storage
  local read, bytes = find(storage)
  return { name = found.name, path = path, dtype = storage.dtype, shape = t.shape, strides = t.strides, first = storage.first + t.first,
           read = read, bytes = math.min(bytes, (storage.first + storage.count) * core.element_size(storage.dtype)) }
end

--- The arrays of the first dict, which has all of them as `dicts`. find: what reads a storage, and how many bytes it has.
local function to_arrays(path, value, find)
  local dicts = {}
  for i, tensors in ipairs(find_dicts(value)) do
    dicts[i] = { dict = tensors.key }
    for k, found in ipairs(tensors) do dicts[i][k] = to_array(path, found, find) end
  end
  local arrays = dicts[1] or check.raise "it holds no tensors by names: not a state dict"
  arrays.dicts = dicts
  return arrays
end

-- ---- the two formats ------------------------------------------------------------------------------------------------

local function read_pickle(text, position, rule)
  local value, next_or_message = pickle.read(text, position, rule or globals)
  if value == nil then check.raise((next_or_message:find "^it holds a whole model" and "" or "its pickle is refused: ") .. next_or_message) end
  return value, next_or_message
end

--- What a read gave, as a string; raises its message without the path.
local function string_of(path, tensor, message)
  local bytes <close> = tensor or check.raise(message:sub(#path + 3))
  return bytes:bytes()
end

local function bytes_at(path, place, count) return string_of(path, core.read_bytes(path, place, count)) end

local function read_archive(path, archive)
  local entries, root = archive:entries(), nil
  for name in pairs(entries) do
    local found = name:match "^(.*)data%.pkl$"
    if found and root then check.raise "it holds several files data.pkl: not written by torch.save" end
    root = found or root
  end
  if not root then check.raise("a zip archive without data.pkl: not written by torch.save") end
  local function whole(name) return string_of(path, archive:read(name, 0, entries[name].bytes)) end
  local order, description = root .. "byteorder", root .. "data.pkl"
  if entries[order] and (entries[order].bytes > 6 or whole(order) ~= "little") then check.raise("it is of a machine of another byte order") end
  if entries[description].bytes > most_pickled then check.raise("its data.pkl is too long") end
  return to_arrays(path, read_pickle(whole(description), 1), function(storage)
    local name = root .. "data/" .. storage.key
    local entry = entries[name] or check.raise(("storage '%s' is missing"):format(storage.key))
    return function(offset, count, room) return archive:read(name, offset, count, room) end, entry.bytes
  end)
end

--- The chain: magic number, version, the writer's machine, the object, the list of storages; then each storage, its size before it.
local function read_chain(path, text, size)
  local magic, position = read_pickle(text, 1)
  if magic ~= magic_number then check.raise("a pickle, but not one of torch.save") end
  local version, value, keys
  version, position = read_pickle(text, position)
  if version ~= 1001 then check.raise(("it has version %s of PyTorch's format, not 1001"):format(tostring(version))) end
  local _
  _, position = read_pickle(text, position)
  local element_sizes = {}
  value, position = read_pickle(text, position, setmetatable({ persistent = function(id)
    local storage = persistent_storage(id)
    element_sizes[storage.key] = core.element_size(storage.dtype)
    return storage
  end }, { __index = globals }))
  keys, position = read_pickle(text, position)
  local places, place = {}, position - 1
  for _, key in ipairs(type(keys) == "table" and keys or {}) do
    local element = element_sizes[key] or check.raise("it stores what the pickle does not mention")
    if places[key] then check.raise(("storage '%s' is stored twice"):format(key)) end
    if place > size - 8 then check.raise("truncated: a storage is missing") end
    local count = string.unpack("<i8", bytes_at(path, place, 8))
    if count < 0 or count > (size - place - 8) // element then check.raise(("truncated: storage '%s' goes on after the file's end"):format(key)) end
    places[key] = { place + 8, count * element }
    place = place + 8 + count * element
  end
  return to_arrays(path, value, function(storage)
    local found = places[storage.key] or check.raise(("storage '%s' is missing"):format(tostring(storage.key)))
    return array.in_file(path, found[1]), found[2]
  end)
end

local function list(path)
  local size = lfs.attributes(path, "size") or 0
  local head = bytes_at(path, 0, math.min(size, 4))
  if head == "PK\3\4" then
    local archive, message = core.zip_open(path)
    if not archive then check.raise(message:sub(#path + 3)) end
    local ok, arrays = check.try(read_archive, path, archive)
    if not ok then
      archive:close()
      error(arrays, 0)
    end
    for _, each in ipairs(arrays.dicts) do
      for _, a in ipairs(each) do a.late = true end -- their checksums are known when all of them was read
    end
    arrays.archive = archive
    return arrays
  end
  if head:byte() ~= 0x80 then check.raise("not a file of torch.save") end
  return read_chain(path, bytes_at(path, 0, math.min(size, most_pickled)), size)
end

local closable = { __close = function(arrays) if arrays.archive then arrays.archive:close() end end }

--- Lists the arrays of a state dict, without reading their numbers. Checkpoints that hold one as `state_dict`, `model` or the like will
--- do; which of several is meant, a model has to tell: see prefix.lua.
---@param path string
---@return scion.Array[]? arrays of the likeliest dict, in its order, to be read until the list is closed or collected; `dicts` has it and
---the others, the likeliest first, each with its key as `dict`; nil when the file is missing, damaged, or holds anything but tensors and
---plain containers
---@return string? message names the file, and what was refused
function torch.arrays(path)
  path = check.argument("scion.weights.torch", "its argument", path, check.path)
  local ok, arrays = check.try(list, path)
  if ok then return setmetatable(arrays, closable) end
  return nil, path .. ": " .. tostring(arrays)
end

--- Reads a state dict: the likeliest, where a checkpoint has several.
---@param path string
---@return table<string, scion.Tensor>? tensors by name
---@return string? message names the file
function torch.read(path)
  local arrays <close>, message = torch.arrays(path)
  if not arrays then return nil, message end
  return array.read_all(arrays)
end

return torch
