-- Fits the costs of minimal filtering (lua/scion/machine.lua) to this machine: lua5.4 spec/bench/filtering.lua [BATCH] [ROUNDS]
-- Every convolution of some networks that minimal filtering can do is timed both ways, forward and for the gradient by its kernel, on
-- one thread in CPU time, the least of ROUNDS (5). Costs are fitted by least squares of relative errors. What is printed, beside
-- the fit: the layers for which the choice would change, and what all layers take by the constants in use, by the fitted ones, and at best.
local core = require "scion.core"
local filtering = require "scion.ir.filtering"
local machine = require "scion.machine"
local scion = require "scion"

local batch, rounds = math.tointeger(arg[1]) or 8, math.tointeger(arg[2]) or 5
local networks = { "inception_v3", "resnet50", "vgg16", "densenet121", "squeezenet1_1" }

--- The distinct layers: { what =, window =, x =, y = (shapes), counts = }.
local function layers()
  local list, known = {}, {}
  for _, name in ipairs(networks) do
    for _, node in ipairs(scion.models[name]({ input = 224 }).order) do
      local layer, x, y = node.layer, node.inputs[1] and node.inputs[1].shape, node.shape
      local counts = layer.kind == "conv2d" and filtering.counts(layer.window, x, y)
      local what = counts and ("%dx%d %d>%d %dx%d"):format(x[1], x[2], x[3], y[3], layer.window.kernel[1], layer.window.kernel[2])
      if counts and not known[what] then
        known[what] = true
        list[#list + 1] = { what = what, window = layer.window, x = x, y = y, counts = counts }
      end
    end
  end
  return list
end

--- The least CPU seconds that each of some calls takes for an image; they take turns.
local function measure(calls)
  local least = {}
  for round = 0, rounds do -- the first is not counted
    for name, call in pairs(calls) do
      local start = os.clock()
      core.run(call)
      local seconds = (os.clock() - start) / batch
      if round > 0 then least[name] = math.min(least[name] or seconds, seconds) end
    end
  end
  return least
end

--- Times a layer: seconds an image as { forward = { plain =, filtered = }, gradient = { … } }.
local function time(layer)
  local x <close> = scion.uniform({ batch, table.unpack(layer.x) }, -1, 1)
  local dy <close> = scion.uniform({ batch, table.unpack(layer.y) }, -1, 1)
  local y <close> = scion.zeros { batch, table.unpack(layer.y) }
  local shape = { layer.window.kernel[1], layer.window.kernel[2], layer.x[3], layer.y[3] }
  local kernel, dw, bias, calls = scion.uniform(shape, -0.1, 0.1), scion.zeros(shape), scion.zeros(layer.y[3]), {}
  for _, algorithm in ipairs { "conv2d", "winograd" } do
    local packed = core.new({ core[algorithm .. "_packed"](kernel, false) }, "f32")
    core.run { algorithm .. "_pack", kernel = kernel, packed = packed }
    calls[algorithm] = { algorithm .. "_forward", x = x, packed = packed, bias = bias, y = y, window = layer.window, activation = "relu" }
    calls[algorithm .. " gradient"] = { algorithm .. "_backward_weights", x = x, dy = dy, dw = dw, window = layer.window }
  end
  local seconds = measure(calls)
  return { forward = { plain = seconds.conv2d, filtered = seconds.winograd },
           gradient = { plain = seconds["conv2d gradient"], filtered = seconds["winograd gradient"] } }
end

-- ---- least squares

--- Solves a small system of normal equations by elimination; a is square, and a and b are overwritten.
local function solve(a, b)
  local n = #b
  for i = 1, n do
    for k = i + 1, n do
      local factor = a[k][i] / a[i][i]
      for j = i, n do a[k][j] = a[k][j] - factor * a[i][j] end
      b[k] = b[k] - factor * b[i]
    end
  end
  for i = n, 1, -1 do
    for j = i + 1, n do b[i] = b[i] - a[i][j] * b[j] end
    b[i] = b[i] / a[i][i]
  end
  return b
end

--- What one of each of these counts takes, so that their sums come nearest to the seconds; none takes less than nothing.
local function fit(list, names, seconds_of)
  local a, b = {}, {}
  for i, name in ipairs(names) do
    a[i], b[i] = {}, 0
    for _, layer in ipairs(list) do b[i] = b[i] + layer.counts[name] / seconds_of(layer) end
    for j, other in ipairs(names) do
      a[i][j] = 0
      for _, layer in ipairs(list) do a[i][j] = a[i][j] + layer.counts[name] * layer.counts[other] / seconds_of(layer) ^ 2 end
    end
  end
  local found, left = {}, {}
  for i, cost in ipairs(solve(a, b)) do
    found[names[i]] = math.max(cost, 0)
    if cost > 0 then left[#left + 1] = names[i] end
  end
  if #left == #names then return found end
  for name, cost in pairs(fit(list, left, seconds_of)) do found[name] = cost end
  return found
end

--- Costs of one direction, in the time of a multiply-add of plain sums forward.
local function fit_costs(list, direction, unit)
  local plain = fit(list, { "plain" }, function(layer) return layer.seconds[direction].plain end)
  local filtered = fit(list, { "products", "transforms", "weights" }, function(layer) return layer.seconds[direction].filtered end)
  unit = unit or plain.plain
  return { plain = plain.plain / unit, product = filtered.products / unit, transform = filtered.transforms / unit,
           weight = filtered.weights / unit }, unit
end

-- ---- choices

local function chooses(layer, costs) return filtering.gain(layer.window, layer.x, layer.y, costs) > machine.filtering.least_gain end

--- Milliseconds an image that all layers take where minimal filtering computes those that `choose` says.
local function total(list, direction, choose)
  local sum = 0
  for _, layer in ipairs(list) do
    local seconds = layer.seconds[direction]
    sum = sum + 1e3 * (choose(layer, seconds) and seconds.filtered or seconds.plain)
  end
  return sum
end

--- How far the gains by these costs are from the measured ones: the root of the mean square of the logarithm, as a factor.
local function error_of(list, direction, costs)
  local sum = 0
  for _, layer in ipairs(list) do
    local seconds = layer.seconds[direction]
    sum = sum + math.log(filtering.gain(layer.window, layer.x, layer.y, costs) * seconds.filtered / seconds.plain) ^ 2
  end
  return math.exp(math.sqrt(sum / #list))
end

local function show(costs)
  return ("{ plain = %.3g, product = %.3g, transform = %.3g, weight = %.3g }"):format(costs.plain, costs.product, costs.transform, costs.weight)
end

local function report(list, direction, in_use, fitted)
  print(("\n%s\n  in use %s, gains off by a factor of %.2f\n  fitted %s, off by %.2f"):format(direction, show(in_use),
    error_of(list, direction, in_use), show(fitted), error_of(list, direction, fitted)))
  for _, layer in ipairs(list) do
    local seconds = layer.seconds[direction]
    local now, then_, gain = chooses(layer, in_use), chooses(layer, fitted), seconds.plain / seconds.filtered
    if now ~= then_ or now ~= (gain > machine.filtering.least_gain) then
      print(("  %-22s %7.3f ms plain, %7.3f filtered: %.2f times as fast; in use %s, fitted %s"):format(layer.what, 1e3 * seconds.plain,
        1e3 * seconds.filtered, gain, now and "filtered" or "plain", then_ and "filtered" or "plain"))
    end
  end
  print(("  all layers, ms an image: plain %.1f, in use %.1f, fitted %.1f, best %.1f"):format(
    total(list, direction, function() return false end), total(list, direction, function(layer) return chooses(layer, in_use) end),
    total(list, direction, function(layer) return chooses(layer, fitted) end),
    total(list, direction, function(_, seconds) return seconds.plain > machine.filtering.least_gain * seconds.filtered end)))
end

scion.threads(1)
local list = layers()
print(("%s, batch %d, %d layers"):format(core.isa(), batch, #list))
for _, layer in ipairs(list) do layer.seconds = time(layer) end
local forward, unit = fit_costs(list, "forward")
report(list, "forward", machine.filtering.forward, forward)
report(list, "gradient", machine.filtering.gradient, (fit_costs(list, "gradient", unit)))
