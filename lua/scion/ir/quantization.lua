--- Ranges of values, and the codes by which a byte stands for a number in such a range: code c is (c - zero) * scale.
local core = require "scion.core"
local graph = require "scion.graph"

local quantization = {}

---@class scion.Range
---@field low number at most 0, so that 0 has a code
---@field high number at least 0
---@field version integer of the weights that the values depend on: see graph.version

---@class scion.Codes
---@field scale number
---@field zero integer 0 .. 255

local ranges = setmetatable({}, { __mode = "k" }) -- by node
local wide = setmetatable({}, { __mode = "k" }) -- nodes whose operations stay in f32
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
function quantization.set_range(node, low, high)
  ranges[node] = { low = math.min(low, 0.0), high = math.max(high, 0.0), version = graph.version(graph.weights(node)) }
  wide[node] = nil
  revision = revision + 1
end

--- Gives up the range of a node's values.
---@param node scion.Node
function quantization.forget(node)
  ranges[node], wide[node] = nil, nil
  revision = revision + 1
end

local means = setmetatable({}, { __mode = "k" }) -- by node

--- The mean of each channel of an operation's output, f32 [C]; nil if it is not known.
---@param op scion.Operation
---@return scion.Tensor?
function quantization.mean(op)
  local node = op.node or op.inputs[1].node -- a conversion has none
  return node and means[node]
end

--- Keeps the means: in the tensor that packed kernels were made with, so that they notice.
---@param node scion.Node
---@param mean scion.Tensor
function quantization.set_mean(node, mean)
  means[node] = means[node] or core.new(mean:shape())
  core.copy(mean, means[node])
end

--- Whether the operation that computes a node stays in f32, since bytes would lose too much there.
---@param node scion.Node?
---@return boolean
function quantization.stays_wide(node) return node == nil or wide[node] == true end

---@param node scion.Node
---@param stays boolean
function quantization.keep_wide(node, stays)
  wide[node] = stays or nil
  revision = revision + 1
end

---@class scion.SavedRange
---@field node string the layer's name
---@field channels integer of its mean
---@field low number? nil: it has no range, or one that no longer holds
---@field high number?
---@field wide boolean? whether its operation stays in f32

--- What is known of nodes, for a file: ranges that hold, and means.
---@param order scion.Node[]
---@return { ranges: scion.SavedRange[], means: scion.Tensor }? nil where nothing is; means: one behind the other
function quantization.state(order)
  local list, known = {}, {}
  for _, node in ipairs(order) do
    local range, mean = quantization.range(node), means[node]
    if mean then
      list[#list + 1] = { node = node.layer.name, channels = #mean, low = range and range.low, high = range and range.high, wide = wide[node] }
      known[#known + 1] = mean
    end
  end
  return known[1] and { ranges = list, means = core.concat(known) } or nil
end

--- Takes back what `state` has given, for the weights as they are now.
---@param order scion.Node[] of the model that it is of
---@param saved { ranges: scion.SavedRange[], means: scion.Tensor }
function quantization.restore(order, saved)
  local by_name, at = {}, 0
  for _, node in ipairs(order) do by_name[node.layer.name] = node end
  for _, each in ipairs(saved.ranges) do
    local node = by_name[each.node]
    quantization.set_mean(node, saved.means:slice(1, at + 1, at + each.channels))
    if each.low then quantization.set_range(node, each.low, each.high) end
    if each.wide then quantization.keep_wide(node, true) end
    at = at + each.channels
  end
end

--- The codes of numbers from low to high.
local function codes_of(low, high)
  local scale = (high - low) / 255
  if not (scale > 0) then return { scale = 1.0, zero = 0 } end
  return { scale = scale, zero = math.floor(-low / scale + 0.5) }
end

--- Whether an operation can hand on codes as they are: its values lie in the range of its inputs. An average that counts padding takes it
--- for code 0.
---@param op scion.Operation
---@return boolean
function quantization.carries(op)
  return not op.grad and not op.batch_statistics and (op.identity or op.layer.int8 == "carries") and not op.layer.options.include_padding
end

--- The codes of the operations' outputs, if they were bytes. Operations that carry codes have one range with their inputs: the range of
--- all of them. Where one of them that
--- computes has none, they have no codes.
---@param ops scion.Operation[]
---@return table<scion.Operation, scion.Codes>
function quantization.of(ops)
  local group_of, members = {}, {}
  for _, op in ipairs(ops) do
    group_of[op], members[op] = op, { op }
    for _, input in ipairs(quantization.carries(op) and op.inputs or {}) do
      local from, into = group_of[input], group_of[op]
      for _, member in ipairs(from ~= into and members[from] or {}) do
        group_of[member] = into
        table.insert(members[into], member)
      end
      if from ~= into then members[from] = nil end
    end
  end
  local codes = {}
  for _, group in pairs(members) do
    local low, high = 0.0, 0.0
    for _, op in ipairs(group) do
      if not quantization.carries(op) then
        local range = op.node and not op.grad and quantization.range(op.node)
        low, high = range and low and math.min(low, range.low), range and high and math.max(high, range.high)
      end
    end
    for _, op in ipairs(low and group or {}) do codes[op] = codes_of(low, high) end
  end
  return codes
end

return quantization
