--- Reads PyTorch's state dicts: what torch.save writes, as a zip archive (since 1.6) or as a chain of pickles (before), and networks of
--- torch.jit.save. In the pickles only tensors and plain containers are understood. All else becomes a placeholder, and no code in a file
--- ever runs: see pickle.lua.
local check = require "scion.check"
local array = require "scion.weights.array"
local checkpoint = require "scion.weights.checkpoint"
local core = require "scion.core"
local lfs = require "lfs"
local pickle = require "scion.weights.pickle"

local torch = {}

local most_pickled = 8 << 20 -- bytes of one pickle
local told_early = 65536 -- bytes of a pickle's start that tell what kinds of values it has
local most_dimensions = 64 -- of a tensor: PyTorch's own limit
local most_marks = 64 -- of a tensor, and parts of a sparse one
-- How the chain of pickles begins: a whole number of ten bytes, which pickle.read leaves as a string.
local magic_number = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

local again = "; download or copy it again"
local too_long = "its %s is longer than %d bytes; in Python, save the state dict alone: torch.save(net.state_dict(), 'weights.pth')"

local dtypes = { -- class of the storage, dtype, safetensors' name of the dtype
  { "Float", "float32", "F32" }, { "Half", "float16", "F16" }, { "Double", "float64", "F64" }, { "BFloat16", "bfloat16", "BF16" },
  { "Byte", "uint8", "U8" }, { "Char", "int8", "I8" }, { "Short", "int16", "I16" }, { "Int", "int32", "I32" }, { "Long", "int64", "I64" },
  { "Bool", "bool", "BOOL" },
}

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

--- Marks that PyTorch leaves for later: the numbers are stored without the change.
local postponed = { neg = "is stored as its negative, which PyTorch leaves for later; in Python, save x.resolve_neg() in its place",
                    conj = "is stored as its conjugate, which PyTorch leaves for later; in Python, save x.resolve_conj() in its place" }

--- A tensor whose seventh argument may be a dict of marks.
local function rebuild_tensor_v2(arguments)
  local made, marks = rebuild_tensor(arguments), arguments[7]
  local given = type(marks) == "table" and marks.type == "dict" and marks.keys or {}
  ensure(#given <= most_marks, "it has too many marks") -- many tensors may share them
  for i, mark in ipairs(given) do
    if marks[i] then made.unreadable = made.unreadable or postponed[mark] end
  end
  return made
end

--- A sparse tensor: its layout, and a tuple of the tensors that it is made of and its shape. Only its name and shape are kept.
local function rebuild_sparse(arguments)
  local parts, shape, storage = arguments[2], nil, nil
  ensure(type(parts) ~= "table" or #parts <= most_marks, "it has too many parts")
  for _, part in ipairs(type(parts) == "table" and parts.type == "tuple" and parts or {}) do
    if type(part) == "table" and part.type == "tensor" then storage = part.storage elseif type(part) == "table" then shape = part end
  end
  ensure(storage, "it has no storage")
  return { type = "tensor", storage = storage, first = 0, shape = sizes(shape, "its shape"),
           unreadable = "is a sparse tensor; in Python, save x.to_dense() in its place" }
end

--- A tensor of a dtype for which PyTorch has no class of storages: its storage counts bytes, and the dtype is the seventh argument.
local function rebuild_tensor_v3(arguments)
  local made, dtype = rebuild_tensor(arguments), arguments[7]
  local storage = made.storage
  ensure(type(dtype) == "table" and dtype.type == "opaque", "it has no dtype")
  ensure(storage.dtype == "U8" and storage.first == 0, "its storage has a type of its own")
  local read_as = dtype.dtype or dtype.name:match "[^.]*$"
  made.storage = { type = "storage", dtype = read_as, key = storage.key, first = 0, count = storage.count // (core.element_size(read_as) or 1) }
  return made
end

--- A tensor of a subclass or with attributes. The arguments are the function that makes it, its class, the arguments for that function, and
--- its state; class and state do not matter here.
local function rebuild_from_type(arguments)
  local by, inner = arguments[1], arguments[3]
  ensure(type(by) == "table" and type(inner) == "table" and inner.type == "tuple", "it is made by nothing")
  if not by.make or by.name:find "_rebuild_from_type" then return { type = "opaque", name = by.name, made = true } end
  return by.make(inner)
end

local function refuse_quantized()
  pickle.fail "it holds quantized tensors, whose numbers are rounded; in Python, save the state dict of the network before torch.ao.quantization.convert"
end

local function refuse_meta()
  pickle.fail "it holds tensors of the device meta, which have shapes and no numbers; in Python, before torch.save: net.load_state_dict(weights, assign=True)"
end

local function rebuild_parameter(arguments)
  ensure(type(arguments[1]) == "table" and arguments[1].type == "tensor", "a parameter holds no tensor")
  return arguments[1]
end

local function rebuild_dict(arguments)
  local dict, items = { type = "dict" }, arguments[1] -- Python 2 passes the items as an argument
  if items == nil then return dict end
  if type(items) ~= "table" or items.type ~= "list" then pickle.fail "it makes a dict of what is no list" end
  dict.keys, items.type = {}, "spent" -- a list can be used once: else a short pickle could have a long list copied again and again
  for i, pair in ipairs(items) do
    if type(pair) ~= "table" or #pair ~= 2 then pickle.fail "it makes a dict of what are no pairs" end
    dict.keys[i], dict[i] = pair[1], pair[2]
  end
  return dict
end

--- A storage, from its persistent id: ("storage", type, key, location, number of elements) and, in the old format, None or a view (key,
--- offset, number of elements) of that storage.
local function persistent_storage(id)
  ensure(type(id) == "table" and id.type == "tuple", "a persistent id is no tuple")
  -- ("module", class, source file, source): a class of a network, as PyTorch wrote it before 1.6
  if id[1] == "module" and type(id[2]) == "table" then return id[2] end
  ensure(id[1] == "storage", "a persistent id is no storage")
  local class = type(id[2]) == "table" and id[2].type == "opaque" and id[2]
  ensure(class, "a storage has no type")
  if class.name:find "%.QU?Int" then refuse_quantized() end
  local dtype = class.dtype or class.name -- an unknown dtype is refused only where its numbers are needed
  ensure(type(id[3]) == "string" and natural(id[5]), "a storage has no key or size")
  local view = type(id[6]) == "table" and id[6].type == "tuple" and id[6]
  if not view then return { type = "storage", dtype = dtype, key = id[3], first = 0, count = id[5] } end
  ensure(natural(view[2]) and natural(view[3]), "a view of a storage has no offset or size")
  ensure(view[2] <= id[5] and view[3] <= id[5] - view[2], "a view is larger than its storage")
  return { type = "storage", dtype = dtype, key = id[3], first = view[2], count = view[3] }
end

local function refuse_dumped()
  pickle.fail "pickle.dump wrote it, which packs each tensor in a pickle of its own; in Python: torch.save(net.state_dict(), 'weights.pth')"
end

local globals = {
  ["torch.storage._load_from_bytes"] = refuse_dumped,
  ["collections.OrderedDict"] = rebuild_dict,
  ["torch._utils._rebuild_tensor"] = rebuild_tensor,
  ["torch._utils._rebuild_tensor_v2"] = rebuild_tensor_v2,
  ["torch._utils._rebuild_tensor_v3"] = rebuild_tensor_v3,
  ["torch._utils._rebuild_sparse_tensor"] = rebuild_sparse,
  ["torch._utils._rebuild_parameter"] = rebuild_parameter,
  ["torch._utils._rebuild_parameter_with_state"] = rebuild_parameter,
  ["torch._tensor._rebuild_from_type_v2"] = rebuild_from_type,
  ["torch._utils._rebuild_qtensor"] = refuse_quantized,
  ["torch._utils._rebuild_meta_tensor_no_storage"] = refuse_meta,
  ["torch.Size"] = function(arguments) return sizes(arguments[1], "a size") end,
  ["collections.defaultdict"] = function() return { type = "dict" } end,
  persistent = persistent_storage,
}
for _, d in ipairs(dtypes) do
  local class, name, dtype = table.unpack(d)
  globals["torch." .. name] = { type = "opaque", name = "torch." .. name, dtype = dtype }
  for _, module in ipairs { "torch.", "torch.cuda." } do
    globals[module .. class .. "Storage"] = { type = "opaque", name = module .. class .. "Storage", dtype = dtype }
  end
end
--- In networks of torch.jit.save each module is an object of a class of its own. Its attributes are tensors and other objects.
setmetatable(globals, { __index = function(_, name)
  if name:find "^__torch__%." then return function() return { type = "object" } end end
end })
globals["torch.storage.UntypedStorage"] = { type = "opaque", name = "torch.storage.UntypedStorage", dtype = "U8" }

--- The scion.Array of a tensor in a dict. find: see to_arrays.
local function to_array(path, found, find)
  local t, storage = found.tensor, found.tensor.storage
  local read, bytes = find(storage)
  return { name = found.name, path = path, dtype = storage.dtype, shape = t.shape, strides = t.strides, first = storage.first + t.first,
           read = read, unreadable = t.unreadable, bytes = math.min(bytes, (storage.first + storage.count) * (core.element_size(storage.dtype) or 1)) }
end

--- The arrays of the likeliest dict. Its field `dicts` has the arrays of all dicts, and `script` tells whether they are of a network of
--- torch.jit. find(storage) gives the function that reads a storage
--- and the storage's size in bytes.
local function to_arrays(path, value, find)
  local dicts = {}
  for i, tensors in ipairs(checkpoint.dicts(value)) do
    dicts[i] = { dict = tensors.key }
    for k, found in ipairs(tensors) do dicts[i][k] = to_array(path, found, find) end
  end
  dicts[1].dicts, dicts[1].script = dicts, value.type == "object"
  return dicts[1]
end

-- ---- the two formats ------------------------------------------------------------------------------------------------

--- pickle.read, but raises the message. rule: what names stand for, in place of `globals`.
local function read_pickle(text, position, rule)
  local value, next_or_message = pickle.read(text, position, rule or globals)
  if value == nil then checkpoint.refuse_numpy(text:sub(position, position + told_early)) end
  if value == nil and next_or_message == pickle.cut_off and #text == most_pickled then check.raise(too_long:format("pickle", most_pickled)) end
  if value == nil then check.raise("its pickle is refused: " .. next_or_message) end
  return value, next_or_message
end

--- The bytes that a read gave, as a string; raises the message of a failed read, without the path.
local function string_of(path, tensor, message)
  local bytes <close> = tensor or check.raise(message:sub(#path + 3))
  return bytes:bytes()
end

local function bytes_at(path, offset, count) return string_of(path, core.read_bytes(path, offset, count)) end

--- Raises, for an archive that torch.save did not write, with what it is and what to do.
local function refuse_archive(entries)
  for name in pairs(entries) do
    if name:find "%.npy$" then
      check.raise "an archive of NumPy; in Python: safetensors.numpy.save_file(dict(numpy.load('x.npz')), 'weights.safetensors')"
    end
    if name:find "archive_format$" or name:find "serialized_exported_program%.json$" then
      check.raise "a program of torch.export; in Python: torch.save(torch.export.load('x.pt2').state_dict, 'weights.pth')"
    end
  end
  check.raise "a zip archive without data.pkl: not written by torch.save; in Python: torch.save(net.state_dict(), 'weights.pth')"
end

--- The format since PyTorch 1.6: a zip archive with data.pkl, and an entry data/KEY for each storage.
local function read_archive(path, archive)
  local entries, root = archive:entries(), nil
  for name in pairs(entries) do
    local found = name:match "^(.*)data%.pkl$"
    if found and root then check.raise "it holds several files data.pkl: not written by torch.save" end
    root = found or root
  end
  if not root then refuse_archive(entries) end
  local function whole(name) return string_of(path, archive:read(name, 0, entries[name].bytes)) end
  local order, description = root .. "byteorder", root .. "data.pkl"
  if entries[order] and (entries[order].bytes > 6 or whole(order) ~= "little") then
    check.raise "it is of a machine of another byte order; in Python: torch.save(torch.load('x.pth', weights_only=True), 'weights.pth')"
  end
  if entries[description].bytes > most_pickled then
    checkpoint.refuse_numpy(string_of(path, archive:read(description, 0, told_early)))
    check.raise(too_long:format("data.pkl", most_pickled))
  end
  return to_arrays(path, read_pickle(whole(description), 1), function(storage)
    local name = root .. "data/" .. storage.key
    local entry = entries[name] or check.raise(("storage '%s' is missing"):format(storage.key))
    return function(offset, count, room) return archive:read(name, offset, count, room) end, entry.bytes
  end)
end

local not_torchs = "a pickle, but not one of torch.save; in Python: torch.save(net.state_dict(), 'weights.pth')"

--- The format before PyTorch 1.6: five pickles (magic number, version, facts about the writer's machine, the object, the keys of the
--- storages), then for each storage the number of its elements, in eight bytes, and its contents.
local function read_chain(path, text, size)
  if #text < size and not text:sub(1, 64):find(magic_number, 1, true) then
    checkpoint.refuse_numpy(text:sub(1, told_early))
    check.raise(not_torchs)
  end
  local magic, position = read_pickle(text, 1)
  if magic ~= magic_number then check.raise(not_torchs) end
  local version, value, keys
  version, position = read_pickle(text, position)
  if version ~= 1001 then
    check.raise(("it has version %s of PyTorch's format, not 1001; in Python: torch.save(torch.load('x.pth'), 'weights.pth')"):format(tostring(version)))
  end
  local _
  _, position = read_pickle(text, position)
  local element_sizes = {}
  value, position = read_pickle(text, position, setmetatable({ persistent = function(id)
    local found = persistent_storage(id)
    if found.type == "storage" then
      element_sizes[found.key] = core.element_size(found.dtype) or pickle.fail("it has a %s, whose numbers are not read", found.dtype)
    end
    return found
  end }, { __index = globals }))
  keys, position = read_pickle(text, position)
  local stored, offset = {}, position - 1
  for _, key in ipairs(type(keys) == "table" and keys or {}) do
    local element = element_sizes[key] or check.raise("it stores what the pickle does not mention")
    if stored[key] then check.raise(("storage '%s' is stored twice"):format(key)) end
    if offset > size - 8 then check.raise("truncated: a storage is missing" .. again) end
    local count = string.unpack("<i8", bytes_at(path, offset, 8))
    if count < 0 or count > (size - offset - 8) // element then check.raise(("truncated: storage '%s' goes on after the file's end"):format(key) .. again) end
    stored[key] = { offset + 8, count * element }
    offset = offset + 8 + count * element
  end
  return to_arrays(path, value, function(storage)
    local found = stored[storage.key] or check.raise(("storage '%s' is missing"):format(tostring(storage.key)))
    return array.in_file(path, found[1]), found[2]
  end)
end

--- torch.arrays, but raises messages without the path.
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
    arrays.archive = archive
    return arrays
  end
  if head:byte() == 0x4c then check.raise("its pickle is refused: it is of protocol 0 or 1; " .. pickle.without_protocol) end
  if head:byte() ~= 0x80 then check.raise("not a file of torch.save") end
  return read_chain(path, bytes_at(path, 0, math.min(size, most_pickled)), size)
end

local closable = { __close = function(arrays) if arrays.archive then arrays.archive:close() end end }

--- Lists the arrays of a state dict, without reading their numbers. The file may also be a checkpoint that holds a state dict as
--- `state_dict`, `model` or the like. Where it holds several, prefix.lua chooses one for a model.
---@param path string
---@return scion.Array[]? arrays of the likeliest dict, in its order; they can be read until the list is closed. The field `dicts` lists
--- this and the other dicts, the likeliest first, each with its key as `dict`. nil when the file is missing or damaged, or holds no named
--- tensors
---@return string? message names the file and the reason
function torch.arrays(path)
  path = check.argument("scion.weights.torch", "its argument", path, check.path)
  local ok, arrays = check.try(list, path)
  if ok then return setmetatable(arrays, closable) end
  local why = tostring(arrays)
  local damaged = lfs.attributes(path, "mode") == "file" and not why:find(";", 1, true) -- what names no remedy
  return nil, ("%s: %s%s"):format(path, why, damaged and again or "")
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
