-- A small Inception-like network as a whole: losses and every gradient against PyTorch in double precision.
local core = require "scion.core"
local scion = require "scion"
local small = dofile "spec/small_network.lua"

local function golden(statistics)
  local file <close> = assert(io.open "spec/fixtures/small_network.json")
  return core.json_decode(file:read "a")[statistics]
end

describe("a small network", function()
  for _, statistics in ipairs { "stored", "batch" } do
    it("has PyTorch's losses and gradients with " .. statistics .. " statistics", function()
      local expected, model = golden(statistics), small.model(statistics)
      local plan = small.step(model)
      assert.is_true(small.distance(core.place(model.arena, plan.losses, 3), expected.losses) < 1e-5)
      assert.is_true(small.distance(core.place(model.arena, plan.output, 3), expected.probabilities) < 1e-5)
      local count = 0
      for _, g in ipairs(plan.gradients) do
        local name = g.layer.name .. "/" .. g.parameter.name
        local distance = small.distance(core.place(model.arena, g.place), expected.gradients[name])
        assert.is_true(distance < 1e-4, ("%s differs by %g"):format(name, distance))
        count = count + 1
      end
      for _ in pairs(expected.gradients) do count = count - 1 end
      assert.equal(0, count)
    end)
  end

  it("moves the statistics as the formula says, and only when the step is accepted", function()
    local expected, model = golden "batch", small.model "batch"
    local norm = model:layer("shrink/norm").weights
    local before = norm.moving_mean:copy()
    local plan = small.step(model)
    assert.is_true(norm.moving_mean:equal(before))
    plan:commit(model.arena)
    for _, row in ipairs(model:layers()) do
      for _, name in ipairs { "moving_mean", "moving_variance" } do
        if row.weights[name] then
          assert.is_true(small.distance(row.weights[name], expected[row.name .. "/" .. name]) < 1e-5, row.name)
        end
      end
    end
  end)

  it("gives the same gradients for what trains, whatever is frozen around it", function()
    local expected = golden "stored"
    for _, freeze in ipairs { { first = 5 }, { upto = "block" }, { layers = "*/conv" }, { layers = "block/b/*" }, { layers = "*/norm" } } do
      local model = small.model "stored"
      model:freeze(freeze)
      local plan = small.step(model)
      assert.is_true(#plan.gradients > 0)
      for _, g in ipairs(plan.gradients) do
        assert.is_false(g.layer.frozen)
        local name = g.layer.name .. "/" .. g.parameter.name
        local distance = small.distance(core.place(model.arena, g.place), expected.gradients[name])
        assert.is_true(distance < 1e-4, ("%s differs by %g"):format(name, distance))
      end
    end
  end)

  it("gives gammas the same gradient whether they are folded or, above a frozen kernel, not", function()
    scion.seed(5)
    local x = scion.nn.depthwise_conv2d(3, { multiplier = 2, padding = "same", name = "deep/conv" })(scion.nn.input(6, 6, 3))
    x = scion.nn.relu6()(scion.nn.batch_norm { statistics = "stored", name = "deep/norm" }(x))
    x = scion.nn.dense(5, { name = "flat/units" })(scion.nn.global_avg_pool()(x))
    x = scion.nn.batch_norm { statistics = "stored", name = "flat/norm" }(x)
    local model = scion.model { output = scion.nn.dense(3, "softmax", { name = "out" })(x) }
    for _, row in ipairs(model:layers()) do
      for name, t in pairs(row.weights) do
        if name ~= "kernel" then core.copy(scion.uniform(t:shape(), 0.5, 1.5), t) end
      end
    end
    local batch = { images = scion.uniform({ 4, 6, 6, 3 }, -2, 2), labels = scion.tensor({ 0, 1, 2, 0 }, "i32") }
    local function gammas()
      local plan, found = model:plan_for { mode = "train", batch = 4, input_dtype = "f32", loss = "categorical" }, {}
      model:execute(plan, batch)
      for _, g in ipairs(plan.gradients) do
        if g.parameter.name == "gamma" then found[g.layer.name] = core.place(model.arena, g.place):totable() end
      end
      return found
    end
    local folded = gammas()
    model:freeze { layers = "deep/conv" }:freeze { layers = "flat/units" }
    local plain = gammas()
    for _, name in ipairs { "deep/norm", "flat/norm" } do
      assert.is_true(small.distance(scion.tensor(folded[name], "f32"), plain[name]) < 1e-4, name)
    end
  end)
end)
