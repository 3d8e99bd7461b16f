-- What a plan gives besides its output: values of nodes on the way, and gradients with respect to them.
local core = require "scion.core"
local scion = require "scion"
local nn = scion.nn

-- Blocks with a branch, an addition and a concatenation, so that values lie in slices and are read more than once.
local function network()
  scion.seed(5)
  local x = nn.conv2d(6, 3, { padding = "same", activation = "relu", name = "a" })(nn.input(9, 7, 3))
  local left = nn.relu { name = "left" }(nn.batch_norm { statistics = "stored", name = "norm" }(nn.conv2d(4, 1, { name = "conv" })(x)))
  local right = nn.conv2d(4, 3, { padding = "same", name = "right" })(x)
  x = nn.concatenate { name = "both" } { left, right, nn.add { name = "sum" } { left, right } }
  x = nn.relu { name = "b" }(nn.conv2d(8, 3, { stride = 2, name = "c" })(nn.zero_pad(1, { name = "pad" })(x)))
  return scion.model { output = nn.dense(5, "softmax", { name = "head" })(nn.dropout(0.5)(nn.global_avg_pool { name = "pool" }(x))) }
end

local function node(model, name)
  for _, each in ipairs(model.order) do
    if each.layer.name == name then return each end
  end
end

local images = core.from_table((function()
  local list = {}
  for i = 1, 2 * 9 * 7 * 3 do list[i] = (i * i * 37) % 256 end
  return list
end)(), "u8"):reshape(2, 9, 7, 3)

local function run(model, request, seed)
  request.mode, request.batch, request.input_dtype = "infer", 3, "u8"
  local plan = model:plan_for(request)
  assert.is_true(model:execute(plan, { images = images, seed = seed }))
  return plan, function(place) return core.place(model.arena, place, 2):copy() end
end

local names = { "a", "conv", "norm", "left", "right", "both", "sum", "pad", "c", "b", "pool" }

describe("a plan", function()
  it("gives the values of nodes that it is asked for, as a model that ends there", function()
    local model = network()
    for _, precision in ipairs { "f32", "bf16" } do
      local taps = {}
      for i, name in ipairs(names) do taps[i] = node(model, name) end
      local plan, value = run(model, { taps = taps, precision = precision })
      local found = {}
      for i, tap in ipairs(taps) do found[i] = value(plan.taps[tap]) end
      local output = value(plan.output)
      for i, name in ipairs(names) do
        local part = model:upto(name)
        local short, of = run(part, { precision = precision })
        local difference = (found[i] - of(short.output)):abs():max()
        assert(difference <= (precision == "f32" and 1e-5 or 0.05) * (1 + found[i]:abs():max()), name .. ": " .. difference)
      end
      local whole, of = run(model, { precision = precision })
      assert.is_true((output - of(whole.output)):abs():max() < (precision == "f32" and 1e-6 or 0.02))
    end
  end)

  it("gives gradients of a logit with respect to nodes, as differences tell", function()
    local model = network()
    local of_names = { "b", "both", "left", "a", "right" }
    local nodes = {}
    for i, name in ipairs(of_names) do nodes[i] = node(model, name) end
    local seed = core.from_table({ 0, 1, 0, 0, 0, 0, 0, 0.5, 0, -2 }, "f32"):reshape(2, 5)
    local plan, value = run(model, { taps = nodes, gradients_of = nodes }, seed)
    local gradients, values = {}, {}
    for i, each in ipairs(nodes) do gradients[i], values[i] = value(plan.node_gradients[each]), value(plan.taps[each]) end
    local logits = value(plan.output)
    local whole, of = run(model, {})
    local shown = of(whole.output)
    local applied = core.new({ 2, 5 }, "f32")
    core.run { "softmax_forward", x = logits, y = applied }
    assert.is_true((shown - applied):abs():max() < 1e-6)
    for _, i in ipairs { 1, 2, 4 } do -- those at which the network can be cut
      local each = nodes[i]
      local rest = model:plan_for { mode = "infer", batch = 3, input_dtype = "f32", from = each, gradients_of = { node(model, "pool") } }
      local function score(x)
        assert.is_true(model:execute(rest, { images = x, seed = seed }))
        local rows = core.place(model.arena, rest.output, 2) * seed
        return rows:sum()
      end
      local base, direction = values[i], scion.randn(values[i]:shape())
      local h = 2.0 ^ -10
      local numeric = (score(base + direction * h) - score(base - direction * h)) / (2 * h)
      local exact = (gradients[i] * direction):sum()
      assert.is_true(math.abs(exact) > 0.01)
      assert(math.abs(numeric - exact) < 2e-3 * (1 + math.abs(exact)), ("%s: %g and %g"):format(of_names[i], numeric, exact))
    end
  end)

  it("that gives gradients changes nothing that another plan computes", function()
    local model = network()
    local before, of = run(model, {})
    local expected = of(before.output)
    run(model, { gradients_of = { node(model, "b") } }, core.full({ 2, 5 }, 1))
    local after, again = run(model, {})
    assert.equal(0, (expected - again(after.output)):abs():max())
  end)
end)
