--- Ranges of values, and the codes by which a byte stands for a number in such a range: code c is (c - zero) * scale.
local core = require "scion.core"
local graph = require "scion.graph"

local quantization = {}

---@class scion.Range
---@field low number at most 0, so that 0 has a code
---@field high number at least 0
---@field version integer of the weights that the values depend on: see graph.version
---@field images integer on which it was found; 0 if these tell little of others, so that the next call finds it anew

---@class scion.Codes
---@field scale number
---@field zero integer 0 .. 255
---@field low number of the range that they follow from
---@field high number

local ranges = setmetatable({}, { __mode = "k" }) -- by node
local wide = setmetatable({}, { __mode = "k" }) -- by node whose operation stays in f32: the version of the weights for which it does
local revision = 0

--- A number that changes whenever a range or what stays wide does: a plan of precision int8 depends on them.
---@return integer
function quantization.revision() return revision end

--- The range of a node's values; nil if there is none, or if weights that they depend on have changed since.
---@param node scion.Node
---@return scion.Range?
function quantization.range(node)
  local range = ranges[node]
  return range and range.version == graph.version(graph.weights(node)) and range or nil
end

--- Keeps the range of a node's values, for the weights as they are.
---@param node scion.Node
---@param low number
---@param high number
---@param images integer on which it was found: see scion.Range
function quantization.set_range(node, low, high, images)
  ranges[node] = { low = math.min(low, 0.0), high = math.max(high, 0.0), version = graph.version(graph.weights(node)), images = images }
  wide[node] = nil
  revision = revision + 1
end

local means = setmetatable({}, { __mode = "k" }) -- by node: { mean, version of the weights that it depends on, images as of scion.Range }

--- The mean of each channel of an operation's output, f32 [C]; nil if it is not known.
---@param op scion.Operation
---@return scion.Tensor?
function quantization.mean(op)
  local node = op.node or op.inputs[1].node -- a conversion has none
  return node and means[node] and means[node].mean
end

--- Keeps the means: in the tensor that packed kernels were made with, so that they notice.
---@param node scion.Node
---@param mean scion.Tensor
---@param images integer on which it was found: see scion.Range
function quantization.set_mean(node, mean, images)
  means[node] = means[node] or { mean = core.new(mean:shape()) }
  core.copy(mean, means[node].mean)
  means[node].version, means[node].images = graph.version(graph.weights(node)), images
end

--- Whether the mean of a node's channels is that for the weights as they are, and was found on so many images.
---@param node scion.Node
---@param enough? integer (0)
---@return boolean
function quantization.has_mean(node, enough)
  local known = means[node]
  return known ~= nil and known.version == graph.version(graph.weights(node)) and known.images >= (enough or 0)
end

--- Gives up what is known of a node.
---@param node scion.Node
function quantization.forget(node)
  ranges[node], wide[node] = nil, nil
  if means[node] then means[node].version = nil end
  revision = revision + 1
end

--- Says that the images on which a node's range and mean were found tell little of others.
---@param node scion.Node
function quantization.doubt(node)
  if ranges[node] then ranges[node].images = 0 end
  if means[node] then means[node].images = 0 end
end

--- Whether the operation that computes a node stays in f32, since bytes would lose too much there.
---@param node scion.Node?
---@return boolean
function quantization.stays_wide(node)
  return node == nil or wide[node] ~= nil and wide[node] == graph.version(graph.weights(node))
end

---@param node scion.Node
---@param stays boolean
function quantization.keep_wide(node, stays)
  wide[node] = stays and graph.version(graph.weights(node)) or nil
  revision = revision + 1
end

---@class scion.SavedRange
---@field node string the layer's name
---@field channels integer of its mean
---@field low number? nil: it has no range, or one that no longer holds
---@field high number?
---@field images integer? on which range and mean were found (0)
---@field wide boolean? whether its operation stays in f32

--- What is known of nodes, for a file: what holds for the weights as they are.
---@param order scion.Node[]
---@return { ranges: scion.SavedRange[], means: scion.Tensor }? nil where no layer's range is; means: one behind the other
function quantization.state(order)
  local list, known, some = {}, {}, false
  for _, node in ipairs(order) do
    local range, mean = quantization.range(node), quantization.has_mean(node) and means[node].mean
    if mean then
      list[#list + 1] = { node = node.layer.name, channels = #mean, low = range and range.low, high = range and range.high, images = means[node].images,
                          wide = quantization.stays_wide(node) or nil }
      some = some or range ~= nil and node.layer.kind ~= "input"
      known[#known + 1] = mean
    end
  end
  return some and { ranges = list, means = core.concat(known) } or nil
end

--- Takes back what `state` has given, for the weights as they are now.
---@param order scion.Node[] of the model that it is of
---@param saved { ranges: scion.SavedRange[], means: scion.Tensor }
function quantization.restore(order, saved)
  local by_name, at = {}, 0
  for _, node in ipairs(order) do by_name[node.layer.name] = node end
  for _, each in ipairs(saved.ranges) do
    local node = by_name[each.node]
    quantization.set_mean(node, saved.means:slice(1, at + 1, at + each.channels), each.images or 0)
    if each.low then quantization.set_range(node, each.low, each.high, each.images or 0) end
    if each.wide then quantization.keep_wide(node, true) end
    at = at + each.channels
  end
end

--- The codes of numbers from low to high.
local function codes_of(low, high)
  local scale = (high - low) / 255
  if not (scale > 0) then return { scale = 1.0, zero = 0, low = low, high = high } end
  return { scale = scale, zero = math.floor(-low / scale + 0.5), low = low, high = high }
end

--- Whether an operation can hand on codes as they are: its values lie in the range of its inputs. An average that counts padding takes it
--- for code 0.
---@param op scion.Operation
---@return boolean
function quantization.carries(op)
  return not op.grad and not op.batch_statistics and (op.identity or op.layer.int8 == "carries") and not op.layer.options.include_padding
end

--- The range of an operation's own values: of the input of a plan that begins within a network that of the node there.
local function own_range(op, from)
  if op.layer.kind == "input" and from then return from end
  return op.node and not op.grad and quantization.range(op.node) or nil
end

--- Joins an operation that carries codes with its inputs, unless one of these has no range.
local function join(op, inputs, group_of)
  for _, input in ipairs(inputs) do
    if not group_of[input].low then return end
  end
  local into = { low = 0.0, high = 0.0, members = { op } }
  group_of[op] = into
  for _, input in ipairs(inputs) do
    local from = group_of[input]
    into.low, into.high = math.min(into.low, from.low), math.max(into.high, from.high)
    for _, member in ipairs(from ~= into and from.members or {}) do
      group_of[member] = into
      into.members[#into.members + 1] = member
    end
  end
end

--- The codes of the operations' outputs, if they were bytes. Operations that carry codes have one range with their inputs: the range of
--- all of them. What has no range has no codes, nor has an operation that would carry those of such an input.
---@param ops scion.Operation[]
---@param from? scion.Codes of the input's values, in a plan that begins within a network
---@return table<scion.Operation, scion.Codes>
function quantization.of(ops, from)
  local group_of, codes = {}, {}
  for _, op in ipairs(ops) do
    local carries = quantization.carries(op)
    local range = not carries and own_range(op, from) or nil
    group_of[op] = { low = range and range.low, high = range and range.high, members = { op } }
    if carries then join(op, op.inputs, group_of) end
  end
  for op, group in pairs(group_of) do
    group.codes = group.codes or group.low and codes_of(group.low, group.high)
    codes[op] = group.codes
  end
  return codes
end

return quantization
