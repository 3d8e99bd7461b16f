--- What a calibration found, in the cache: who asks later for the same network with the same weights on the same images, as a later process may, need
--- not find it again.
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local key = require "scion.cache.key"
local quantization = require "scion.ir.quantization"
local store = require "scion.cache.store"

local ranges = {}

--- What a place in the cache is for: see ranges.place.
---@class scion.KeptRanges
---@field store scion.Store
---@field key string
---@field nodes scion.Node[]
---@field stamps table<string, string> of the images' files, by path: whether they are still those that were hashed

--- Bytes of a row, which is as large for all calibrations of the same operations: the means, and room for the rest as JSON, where a byte of a name
--- takes up to 6. nil where a name is no text, which JSON has to be.
local function row_bytes(sought)
  local sum = 4096
  local function add(name, more) sum = sum and utf8.len(name) and sum + 6 * #name + more end
  for _, op in ipairs(sought.ops) do add(op.layer.name, 16) end
  for _, node in ipairs(sought.nodes) do add(node.layer.name, 4 * node.shape[3] + 256) end
  return sum
end

--- What is known of an operation's node and stays: what is looked for rests on it.
local function known_of(op)
  local node = op.node
  local range, mean = quantization.range(node), quantization.has_mean(node) and quantization.mean(op)
  return string.pack("<s4ddjs4", node.layer.name, range and range.low or 0, range and range.high or 0, quantization.stays_wide(node) and 1 or 0,
                     mean and core.hash(mean) or "")
end

--- All that is found depends on, except images: the values of these operations, by those that no other of them reads; what is looked for, and
--- what stays.
local function name_of(sought)
  local read, parts = {}, {}
  for _, op in ipairs(sought.ops) do
    for _, input in ipairs(op.inputs) do read[input] = true end
  end
  for _, node in ipairs(sought.nodes) do parts[#parts + 1] = string.pack("<s4j", node.layer.name, sought.ranged[node] and 1 or 0) end
  for _, op in ipairs(sought.ops) do
    if op.node and not read[op] then parts[#parts + 1] = key.of_node(op.node, "f32") end
    if op.node and not sought.ranged[op.node] then parts[#parts + 1] = known_of(op) end
  end
  return core.hash(table.concat(parts))
end

--- Where in the cache the ranges of these nodes on these images are, or will be.
---@param data scion.Dataset or a user's own, for which there is no place: nothing tells whether its images are the same
---@param numbers integer[][] lists of images, from 0
---@param sought scion.Sought
---@param compared string where results are compared, and how near they have to be
---@return scion.KeptRanges? nil, too, where a layer's name is no text that a file can hold
function ranges.place(data, numbers, sought, compared)
  local bytes = dataset.is(data) and row_bytes(sought)
  if not bytes then return nil end
  local parts, stamps = { name_of(sought), ("%s\n%s\n"):format(compared, data.max_pixels) }, {}
  for _, list in ipairs(numbers) do
    local images, stamped = key.of_images(data, list)
    for _, number in ipairs(list) do
      parts[#parts + 1] = images[number + 1] or "not read"
      if stamped then stamps[data.files[number + 1]] = stamped[number + 1] or nil end
    end
  end
  return { store = store.open(("ranges %d"):format(bytes), { bytes }, "u8"), key = core.hash(table.concat(parts)), nodes = sought.nodes, stamps = stamps }
end

--- Takes what is there: ranges and means are set. Returns what else was kept; nil if there is nothing.
---@param place scion.KeptRanges
---@return table? about
function ranges.take(place)
  local row = place.store:get(place.key)
  if not row then return nil end
  local text, at = string.unpack("<s4", row:bytes())
  local kept, channels = core.json_decode(text), 0
  for _, each in ipairs(kept.ranges) do channels = channels + each.channels end
  quantization.restore(place.nodes, { ranges = kept.ranges, means = core.from_bytes(row:bytes():sub(at, at + 4 * channels - 1), { channels }, "f32") })
  return kept.about
end

--- Keeps what is known of the nodes, unless a file has changed since it was hashed.
---@param place scion.KeptRanges
---@param about table what else is to be kept
function ranges.keep(place, about)
  local found = quantization.state(place.nodes)
  for path, stamp in pairs(place.stamps) do
    if core.file_stamp(path) ~= stamp then return end
  end
  if not found then return end
  local row = string.pack("<s4", core.json_encode { about = about, ranges = found.ranges }) .. found.means:bytes()
  assert(#row <= place.store.bytes)
  place.store:expect(1)
  place.store:put({ place.key }, { core.from_bytes(row .. ("\0"):rep(place.store.bytes - #row), { place.store.bytes }) })
end

return ranges
