--- What a calibration found, in the cache's files: a later process that asks for the same network with the same weights on the same images need not
--- find it again.
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

--- Bytes of a row, which is as large for all calibrations of the same nodes: the means, and room for the rest as JSON.
local function row_bytes(nodes)
  local sum = 1024
  for _, node in ipairs(nodes) do sum = sum + 4 * node.shape[3] + 4 * #node.layer.name + 256 end
  return sum
end

--- What is known of a node and stays: what is looked for rests on it.
local function known_of(node)
  local range, mean = quantization.range(node), quantization.has_mean(node) and quantization.mean { node = node }
  return string.pack("<s4ddjs4", node.layer.name, range and range.low or 0, range and range.high or 0, quantization.stays_wide(node) and 1 or 0,
                     mean and core.hash(mean) or "")
end

--- All that is found depends on, except images: the values of these operations, by those that no other of them reads; what is looked for, and
--- what stays.
local function name_of(ops, nodes, ranged)
  local read, parts = {}, {}
  for _, op in ipairs(ops) do
    for _, input in ipairs(op.inputs) do read[input] = true end
  end
  for _, node in ipairs(nodes) do parts[#parts + 1] = string.pack("<s4j", node.layer.name, ranged[node] and 1 or 0) end
  for _, op in ipairs(ops) do
    if op.node and not read[op] then parts[#parts + 1] = key.of_node(op.node, "f32") end
    if op.node and not ranged[op.node] then parts[#parts + 1] = known_of(op.node) end
  end
  return core.hash(table.concat(parts))
end

--- Where in the cache the ranges of these nodes on these images are, or will be.
---@param data scion.Dataset or a user's own, for which there is no place: nothing tells whether its images are the same
---@param numbers integer[][] lists of images, from 0
---@param ops scion.Operation[]
---@param nodes scion.Node[] whose means are needed
---@param ranged table<scion.Node, boolean> and whose ranges, too
---@return scion.KeptRanges?
function ranges.place(data, numbers, ops, nodes, ranged)
  if not dataset.is(data) then return nil end
  local parts, bytes = { name_of(ops, nodes, ranged) }, row_bytes(nodes)
  for _, list in ipairs(numbers) do
    local images = key.of_images(data, list)
    for i, number in ipairs(list) do list[i] = images[number + 1] or "?" end
    parts[#parts + 1] = table.concat(list)
  end
  return { store = store.open(("ranges %d"):format(bytes), { bytes }, "u8"), key = core.hash(table.concat(parts)), nodes = nodes }
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

--- Keeps what is known of the nodes, if it fits.
---@param place scion.KeptRanges
---@param about table what else is to be kept
function ranges.keep(place, about)
  local found = quantization.state(place.nodes)
  local row = found and string.pack("<s4", core.json_encode { about = about, ranges = found.ranges }) .. found.means:bytes()
  if not row or #row > place.store.bytes then return end
  place.store:expect(1)
  place.store:put({ place.key }, { core.from_bytes(row .. ("\0"):rep(place.store.bytes - #row), { place.store.bytes }) })
end

return ranges
