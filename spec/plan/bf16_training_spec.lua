-- Training in bf16: which values are, what stays f32, how near the gradients are to those in f32, and that what is frozen may have a precision
-- of its own.
local core = require "scion.core"
local precision = require "scion.precision"
local scion = require "scion"
local plans = dofile "spec/support/plans.lua"
local kernels, call_of = plans.kernels, plans.call_of
local nn, unit = scion.nn, plans.unit

local function network() return plans.network() end

--- A network of every layer that has kernels for bf16, and of one that has none, in curves that have no corners: what rounding changes of a
--- gradient is then in proportion to it.
local function smooth(statistics)
  scion.seed(3)
  local function norm(x) return nn.batch_norm { statistics = statistics }(x) end
  local function conv(x, filters, kernel, o) return nn.tanh()(norm(nn.conv2d(filters, kernel, { stride = o, padding = "same", bias = false })(x))) end
  local x = conv(nn.input { shape = { 17, 19, 3 }, preprocess = "tf" }, 16, 3, 2)
  x = nn.concatenate() { conv(x, 12, 1), nn.avg_pool(3, { stride = 1, padding = "same" })(x), conv(conv(x, 8, 1), 6, { 1, 5 }) }
  x = nn.add { activation = "tanh" } { x, nn.conv2d(34, 3, { padding = "same" })(x) }
  x = nn.swish()(norm(nn.depthwise_conv2d(3, { padding = "same", stride = 2, bias = false })(x)))
  x = nn.tanh()(norm(nn.separable_conv2d(34, 3, { padding = "same", bias = false })(x)))
  x = nn.squeeze_excite(4, { activation = "swish" })(x)
  x = nn.channel_shuffle(2)(nn.crop(1)(nn.zero_pad(1)(x)))
  x = nn.concatenate() { nn.pad_channels(1, 2)(nn.slice(1, 17)(x)), nn.upsample(1)(nn.slice(18, 34)(x)) }
  x = nn.dropout(0.2)(nn.scaled_add(0.5) { x, nn.conv2d(37, 1)(x) })
  x = nn.multiply() { x, nn.conv2d(37, 3, { padding = "same", activation = "gelu" })(x) }
  x = nn.conv2d(36, 1)(nn.layer_norm()(nn.conv2d(37, 1)(x)))
  x = nn.conv2d(8, 3, { groups = 4 })(nn.adaptive_avg_pool(3)(x))
  return scion.model { output = nn.dense(3, "softmax")(nn.flatten()(x)) }
end

--- The gradients of a step, by name, and its plan.
local function gradients(model, batch, wanted)
  local made = model:plan_for { mode = "train", batch = 8, input_dtype = batch.images:dtype(), precision = wanted, loss = "categorical" }
  assert(model:execute(made, batch))
  local found = {}
  for _, g in ipairs(made.gradients) do found[g.layer.name .. "/" .. g.parameter.name] = core.place(model.arena, g.place):copy() end
  return found, made
end

local function size(t) return math.sqrt((t * t):sum()) end

describe("training in bf16", function()
  local before = precision.emulates
  setup(function() precision.emulates = true end)
  teardown(function() precision.emulates = before end)

  it("has activations and their gradients in bf16, and gradients of weights, logits and loss in f32", function()
    local model = network()
    local made, wide = plans.made(model, "train", "bf16"), plans.made(model, "train", "f32")
    local count = kernels(made)
    assert.equal(3, count.conv2d_bf16_forward)
    assert.equal(3, count.conv2d_bf16_backward_weights)
    assert.equal(2, count.conv2d_bf16_backward_input)
    assert.is_nil(count.conv2d_forward)
    local call = call_of(made, "conv2d_bf16_backward_weights")
    assert.same({ "bf16", "bf16", "f32" }, { call.x.dtype, call.dy.dtype, call.dw.dtype })
    call = call_of(made, "conv2d_bf16_backward_input")
    assert.same({ "bf16", "bf16" }, { call.dy.dtype, call.dx.dtype })
    call = call_of(made, "max_pool_backward")
    assert.same({ "bf16", "bf16", "bf16", "bf16" }, { call.x.dtype, call.y.dtype, call.dy.dtype, call.dx.dtype })
    assert.equal("f32", call_of(made, "dense_backward_weights").x.dtype)
    assert.equal("f32", call_of(made, "softmax_cross_entropy").x.dtype)
    assert.equal(1, count.copy) -- of the gradient that the dense layer gives to the last convolution
    assert.is_true(made.arena_bytes < 0.7 * wide.arena_bytes)
    assert.equal("bf16", made.precision)
  end)

  it("gives each branch of a sum in f32 its gradient in bf16", function()
    local x = unit(nn.input(4, 4, 3), "a", 4, 1)
    local sum = nn.add() { nn.max_pool(1)(unit(x, "b", 4, 1)), nn.max_pool(1)(unit(x, "c", 4, 1)) }
    local made = plans.made(scion.model { output = nn.dense(3, "softmax")(nn.flatten()(sum)) }, "train", "bf16")
    local count = 0
    for _, call in ipairs(made.calls) do
      if call[1] == "max_pool_backward" then
        count = count + 1
        assert.equal("bf16", call.dy.dtype)
      end
    end
    assert.equal(2, count)
  end)

  for _, statistics in ipairs { "stored", "batch" } do
    it("gives the gradients of f32, to the precision of bf16: " .. statistics, function()
      local model = smooth(statistics)
      local batch = { images = scion.uniform({ 8, 17, 19, 3 }, 0, 255):to "u8", labels = scion.tensor({ 0, 1, 2, 0, 2, 1, 0, 1 }, "i32"), step = 3 }
      local wide, narrow = gradients(model, batch, "f32"), gradients(model, batch, "bf16")
      local count, sum = 0, 0
      for name, gradient in pairs(wide) do
        local distance = size(narrow[name] - gradient) / size(gradient)
        if name ~= "dense_1/bias" then assert.is_true(distance > 1e-6 and distance < 0.1, ("%s is off by %g"):format(name, distance)) end
        count, sum = count + 1, sum + distance
      end
      assert.is_true(count > 30 and sum / count < 0.02, ("off by %g in the mean of %d"):format(sum / count, count))
      local threads = scion.threads()
      scion.threads(1)
      local alone = gradients(model, batch, "bf16")
      scion.threads(threads)
      for name, gradient in pairs(narrow) do assert.is_true(gradient:equal(alone[name]), name) end
    end)
  end

  it("converts around a layer that has no kernels for it, in both directions, and the plan tells which", function()
    local x = unit(nn.input(6, 6, 3), "a", 8, 3)
    local model = scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.global_avg_pool()(unit(nn.layer_norm { name = "n" }(x), "b", 4, 3))) }
    local made = plans.made(model, "train", "bf16")
    assert.same({ "f32", "f32" }, { call_of(made, "layer_norm_backward").dy.dtype, call_of(made, "layer_norm_backward").dx.dtype })
    assert.same({ "bf16", "bf16" }, { call_of(made, "conv2d_bf16_backward_weights").dy.dtype, call_of(made, "conv2d_bf16_backward_weights").x.dtype })
    model.precision = "bf16"
    local told = model:plan().bf16
    assert.same({ 3, 5, { "n", "head" } }, { told.layers, told.of, told.wide })
    assert.matches("bf16 +3 of 5 layers; in f32, for want of kernels: n, head", tostring(model:plan()))
    assert.matches("bf16 +3 of 5 layers", tostring(model:plan { mode = "infer" }))
    model.precision = { trained = "bf16" }
    assert.is_nil(model:plan { mode = "infer" }.bf16)
    assert.matches("bf16 +3 of 5 layers", tostring(model:freeze { layers = "b" }:plan()))
    assert.is_nil(model:freeze():plan().bf16.wide[1])
  end)

  it("leaves to what is frozen a precision of its own", function()
    local model = network():freeze { upto = "b" }
    local made = plans.made(model, "train", { frozen = "f32", trained = "bf16" })
    assert.equal(2, kernels(made).conv2d_forward)
    assert.equal(1, kernels(made).conv2d_bf16_forward)
    assert.equal("bf16", call_of(made, "copy").y.dtype)
    made = plans.made(model, "train", "bf16")
    assert.equal(3, kernels(made).conv2d_bf16_forward)
    assert.equal("bf16", call_of(made, "max_pool_forward").y.dtype)
    assert.is_nil(kernels(made).conv2d_bf16_backward_input)
    local images = scion.uniform({ 16, 8, 8, 3 }, 0, 255):to "u8"
    local set = scion.data.tensors(images, { 1, 2, 3, 1, 2, 3, 1, 2, 1, 2, 3, 1, 2, 3, 1, 2 }, { batch = 8 })
    local batch = { images = images:slice(1, 1, 8):copy(), labels = scion.tensor({ 0, 1, 2, 0, 2, 1, 0, 1 }, "i32") }
    require("scion.calibration").prepare("spec", model, set, true)
    local found, bytes = gradients(model, batch, { frozen = "int8", trained = "bf16" })
    assert.equal(2, kernels(bytes).conv2d_int8_forward)
    assert.equal(1, kernels(bytes).conv2d_bf16_backward_weights)
    local wide = gradients(model, batch, "f32")
    for name, gradient in pairs(found) do assert.is_true(size(gradient - wide[name]) < 0.15 * size(wide[name]), name) end
  end)

  it("reads a value of bytes in bf16, f32 and bytes alike", function()
    local x = nn.conv2d(8, 3, { name = "a", padding = "same" })(nn.input(6, 6, 3))
    x = nn.conv2d(8, 3, { name = "b", padding = "same", activation = "relu" })(x)
    local y = nn.conv2d(8, 1, { name = "c" })(x)
    local z = nn.add() { nn.multiply() { nn.conv2d(8, 1, { name = "trains" })(x), y }, nn.softmax()(x) }
    local model = scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.global_avg_pool()(z)) }:freeze { layers = "[abc]" }
    local images, labels = scion.uniform({ 16, 6, 6, 3 }, 0, 255):to "u8", { 1, 2, 3, 1, 2, 3, 1, 2, 1, 2, 3, 1, 2, 3, 1, 2 }
    require("scion.calibration").prepare("spec", model, scion.data.tensors(images, labels, { batch = 8 }), true)
    local batch = { images = images:slice(1, 1, 8):copy(), labels = scion.tensor({ 0, 1, 2, 0, 2, 1, 0, 1 }, "i32") }
    local found, made = gradients(model, batch, { frozen = "int8", trained = "bf16" })
    assert.equal(3, kernels(made).conv2d_int8_forward)
    assert.equal(2, kernels(made).dequantize)
    local wide = gradients(model, batch, "f32")
    local distance = size(found["trains/kernel"] - wide["trains/kernel"]) / size(wide["trains/kernel"])
    assert.is_true(distance > 0 and distance < 0.1, ("off by %g"):format(distance))
  end)

  it("goes on from what a frozen part has kept, to the same bits", function()
    local model = network():freeze { upto = "b" }
    local batch = { images = scion.uniform({ 8, 8, 8, 3 }, 0, 255):to "u8", labels = scion.tensor({ 0, 1, 2, 0, 2, 1, 0, 1 }, "i32") }
    local kept = { images = model:features(batch.images, "b", { precision = "bf16" }), labels = batch.labels }
    local part = scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.flatten()(unit(nn.input(8, 8, 8), "c", 4, 3))) }
    for _, row in ipairs(part:layers()) do
      for name, t in pairs(row.weights) do core.copy(model:layer(row.name).weights[name], t) end
    end
    local whole = gradients(model, batch, "bf16")
    for name, gradient in pairs(gradients(part, kept, "bf16")) do assert.is_true(gradient:equal(whole[name]), name) end
  end)

  it("learns what training in f32 learns, with weights in f32", function()
    local images, labels = scion.uniform({ 24, 8, 8, 3 }, 0, 60), {}
    for i = 1, 24 do
      labels[i] = i % 3 + 1
      core.copy(images:slice(1, i, i) + 80.0 * (labels[i] - 1), images:slice(1, i, i))
    end
    images = images:to "u8"
    local function fitted(wanted)
      local model = network()
      local set = scion.data.tensors(images, labels, { batch = 8, seed = 2 })
      local history = model:fit(set, { epochs = 12, precision = wanted, verbose = false, quiet = true, optimizer = scion.optim.adam { lr = 0.01 } })
      return model:layer("c/conv").weights.kernel, history
    end
    local narrow, history = fitted "bf16"
    local wide, other = fitted "f32"
    assert.equal("f32", narrow:dtype())
    assert.is_true(history[12].loss < 0.2 * history[1].loss, ("%g after %g"):format(history[12].loss, history[1].loss))
    assert.is_true(math.abs(history[12].loss - other[12].loss) < 0.1, ("%g beside %g"):format(history[12].loss, other[12].loss))
    assert.is_false(narrow:equal(wide))
  end)

  it("needs names that there are", function()
    local model = network()
    for _, case in ipairs { { { frozen = "bf8" }, "frozen is 'f32', 'bf16' or 'int8', not 'bf8'" }, { { trained = "int8" }, "trained is 'f32' or 'bf16', not 'int8'" },
                            { { train = "bf16" }, "unknown option 'train' (did you mean 'trained'?)" }, { {}, "names neither what is frozen nor what trains" } } do
      local ok, message = pcall(function() model.precision = case[1] end)
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
    end
    model.precision = { trained = "bf16" }
    assert.same({ trained = "bf16" }, model.precision)
    assert.equal("frozen f32, trained bf16", precision.in_use(model.precision))
  end)
end)
