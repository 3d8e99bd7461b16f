--- The weights and images of spec/fixtures/models/rule.py, and what a model makes of them.
local core = require "scion.core"
local publisher_name = require("scion.models.builder").publisher_name
local scion = require "scion"

local rule = {}

--- FNV-1a, 32 bits.
---@param name string
---@return integer
function rule.stream(name)
  local h = 2166136261
  for i = 1, #name do h = (h ~ name:byte(i)) * 16777619 & 0xFFFFFFFF end
  return h
end

local ranges = { beta = { -0.2, 0.2 }, bias = { -0.2, 0.2 }, slope = { 0.1, 0.5 }, moving_mean = { -0.2, 0.2 }, moving_variance = { 0.6, 1.4 },
                 mean = { 0.2, 0.6 }, variance = { 0.04, 0.06 } }

--- Golden numbers of whole networks, by variant and by name.
---@return table<string, table>
function rule.golden()
  local function read(name)
    local file <close> = assert(io.open(("spec/fixtures/models/%s.json"):format(name), "rb"))
    return core.json_decode(file:read "a")
  end
  local golden = read "efficientnets"
  for _, publisher in ipairs { "torchvision", "keras" } do golden[publisher] = read(publisher) end
  for name, case in pairs(read "timm") do golden.timm[name] = case end
  return golden
end

--- Gives every parameter its value. A layer's streams are named as PyTorch calls it or, for Keras, by its index.
---@param model scion.Model
---@param publisher "keras"|"torchvision"|"tf"|"timm"
---@param gamma number[] range
function rule.fill(model, publisher, gamma)
  for i, node in ipairs(model.order) do
    local layer = node.layer
    local title = publisher == "keras" and ("%d"):format(i - 1) or publisher_name(layer, "torchvision")
    for _, p in ipairs(layer.parameters) do
      local shape, name = p.tensor:shape(), p.name
      if name == "kernel" and layer.kind == "depthwise_conv2d" then name = "depthwise_kernel" end
      local range = name == "gamma" and gamma or ranges[name]
      if name:find "kernel" then
        local fan_in = 1
        for k = 1, name == "depthwise_kernel" and 2 or #shape - 1 do fan_in = fan_in * shape[k] end
        range = { -math.sqrt(6 / fan_in), math.sqrt(6 / fan_in) }
      end
      if range then core.fill_uniform(p.tensor, 1, rule.stream(title .. "/" .. name), range[1], range[2]) end
    end
  end
end

--- The first two images, u8.
---@param size integer|integer[]
---@return scion.Tensor
function rule.images(size)
  local height, width = table.unpack(type(size) == "table" and size or { size, size })
  local pixels = 2 * height * width * 3
  local noise = core.uniform({ pixels }, 1, rule.stream "images", 0, 128):totable()
  local offset = core.uniform({ 2 * 3 }, 1, rule.stream "offsets", 0, 128):totable()
  for i = 0, pixels - 1 do
    noise[i + 1] = noise[i + 1] // 1 + offset[i // (height * width * 3) * 3 + i % 3 + 1] // 1
  end
  return scion.tensor(noise, "u8"):reshape { 2, height, width, 3 }
end

local function share(model, like)
  local of = {}
  for _, node in ipairs(like.order) do of[node.layer.name] = node.layer.parameters end
  for _, node in ipairs(model.order) do
    for k, p in ipairs(node.layer.parameters) do p.tensor = of[node.layer.name][k].tensor end
  end
end

--- Builds the model of a fixture, without its last activation, so that it gives logits.
---@param name string
---@param publisher "keras"|"torchvision"|"tf"|"timm"
---@param case table size, gamma, classes, top, options
---@param like scion.Model? one of the same case, whose weights it shares
---@return scion.Model
function rule.model(name, publisher, case, like)
  local given = { variant = publisher, input = case.size, top = case.top, classes = case.classes, batch_norm = "stored" }
  for key, value in pairs(case.options or {}) do given[key] = value end
  local model = require("scion.layer").without_initial_values(function() return scion.models[name](given) end)
  if like then share(model, like) else rule.fill(model, publisher, case.gamma) end
  if not case.top then return model:graft { scion.nn.global_avg_pool() } end
  local last = model.output.layer
  if last.kind == "activation" then return model:upto(model.output.inputs[1].layer.name) end
  last.options.activation = false
  return model
end

--- The logits of the two images, flat.
---@param model scion.Model
---@param size integer|integer[]
---@return scion.Tensor
function rule.logits(model, size) return model:features(rule.images(size), model.output.layer.name, { cache = false }):reshape { -1 } end

--- The gradients of a training step: by publisher's name of the layer, flat lists.
---@param model scion.Model
---@param publisher "keras"|"torchvision"|"tf"|"timm"
---@param size integer
---@return table<string, scion.Tensor>
function rule.gradients(model, publisher, size)
  for _, node in ipairs(model.order) do node.layer.frozen = node.layer.kind == "dropout" end
  local plan = model:plan_for { mode = "train", batch = 2, input_dtype = "u8", loss = "categorical" }
  assert(model:execute(plan, { images = rule.images(size), labels = scion.tensor({ 1, 4 }, "i32"), step = 0 }))
  local index, found = {}, {}
  for i, node in ipairs(model.order) do index[node.layer] = ("%d"):format(i - 1) end
  for _, g in ipairs(plan.gradients) do
    if g.parameter.name:find "kernel" then
      local title = publisher == "keras" and index[g.layer] or publisher_name(g.layer, "torchvision")
      found[title] = core.place(model.arena, g.place, 2):reshape { -1 }
    end
  end
  return found
end

--- max|a - b| / max|b| for a tensor and the elements of another that sample() in rule.py kept; a NaN is infinitely far.
---@param tensor scion.Tensor flat
---@param kept { places: integer[], values: number[], max: number }
---@return number
function rule.distance(tensor, kept)
  local worst = 0
  for i, place in ipairs(kept.places) do
    local value = tensor:get(place + 1)
    worst = math.max(worst, value == value and math.abs(value - kept.values[i]) or math.huge)
  end
  return worst / kept.max
end

--- "00ab12cd1234": hashes of a layer's kind, shape and weights, and of its name in Keras, as layers() in from_keras.py has them.
---@param node scion.Node
---@return string what, string name, string text what was hashed
function rule.describe(node)
  local layer, weights = node.layer, {}
  for i, p in ipairs(layer.parameters) do
    local name = p.name == "kernel" and layer.kind == "depthwise_conv2d" and "depthwise_kernel" or p.name
    weights[i] = name .. ":" .. table.concat(p.tensor:shape(), "x")
  end
  local text = ("%s %s %s"):format(layer.kind, table.concat(node.shape, "x"), table.concat(weights, " "))
  return ("%08x"):format(rule.stream(text)), ("%04x"):format(rule.stream(publisher_name(layer, "keras")) & 0xFFFF), text
end

--- The standard deviation of a list.
---@param list number[]
---@return number
function rule.deviation(list)
  local mean, square = 0, 0
  for _, v in ipairs(list) do mean, square = mean + v / #list, square + v * v / #list end
  return math.sqrt(square - mean * mean)
end

return rule
