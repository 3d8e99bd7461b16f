--- The keys of the cache's rows: hashes of everything that a row depends on.
local check = require "scion.check"
local core = require "scion.core"
local decoding = require "scion.data.decoding"
local graph = require "scion.graph"
local lfs = require "lfs"
local plan = require "scion.plan"
local precisions = require "scion.precision"
local quantization = require "scion.ir.quantization"
local store = require "scion.cache.store"

local key = {}

local hashes = setmetatable({}, { __mode = "k" }) -- of tensors, and lists of hashes of the images of data sets in memory
local names = setmetatable({}, { __mode = "k" }) -- of nodes, valid while no weight that they depend on changes
local contents = {} -- of files, by path: { stamp =, hash = }

--- The hash of a tensor. It is computed again only after the tensor has changed.
local function hash_of(tensor)
  local known, version = hashes[tensor], tensor:version()
  if not known or known.version ~= version then
    known = { version = version, hash = core.hash(tensor) }
    hashes[tensor] = known
  end
  return known.hash
end

--- Adds to `found` the files in a folder, at any depth, whose names have an ending. Sorted, since the order goes into a hash.
local function files_of(folder, ending, found)
  local entries = {}
  for name in lfs.dir(folder) do entries[#entries + 1] = name end
  table.sort(entries, core.byte_less)
  for _, name in ipairs(entries) do
    local path = folder .. "/" .. name
    if name:sub(1, 1) ~= "." and lfs.attributes(path, "mode") == "directory" then
      files_of(path, ending, found)
    elseif name:sub(-#ending) == ending then
      found[#found + 1] = path
    end
  end
  return found
end

local home = debug.getinfo(1, "S").source:match "^@(.*)/cache/key%.lua$"
local hash_of_code -- computed at first use

--- The hash of the code that computes: the C library, and Scion's Lua files, which choose the kernels and their options.
local function code()
  if hash_of_code then return hash_of_code end
  local parts, library = { core.version }, package.searchpath("scion.core", package.cpath)
  local paths = home and files_of(home, ".lua", { library }) or { library }
  for _, path in ipairs(paths) do parts[#parts + 1] = core.hash_file(path) end
  hash_of_code = core.hash(table.concat(parts))
  return hash_of_code
end

--- A name for everything, except the image, that the value of a node depends on: the layers up to it with their options and weights, the
--- code that computes them, the precision and the CPU's instruction set, on which the last bits of results depend.
---@param node scion.Node
---@param as string the precision, as precision.in_use gives it
---@param codes scion.Codes? of the value, where it is kept as bytes
---@return string name a hash in hexadecimal digits, for store.open
function key.of_node(node, as, codes)
  local precision = precisions.parts(as)
  local version, known = graph.version(graph.weights(node)), names[node]
  local bytes = codes ~= nil
  if known and known.version == version and known.precision == precision and known.bytes == bytes and known.ranges == quantization.revision() then
    return known.name
  end
  local parts, number = { codes and string.pack("<dj", codes.scale, codes.zero) or "2", code(), core.isa(), precision, precision == "bf16" and core.bf16() or "" }, {}
  local order, algorithms = graph.order(node), {}
  for _, op in ipairs(plan.operations(order, node, precision)) do
    algorithms[op.layer] = op.algorithm
    if op.codes then parts[#parts + 1] = string.pack("<dj", op.codes.scale, op.codes.zero) end
    local mean = op.reads == "u8" and quantization.mean(op.inputs[1])
    if mean then parts[#parts + 1] = hash_of(mean) end
  end
  for i, below in ipairs(order) do
    number[below] = i
    local inputs = {}
    for j, input in ipairs(below.inputs) do inputs[j] = number[input] end
    local layer = below.layer
    parts[#parts + 1] = core.json_encode { kind = layer.kind, options = layer.options, inputs = inputs, shape = below.shape,
                                          algorithm = algorithms[layer] }
    for _, p in ipairs(layer.parameters) do parts[#parts + 1] = p.name .. hash_of(p.tensor) end
  end
  local name = core.hash(table.concat(parts, "\n")):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  names[node] = { version = version, precision = precision, bytes = bytes, ranges = quantization.revision(), name = name }
  return name
end

--- Hashes are remembered only for files that last changed more than this many seconds ago: a file that changes twice within the resolution
--- of its timestamps has the same stamp both times.
local settled = 2

--- The hashes of files' contents, and the files' stamps (size and times), by which a later change is noticed. Both are false for a file
--- that cannot be read. Hashes of unchanged files are remembered, on disk, too, for later processes.
---@param files string[]
---@return (string|false)[] hashes
---@return (string|false)[] stamps
---@return integer hashed how many files were read to hash them
function key.of_files(files)
  local remembered = store.open("files", { 16 }, "u8")
  local found, stamps, keys, rows, hashed = {}, {}, {}, {}, 0
  for i, path in ipairs(files) do
    local stamp, age = core.file_stamp(path)
    local known = contents[path]
    local hash = known and known.stamp == stamp and known.hash
    if stamp and not hash then
      local about = core.hash(stamp .. path)
      local row = remembered:get(about)
      hash = row and row:bytes()
      if not hash then
        -- larger files are refused unread; after Ctrl-C the pass ends before it asks for a row
        local wanted = string.unpack("i8", stamp) <= core.max_image_file and not core.interrupted()
        hash, hashed = wanted and core.hash_file(path), hashed + (wanted and 1 or 0)
        if hash and age > settled then keys[#keys + 1], rows[#rows + 1] = about, core.from_bytes(hash, { 16 }) end
      end
      contents[path] = hash and age > settled and { stamp = stamp, hash = hash } or nil
    end
    found[i], stamps[i] = hash or false, stamp or false
  end
  remembered:expect(#keys)
  remembered:put(keys, rows)
  return found, stamps, hashed
end

--- The hash of each image of a data set, which includes how the set decodes and resizes it, and the stamps of its files.
---@param data scion.Dataset
---@param numbers? integer[] of the images that are asked for, from 0; -1 is none (all)
---@return table<integer, string|false> hashes by the images' numbers, from 1; false for a file that cannot be read
---@return table<integer, string|false>? stamps nil for images in memory
function key.of_images(data, numbers)
  local read = data.size and ("read at %dx%d, %s, %s, decoded at %s times that, by the box it covers, %s"):format(data.size[1], data.size[2], data.fit,
    data.filter, data.reducing_gap, decoding.text(data)) or ""
  if data.files then
    local files, places, hashed, stamped = check.items(data.files), {}, {}, {}
    if numbers then
      local wanted = {}
      for _, number in ipairs(numbers) do
        if number >= 0 then wanted[#wanted + 1], places[#wanted + 1] = files[number + 1], number + 1 end
      end
      files = wanted
    end
    local found, stamps = key.of_files(files)
    for i, hash in ipairs(found) do
      local place = places[i] or i
      hashed[place], stamped[place] = hash and core.hash(hash .. read), stamps[i]
    end
    return hashed, stamped
  end
  local tensor = data.images or data.values
  local known, version = hashes[data], tensor:version()
  if not known or known.version ~= version then
    known = { version = version, of = {} }
    hashes[data] = known
  end
  local of = known.of
  local function find(i) of[i] = of[i] or core.hash(core.hash(tensor:select(i)) .. read) end
  for i = 1, numbers and #numbers or #data do
    if not numbers then find(i) elseif numbers[i] >= 0 then find(numbers[i] + 1) end
  end
  return of
end

--- The key of one augmented variant of an image. What augmentation draws depends on the seed, the variant and the image's number.
---@param image string the image's hash
---@param augment table what the data set's augmentation is told by: see pipeline.identity
---@param seed integer the data set's
---@param variant integer from 0
---@param index integer the image's number, from 1
---@return string
function key.of_variant(image, augment, seed, variant, index)
  return core.hash(image .. core.json_encode { augment = augment, seed = seed, variant = variant, index = index })
end

return key
