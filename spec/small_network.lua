--- The network of fixtures/small_network.py, with its weights, images and labels.
local core = require "scion.core"
local scion = require "scion"
local shapes = require "scion.shape"
local nn = scion.nn

local small = {}

--- The same numbers as wave() in the script.
local function wave(count, phase, size, offset)
  local values = {}
  for i = 0, count - 1 do values[i + 1] = size * math.sin(0.7 * i * (1 + 0.001 * i) + phase) end
  return scion.tensor(values, "f32") + (offset or 0)
end

--- Gives all parameters their values: trainable ones count the phase, in the order in which the script makes them.
local function set_weights(order)
  local phase = 0
  local sizes = { kernel = 0.35, gamma = 0.3, beta = 0.2, bias = 0.1, moving_mean = 0.1, moving_variance = 0.4 }
  local dense = { hidden = 0.5, out = 0.8 }
  for _, layer in ipairs(order) do
    for _, p in ipairs(layer.parameters) do
      local shape = p.tensor:shape()
      local at = p.name == "moving_mean" and 1.0 or p.name == "moving_variance" and 2.0 or phase
      if not p.statistic then phase = phase + 1 end
      local offset = (p.name == "gamma" or p.name == "moving_variance") and 1.0 or 0.0
      local size = p.name == "kernel" and dense[layer.name] or sizes[p.name]
      core.copy(wave(shapes.elements(shape), at, size, offset):reshape(shape), p.tensor)
    end
  end
end

--- Builds it. statistics: of the batch norms.
---@param statistics "stored"|"batch"
---@return scion.Model
function small.model(statistics)
  local order = {}
  local function apply(layer, x)
    order[#order + 1] = layer
    return layer(x)
  end
  local function unit(x, name, filters, kernel, scale, options)
    local o = options or {}
    x = apply(nn.conv2d(filters, kernel, { stride = o.stride, padding = o.padding or "same", bias = false, name = name .. "/conv" }), x)
    x = apply(nn.batch_norm { scale = scale or false, momentum = 0.9, statistics = statistics, name = name .. "/norm" }, x)
    return nn.relu { name = name .. "/relu" }(x)
  end
  local x = nn.input { shape = { 11, 11, 3 }, preprocess = "tf" }
  x = unit(x, "stem", 8, 3, false, { stride = 2 })
  local a = unit(x, "block/a", 5, 1)
  local b = unit(x, "block/b", 6, 1, true)
  local b1, b2 = unit(b, "block/b1", 4, { 1, 3 }), unit(b, "block/b2", 4, { 3, 1 })
  local c = unit(nn.avg_pool(3, { stride = 1, padding = "same" })(x), "block/c", 3, 1)
  x = nn.concatenate() { a, nn.concatenate() { b1, b2 }, c }
  local y = unit(x, "residual/a", 8, 1, true)
  y = apply(nn.conv2d(16, 3, { padding = "same", bias = false, name = "residual/b/conv" }), y)
  y = apply(nn.batch_norm { momentum = 0.9, statistics = statistics, name = "residual/b/norm" }, y)
  x = nn.add { activation = "relu" } { x, y }
  local p = nn.max_pool(2)(x)
  local q = unit(x, "shrink", 16, 3, false, { stride = 2, padding = "valid" })
  q = nn.zero_pad({ 0, 0, p.shape[1] - q.shape[1], p.shape[2] - q.shape[2] })(q)
  local r = nn.add { activation = "relu" } { p, q }
  local gate = apply(nn.conv2d(16, 1, { bias = false, activation = "sigmoid", name = "gate/conv" }), r)
  x = nn.global_avg_pool()(nn.multiply() { r, gate })
  x = apply(nn.dense(7, "tanh", { name = "hidden" }), x)
  x = apply(nn.dense(4, "softmax", { name = "out" }), x)
  set_weights(order)
  return scion.model { output = x }
end

--- images, labels, weights of the three examples.
function small.batch()
  local n, values = 3 * 11 * 11 * 3, {}
  for i = 0, n - 1 do values[i + 1] = 127.5 + 127.5 * math.sin(0.37 * i * 1.3 + 0.5) end
  local images = scion.tensor(values, "f32"):to("u8"):reshape { 3, 11, 11, 3 }
  return { images = images, labels = scion.tensor({ 2, 0, 3 }, "i32"), weights = scion.tensor({ 0.5, 1.0, 1.5 }, "f32"), step = 0 }
end

--- Runs one training step's forward and backward; returns the plan.
function small.step(model)
  local plan = model:plan_for { mode = "train", batch = 4, input_dtype = "u8", loss = "categorical", weighted = true }
  assert(model:execute(plan, small.batch()))
  return plan
end

--- max|a - b| / max|b| of a tensor and a list.
function small.distance(tensor, list)
  local flat = tensor:reshape({ -1 }):totable()
  assert(#flat == #list, "sizes differ")
  local worst, size = 0, 0
  for i, b in ipairs(list) do
    worst = math.max(worst, flat[i] == flat[i] and math.abs(flat[i] - b) or math.huge)
    size = math.max(size, math.abs(b))
  end
  return worst / (size > 0 and size or 1)
end

return small
