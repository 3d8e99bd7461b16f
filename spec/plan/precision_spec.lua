-- Plans whose frozen part is in bf16: which values are, where conversions stand, how near the results are; and what a CPU without bf16 does.
local core = require "scion.core"
local files = dofile "spec/support/files.lua"
local precision = require "scion.precision"
local scion = require "scion"
local small = dofile "spec/small_network.lua"
local plans = dofile "spec/support/plans.lua"
local kernels, call_of, farthest = plans.kernels, plans.call_of, plans.farthest
local nn, unit = scion.nn, plans.unit

local function network() return plans.network() end

local frozen = { frozen = "bf16" }

local function plan(model, mode, wanted) return plans.made(model, mode, wanted or frozen) end

--- Outputs of the network of fixtures/small_network.py.
local function outputs(model, wanted)
  local made = model:plan_for { mode = "infer", batch = 4, input_dtype = "u8", precision = wanted }
  assert(model:execute(made, { images = small.batch().images }))
  return core.place(model.arena, made.output, 3):copy()
end

describe("a plan in bf16", function()
  local before = precision.emulates
  setup(function() precision.emulates = true end)
  teardown(function() precision.emulates = before end)

  it("computes below the frontier in bf16, writes f32 at it, and converts nothing", function()
    local model = network()
    model:freeze { upto = "b" }
    local made = plan(model, "train")
    local count = kernels(made)
    assert.equal(2, count.conv2d_bf16_forward)
    assert.equal(1, count.conv2d_forward)
    assert.equal(1, count.conv2d_backward_weights)
    assert.is_nil(count.copy)
    assert.equal("bf16", call_of(made, "preprocess").y.dtype)
    assert.equal("bf16", call_of(made, "max_pool_forward").x.dtype)
    assert.equal("f32", call_of(made, "max_pool_forward").y.dtype) -- both branches, straight into what the trainable part reads
    assert.equal("f32", call_of(made, "conv2d_forward").x.dtype)
    assert.equal("frozen bf16, trained f32", made.precision)
  end)

  it("is the plan in f32 where everything trains", function()
    local model = network()
    local bf16, f32 = kernels(plan(model, "train")), kernels(plan(model, "train", "f32"))
    assert.same(f32, bf16)
    assert.is_nil(bf16.conv2d_bf16_forward)
  end)

  it("gives its output in f32, and needs less memory", function()
    local model = network()
    local made, wide = plan(model, "infer"), plan(model, "infer", "f32")
    assert.equal(3, kernels(made).conv2d_bf16_forward)
    assert.is_nil(kernels(made).copy)
    assert.equal("f32", call_of(made, "dense_forward").x.dtype)
    assert.is_true(made.arena_bytes < wide.arena_bytes)
    assert.is_nil(kernels(wide).conv2d_bf16_forward)
    assert.is_true(model:plan { mode = "infer" }.seconds_per_image > 0)
  end)

  it("converts once what readers want in both, and around a layer that knows f32 alone", function()
    local x = unit(nn.input(4, 4, 3), "a", 4, 1)
    local y = nn.multiply() { nn.conv2d(4, 1, { name = "b" })(x), nn.softmax()(x) }
    y = nn.multiply() { y, nn.softmax()(x) }
    local model = scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.flatten()(nn.zero_pad(1)(y))) }
    local count = kernels(plan(model, "infer"))
    assert.equal(2, count.conv2d_bf16_forward)
    assert.equal(3, count.copy) -- x for both, and what each gives for its product
    model:freeze { layers = "a" }
    local made = plan(model, "train") -- b trains, so that all readers of x but none want bf16
    assert.is_nil(kernels(made).copy)
    assert.equal("f32", call_of(made, "conv2d_bf16_forward").y.dtype)
  end)

  it("agrees with f32 on a network of all joints, to the precision of bf16", function()
    local model = small.model "stored"
    local wide, narrow = outputs(model, "f32"), outputs(model, "bf16")
    local distance = farthest(narrow, wide)
    assert.is_true(distance > 0 and distance < 0.002, ("off by %g"):format(distance))
    local threads = scion.threads()
    scion.threads(1)
    assert.is_true(narrow:equal(outputs(model, "bf16")))
    scion.threads(threads)
    assert.is_true(wide:equal(outputs(model, "f32")))
    model:layer("stem/conv").weights.kernel:fill(0.25) -- packed weights follow
    assert.is_true(farthest(outputs(model, "bf16"), narrow) > 0.005)
    assert.is_true(farthest(outputs(model, "bf16"), outputs(model, "f32")) < 0.002)
  end)

  it("trains what it trains in f32: the gradients are those of that part alone, on the features below it, to the bit", function()
    local model = network()
    model:freeze { upto = "b" }
    local images, labels = scion.uniform({ 4, 8, 8, 3 }, 0, 255):to "u8", scion.tensor({ 0, 1, 2, 0 }, "i32")
    local features = model:features(images, "b", { precision = "bf16" })
    local part = scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.flatten()(unit(nn.input(8, 8, 8), "c", 4, 3))) }
    for _, row in ipairs(part:layers()) do
      for name, t in pairs(row.weights) do core.copy(model:layer(row.name).weights[name], t) end
    end
    local function gradients(of, x, wanted)
      local made = of:plan_for { mode = "train", batch = 4, input_dtype = x:dtype(), precision = wanted, loss = "categorical" }
      assert(of:execute(made, { images = x, labels = labels }))
      local found = {}
      for _, g in ipairs(made.gradients) do found[g.layer.name .. "/" .. g.parameter.name] = core.place(of.arena, g.place):copy() end
      return found
    end
    local expected, found, wide = gradients(part, features, "f32"), gradients(model, images, frozen), gradients(model, images, "f32")
    local count = 0
    for name, gradient in pairs(found) do
      count = count + 1
      assert.is_true(gradient:equal(expected[name]), name)
      local distance = farthest(gradient, wide[name])
      assert.is_true(distance > 0 and distance < 0.1, ("%s is off by %g"):format(name, distance))
    end
    assert.equal(5, count)
  end)

  it("takes images of numbers, and depthwise layers", function()
    local x = nn.depthwise_conv2d(3, { padding = "same", activation = "relu6" })(nn.input(6, 6, 5))
    local model = scion.model { output = nn.global_max_pool()(nn.add() { nn.avg_pool(2)(x), nn.max_pool(2)(x) }) }
    local images, found = scion.randn { 3, 6, 6, 5 }, {}
    for _, wanted in ipairs { "f32", "bf16" } do
      local made = model:plan_for { mode = "infer", batch = 3, input_dtype = "f32", precision = wanted }
      assert(model:execute(made, { images = images }))
      found[wanted] = core.place(model.arena, made.output, 3):copy()
    end
    local distance = farthest(found.bf16, found.f32)
    assert.is_true(distance > 0 and distance < 0.03, ("off by %g"):format(distance))
  end)
end)

describe("precision", function()
  local before = precision.emulates
  setup(function() precision.emulates = true end)
  teardown(function() precision.emulates = before end)

  local function data() return scion.data.tensors(scion.uniform({ 8, 8, 8, 3 }, 0, 255):to "u8", { 1, 2, 3, 1, 2, 3, 1, 2 }, { batch = 4 }) end

  it("is an option of fit, of evaluate and of features, and a field of the model", function()
    local model, set = network(), data()
    model:freeze { upto = "c" }
    local function seen()
      return model.plans[1].plan.precision
    end
    model:fit(set, { verbose = false, precision = "bf16" })
    assert.equal("bf16", seen())
    model:fit(set, { verbose = false, validate = set, quiet = true })
    assert.equal("f32", seen())
    model:evaluate(set, { precision = "bf16" })
    assert.equal("bf16", seen())
    model:predict(set)
    assert.equal("f32", seen())
    local wide = model:features(set, "c")
    local narrow = model:features(set, "c", { precision = "bf16" })
    local distance = farthest(narrow, wide)
    assert.is_true(distance > 0 and distance < 0.03, ("off by %g"):format(distance))
    assert.is_true(wide:equal(model:features(set, "c")))
    model.precision = "bf16"
    model:predict(set)
    assert.equal("bf16", seen())
    assert.is_true(narrow:equal(model:features(set, "c")))
    assert.is_true(wide:equal(model:features(set, "c", { precision = "f32" })))
    model:fit(set, { verbose = false, precision = "f32", validate = set, quiet = true })
    assert.equal("f32", seen())
    assert.equal("bf16", model:upto("b").precision)
    assert.equal("bf16", model:upto("c"):graft({ nn.global_avg_pool() }).precision)
  end)

  it("that does not exist is refused", function()
    local model, set = network(), data()
    for _, call in ipairs { function() model:fit(set, { precision = "fp16" }) end, function() model:features(set, "c", { precision = 16 }) end } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.matches("precision is 'f32', 'bf16', 'int8', 'fast' or { frozen = 'int8', trained = 'bf16' }", message, 1, true)
    end
  end)

  it("is f32, and one line says so, on a CPU without bf16", function()
    local script = [[
      local scion = require "scion"
      local model = scion.sequential { scion.nn.input(6, 6, 3), scion.nn.conv2d(4, 3, { name = "conv" }) }
      model:layer("conv").weights.kernel:fill(0.5) -- random weights would be told of
      local images = scion.uniform({ 2, 6, 6, 3 }, 0, 255):to "u8"
      local wide = model:features(images, "conv")
      model.precision = "bf16"
      for _ = 1, 2 do print(wide:equal(model:features(images, "conv")), require("scion.precision").in_use "bf16") end
      model.precision = { frozen = "int8", trained = "bf16" }
      print(model.precision.trained, require("scion.precision").in_use(model.precision))]]
    local out = files.shell("SCION_BF16= SCION_ISA=avx2 lua5.4 -e " .. files.quoted(script))
    assert.equal("scion: this CPU has no instructions for bf16 (AMX or AVX512_BF16), so it computes in f32\n" ..
      "true\tf32\ntrue\tf32\nbf16\tint8\n", out)
  end)
end)
