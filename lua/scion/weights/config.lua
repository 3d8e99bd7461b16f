--- Reads the config.json that timm and Hugging Face's hub put beside a weights file. It describes the network that the weights belong to.
local check = require "scion.check"
local core = require "scion.core"
local kinds = require "scion.kinds"
local lfs = require "lfs"
local transformers = require "scion.weights.transformers"

local config = {}

local statistics_file = "preprocessor_config.json" -- of transformers
local largest = 8 << 20 -- bytes: ImageNet's 21,841 classes with their descriptions take 3 MB

local means, deviations = check.list(check.number(), nil, "a list of numbers"), check.list(check.number { above = 0 }, nil, "a list of numbers above 0")
local any_text = check.kind("a string", function(value) return type(value) == "string", value end)

--- What is read, by the key in config.json: our name for it, and the kind of value that it must have.
local fields = {
  architecture = { "architecture", check.text }, num_classes = { "classes", check.whole(0, 1 << 31) }, mean = { "mean", means }, std = { "std", deviations },
  input_size = { "input", check.list(kinds.size, 3, "a list of three sizes (channels, height, width)") }, interpolation = { "interpolation", any_text },
  crop_pct = { "crop", check.number { above = 0 } }, label_names = { "labels", check.table },
  architectures = { "transformers", check.list(check.text, nil, "a list of names") }, model_args = { "arguments", check.table },
}

--- Arguments of timm's constructors (model_args) that do not change what the network computes, or that config.json has elsewhere, too.
local harmless = { num_classes = true, img_size = true, drop_path_rate = true, bn_momentum = true, checkpoint_path = true }

--- Arguments that do not change it if they have one of these values.
local usual = { in_chans = { [1] = true, [3] = true }, global_pool = { avg = true, fast = true, fastavg = true, [""] = true } }

--- The activation that timm's networks have by themselves, by how their names begin; the first that fits counts.
local activations = { { "efficientnet_lite", "relu6" }, { "efficientnet", "silu" }, { "mobilenetv3", "hard_swish" }, { "mobilenet", "relu6" }, { "", "relu" } }

--- Whether the activation in an argument is the one that timm's network has anyway.
local function is_own_activation(architecture, value)
  local name = (architecture or ""):gsub("^tf_", "")
  for _, each in ipairs(activations) do
    if name:sub(1, #each[1]) == each[1] then return architecture ~= nil and (value == each[2] or value == "swish" and each[2] == "silu") end
  end
end

--- The names of the arguments that change what the network computes, as one string; nil where none does. timm writes the pooling, one of them,
--- by itself.
local function changes(arguments, pool, architecture)
  local names = {}
  local function add(name, value)
    local kept = harmless[name] or name:find "drop_rate$" or usual[name] and usual[name][value] or type(value) == "userdata" or -- null
      name == "act_layer" and is_own_activation(architecture, value)
    if not kept then names[#names + 1] = name end
  end
  for name, value in pairs(arguments or {}) do add(name, value) end
  if pool ~= nil and not (arguments and arguments.global_pool) then add("global_pool", pool) end
  table.sort(names)
  return #names > 0 and table.concat(names, ", ") or nil
end

--- The names of the classes as a list. In the file they are a list, or an object with the numbers of the classes, from 0, as keys. nil
--- where some class has no name.
local function in_order(labels)
  local list, count = {}, 0
  for key, label in pairs(labels) do
    local index = type(key) == "string" and (math.tointeger(tonumber(key) or -1) or -1) + 1 or key
    if index == 0 or type(label) ~= "string" then return nil end
    list[index], count = label, count + 1
  end
  return count > 0 and #list == count and list or nil
end

--- Whether decoded JSON is a list.
local function is_list(value) return value[1] ~= nil or getmetatable(value) == core.json_array end

--- The decoded JSON of the file. Raises, with the path, where it is too large or damaged.
local function decode(path)
  local unreadable = "%s: it cannot be read (%s), and may tell what the weights beside it are of; repair it, or move it away"
  local mode, reason = lfs.attributes(path, "mode")
  if mode ~= "file" then check.raise(unreadable:format(path, mode and "a " .. mode or reason:match "[^:]*$":gsub("^ ", ""))) end
  local size = lfs.attributes(path, "size")
  if size > largest then check.raise(("%s: %d bytes are too many for what tells of a network; move it away from the weights if it does not"):format(path, size)) end
  local file <close>, message = io.open(path, "rb")
  local text = file and file:read(largest)
  if not text then check.raise(unreadable:format(path, core.file_limit() or message or "it is empty")) end
  local value, problem = core.json_decode(text)
  if type(value) == "table" and not is_list(value) then return value end
  check.raise(("%s: %s; repair it, or move it away from the weights if it does not tell of them"):format(path, problem or "it holds no object"))
end

--- Adds what only transformers' files tell: the names of the classes, options in other words than timm's, and the mean and deviation, which stand in
--- a file of their own.
local function add_transformers(read, whole, folder)
  local class = read.transformers
  read.known, read.changes = transformers.changes(class, whole)
  read.labels = read.labels or type(whole.id2label) == "table" and in_order(whole.id2label) or nil
  read.classes = read.classes or class:find "ForImageClassification$" and read.labels and #read.labels or nil
  read.channels = read.channels or math.tointeger(whole.num_channels)
  local file = folder .. statistics_file
  if read.mean or not lfs.symlinkattributes(file, "mode") then return end
  local mean, std = transformers.statistics(decode(file))
  if not mean or not std then return end
  read.mean, read.std, read.statistics_in = check.argument(file, "image_mean", mean, means), check.argument(file, "image_std", std, deviations), statistics_file
end

--- Reads the config.json in the folder of a weights file. Raises, with its path, where it cannot be read, is damaged, or a value is of the wrong kind.
---@param path string of the weights file
---@return scion.WeightsConfig? config nil where there is none, or where it does not describe weights
function config.beside(path)
  local folder = path:match "^.*/" or ""
  local file = folder .. "config.json"
  if not lfs.symlinkattributes(file, "mode") then return nil end -- a link that leads nowhere is there, too
  local whole = decode(file)
  local published, read, known = type(whole.pretrained_cfg) == "table" and whole.pretrained_cfg or {}, { path = file }, false
  for _, name in ipairs { "mean", "std" } do
    if type(whole[name]) == "table" and type(published[name]) == "table" and core.json_encode(whole[name]) ~= core.json_encode(published[name]) then
      check.raise(("%s: '%s' stands there twice, by itself and in pretrained_cfg, with different numbers: leave the one that the network was trained with"):format(
        file, name))
    end
  end
  for name, field in pairs(fields) do
    local value = whole[name]
    if value == nil or type(value) == "userdata" then value = published[name] end -- JSON's null is userdata
    if value ~= nil and type(value) ~= "userdata" then
      read[field[1]], known = check.argument(file, name, value, field[2]), true
    end
  end
  local class = transformers.class_of(whole)
  if not known and not class then return nil end
  read.labels = read.labels and in_order(read.labels)
  read.transformers = not read.architecture and (read.transformers and read.transformers[1] or class) or nil
  if read.transformers then add_transformers(read, whole, folder) end
  if read.input then read.channels, read.input = read.input[1], { read.input[2], read.input[3] } end
  if not (read.mean and read.std) then read.mean, read.std = nil, nil end
  local taken = read.arguments and math.tointeger(read.arguments.in_chans) -- older timm leaves input_size, mean and std as the colour network's
  local channels = read.channels or taken or 3
  if read.mean and (#read.mean ~= channels or #read.std ~= channels) and not (taken == 1 and #read.mean == 3 and #read.std == 3) then
    check.raise(("%s: mean and std are of %d and %d channels, and the images of %d"):format(read.statistics_in and folder .. read.statistics_in or file,
      #read.mean, #read.std, channels))
  end
  read.channels = taken or read.channels
  read.changes, read.arguments = read.changes or changes(read.arguments, whole.global_pool, read.architecture), nil
  return read
end

return config
