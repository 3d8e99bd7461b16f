--- Finds the state dicts in what torch.save wrote. That may be a state dict itself, or a checkpoint that holds one beside the epoch, an
--- optimizer's state and other things, some of which may be tensors. Where there are several, comparing them with a model decides: see
--- prefix.lua.
local check = require "scion.check"

local checkpoint = {}

local most_tensors = 20000 -- in one dict, and in all dicts together that are compared with a model
local most_depth, longest_key = 32, 128 -- levels of objects within objects, and bytes of the name of one

local function too_many() check.raise(("it holds more than %d tensors"):format(most_tensors)) end

--- The named tensors in a dict, in its order. Where a name occurs twice, the later tensor counts.
local function tensors_in(value)
  local list, index = {}, {}
  for i, key in ipairs(type(value) == "table" and value.type == "dict" and value.keys or {}) do
    if type(key) == "string" and type(value[i]) == "table" and value[i].type == "tensor" then
      index[key] = index[key] or #list + 1
      list[index[key]] = { name = key, tensor = value[i] }
      if #list > most_tensors then too_many() end
    end
  end
  return list
end

--- Keys under which checkpoints hold a state dict, the likeliest first: the weights themselves before their moving average (EMA).
local wrappers = { "state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "params", "weights", "student", "teacher",
                   "state_dict_ema", "model_state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema", "params_ema" }
local most_dicts = 8 -- state dicts that are compared with a model
local most_shown = 4 -- keys that a message names

local rank_of = {}
for rank, key in ipairs(wrappers) do rank_of[key] = rank end

--- The dicts in a dict, those under known keys first. Each is listed once, since a pickle may repeat a dict under many keys.
local function dicts_in(dict)
  local list, found = {}, {}
  for i, key in ipairs(dict.keys or {}) do
    local value = dict[i]
    if type(key) == "string" and type(value) == "table" and value.type == "dict" then
      list[#list + 1] = { key = key, dict = value, rank = rank_of[key] or #wrappers + 1, number = i }
    end
  end
  table.sort(list, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a.number < b.number
  end)
  for _, each in ipairs(list) do
    if not found[each.dict] then
      found[each.dict] = true
      found[#found + 1] = each
    end
  end
  return found
end

--- The tensors of a network that torch.jit.save wrote, by the names that they have in its state dict. An object that occurs twice counts
--- once.
local function tensors_of_object(object, list, before, depth)
  local state = object.state
  if object.seen or depth > most_depth or type(state) ~= "table" or state.type ~= "dict" then return list end
  object.seen = true
  for _, found in ipairs(tensors_in(state)) do
    if #list == most_tensors then too_many() end
    list[#list + 1] = { name = before .. found.name, tensor = found.tensor }
  end
  for i, key in ipairs(state.keys or {}) do
    local value = state[i]
    if type(key) == "string" and #key < longest_key and type(value) == "table" and value.type == "object" then
      tensors_of_object(value, list, before .. key .. ".", depth + 1)
    end
  end
  return list
end

--- The dicts in a list or tuple, such as a state dict and an optimizer's, as a dict whose keys are their positions as Python counts them.
local function by_position(value)
  if value.type ~= "list" and value.type ~= "tuple" then return value end
  local dict = { type = "dict", keys = {} }
  for i, each in ipairs(value) do
    if type(each) == "table" and each.type == "dict" then dict.keys[#dict + 1], dict[#dict + 1] = tostring(i - 1), each end
  end
  return dict
end

--- Lists the state dicts as checkpoint.dicts describes, or gives an empty list.
local function find_dicts(value)
  if type(value) ~= "table" then return {} end
  value = by_position(value)
  if value.type == "object" then
    local tensors = tensors_of_object(value, {}, "", 1)
    return #tensors > 0 and { tensors } or {}
  end
  if value.type ~= "dict" then return {} end
  local found, seen, total = {}, {}, 0
  local function add(dict, key)
    if #found == most_dicts or seen[dict] then return end
    seen[dict] = true
    local tensors = tensors_in(dict)
    if #tensors == 0 or total + #tensors > most_tensors then return end
    tensors.key, total = key, total + #tensors
    found[#found + 1] = tensors
  end
  for _, outer in ipairs(dicts_in(value)) do
    if outer.rank > #wrappers then add(value) end
    add(outer.dict, outer.key)
    for _, inner in ipairs(#found < most_dicts and dicts_in(outer.dict) or {}) do add(inner.dict, outer.key .. "." .. inner.key) end
  end
  add(value)
  return found
end

--- What NumPy's pickles call to make an array; the module's name depends on the version, and what stands between the two on the protocol.
local numpy_makers = { "multiarray%W+reconstruct", "numeric%W+frombuffer" }

--- Raises where values under names are NumPy's arrays.
---@param text string a name, or text of a pickle
function checkpoint.refuse_numpy(text)
  for _, maker in ipairs(numpy_makers) do
    if text:find(maker) then
      check.raise "it holds arrays of NumPy in place of tensors; in Python: torch.save({k: torch.from_numpy(v) for k, v in weights.items()}, 'weights.pth')"
    end
  end
end

--- The same for the values of a dict and of the dicts in it.
local function refuse_arrays(value)
  for i = 1, value.type == "dict" and #value or 0 do
    local inner = value[i]
    if type(inner) == "table" and inner.type == "opaque" then checkpoint.refuse_numpy(inner.name) end
  end
end

--- Raises where a whole model, an object of some Python class, was saved, by itself or in a checkpoint under a known key; and where it is no model but
--- the options that transformers' Trainer leaves beside one.
local function refuse_whole(value)
  if value.type == "opaque" and value.name:find "%.TrainingArguments$" then
    check.raise(("it holds the options of a training (%s), and no weights: these are beside it, in model.safetensors or pytorch_model.bin"):format(value.name))
  end
  if value.type == "opaque" and value.made then
    check.raise(("it holds a whole model (%s), not its weights; in Python: torch.save(model.state_dict(), 'weights.pth')"):format(value.name))
  end
  for i, key in ipairs(value.type == "dict" and value.keys or {}) do
    local inner = value[i]
    if rank_of[key] and type(inner) == "table" and inner.type == "opaque" and inner.made then
      check.raise(("it holds a whole model (%s) as '%s', not its weights; in Python: torch.save(checkpoint['%s'].state_dict(), 'weights.pth')"):format(
        inner.name, key, key))
    end
  end
end

local of_model = "torch.save(model.state_dict(), 'weights.pth')" -- in Python

--- What a list without names holds, in words that follow "no tensors by names", and what to do in Python.
local function in_list(list)
  local first, all = list[1], 0
  for _, each in ipairs(list) do all = all + (type(each) == "table" and each.type == "tensor" and 1 or 0) end
  if all > 0 and all == #list then
    return (" but a %s of %d tensor%s, as of model.parameters(), which leaves out names and the statistics of batch norms"):format(list.type, all, all == 1 and "" or "s"),
      of_model
  end
  local pair = type(first) == "table" and type(first[1]) == "string" and type(first[2]) == "table" and first[2].type == "tensor"
  if pair then return (" but a %s of pairs"):format(list.type), "torch.save(dict(torch.load('x.pth')), 'weights.pth')" end
  return "", of_model
end

--- What a file without weights holds, likewise.
local function instead(value)
  if type(value) ~= "table" then return "", of_model end
  if value.type == "opaque" then return (" but a value of %s"):format(value.name), of_model end
  if value.type == "list" or value.type == "tuple" then return in_list(value) end
  local shown, keys = {}, value.type == "dict" and value.keys or {}
  for _, key in ipairs(keys) do
    if key == "param_groups" then return " but the state of an optimizer", of_model end
    if type(key) == "string" and #shown < most_shown then shown[#shown + 1] = check.show(key) end
  end
  return shown[1] and (" but %s%s"):format(table.concat(shown, ", "), #keys > #shown and (" and %d more"):format(#keys - #shown) or "") or "", of_model
end

--- The dicts that hold named tensors, the likeliest first: those under known keys and the dicts in them; then what was saved itself; then
--- those under other keys, or at a position of a list, which may be weights or an optimizer's state. Raises where there is none.
---@param value any what pickle.read gave
---@return { key: string?, [integer]: { name: string, tensor: table } }[] dicts each a list of tensors, with its key if it has one, such as
--- "model.ema"
function checkpoint.dicts(value)
  local found = find_dicts(value)
  if type(value) == "table" and not (found[1] and found[1].key) then refuse_whole(value) end
  if not found[1] then
    if type(value) == "table" then refuse_arrays(value) end
    for _, each in ipairs(type(value) == "table" and value.type == "dict" and dicts_in(value) or {}) do refuse_arrays(each.dict) end
    if type(value) == "table" and value.type == "object" then
      check.raise "a network of torch.jit.freeze, whose weights are in its code; in Python, before it is frozen: torch.save(net.state_dict(), 'weights.pth')"
    end
    check.raise(("it holds no tensors by names%s: not a state dict; in Python: %s"):format(instead(value)))
  end
  return found
end

return checkpoint
