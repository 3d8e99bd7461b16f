-- Plans in int8: which values are bytes, where conversions stand, how near the results are; and how ranges are found, kept and given up.
local calibration = require "scion.calibration"
local core = require "scion.core"
local quantization = require "scion.ir.quantization"
local scion = require "scion"
local small = dofile "spec/small_network.lua"
local plans = dofile "spec/support/plans.lua"
local kernels, call_of, farthest = plans.kernels, plans.call_of, plans.farthest
local nn = scion.nn

local unit = plans.unit

local function network() return plans.network(unit, { preprocess = "tf" }) end

local function examples(n, size)
  local labels = {}
  for i = 1, n do labels[i] = i % 3 + 1 end
  scion.seed(5)
  return scion.data.tensors(scion.uniform({ n, size or 8, size or 8, 3 }, 0, 255):to "u8", labels, { labels = { "x", "y", "z" }, batch = 8 })
end

local function plan(model, mode, wanted) return plans.made(model, mode, wanted or "int8") end

describe("a plan in int8", function()
  it("is the plan in f32 until ranges are known, and says so", function()
    local model = network()
    assert.same(kernels(plan(model, "infer", "f32")), kernels(plan(model, "infer")))
    model.precision = "int8"
    assert.matches("int8 +no ranges are known yet", tostring(model:plan { mode = "infer" }))
  end)

  it("computes convolutions in bytes from the images on, hands bytes on, and converts nothing", function()
    local model = network()
    calibration.prepare("spec", model, examples(16), false)
    local made, wide = plan(model, "infer"), plan(model, "infer", "f32")
    local count = kernels(made)
    assert.equal(3, count.conv2d_int8_forward)
    assert.equal(1, count.pixel_codes)
    assert.is_nil(count.preprocess)
    assert.is_nil(count.quantize)
    assert.is_nil(count.dequantize)
    assert.is_nil(count.copy)
    local pool = call_of(made, "max_pool_forward")
    assert.same({ "u8", "u8", "f32" }, { pool.x.dtype, pool.y.dtype, call_of(made, "dense_forward").x.dtype })
    assert.is_true(made.arena_bytes < wide.arena_bytes)
  end)

  it("gives the parts of a concatenation one scale, and what is handed on that of its input", function()
    local model = network()
    calibration.prepare("spec", model, examples(16), false)
    local scales = {}
    for _, call in ipairs(plan(model, "infer").calls) do
      if call[1] == "conv2d_int8_forward" then scales[#scales + 1] = { call.x_scale, call.y_scale, call.x_zero, call.y_zero } end
    end
    assert.equal(scales[1][2], scales[2][1]) -- a, which the left branch reads
    assert.equal(scales[1][2], scales[2][2]) -- and which the right one hands into b
    assert.equal(scales[1][2], scales[3][1])
    assert.same({ 1, 0 }, { scales[1][1], scales[1][3] }) -- images as they are
    assert.equal(0, scales[1][4]) -- after ReLU nothing is below 0
  end)

  it("takes images as they are, whatever is done to them before, and of a border what f32 makes of it", function()
    local images, bound = examples(16, 9), calibration.bound
    calibration.bound = 0 -- the outputs of one layer of random weights may be near 0
    finally(function() calibration.bound = bound end)
    for _, preprocess in ipairs { "tf", "caffe", "torch", "unit" } do
      for channels = 1, 3, 2 do
        scion.seed(3)
        local x = nn.conv2d(8, 3, { padding = "same", name = "first" })(nn.input(9, 9, channels, { preprocess = preprocess }))
        local model = scion.model { output = nn.dense(3)(nn.global_avg_pool()(nn.conv2d(4, 1)(x))) }
        local wide, narrow = model:features(images, "first", { precision = "f32" }), model:features(images, "first", { precision = "int8" })
        assert.equal(1, kernels(plan(model, "infer")).pixel_codes)
        local distance = farthest(narrow, wide)
        assert.is_true(distance > 0 and distance < 0.02, ("%s, %d channels: off by %g"):format(preprocess, channels, distance))
      end
    end
  end)

  it("preprocesses images where something else reads them, too", function()
    scion.seed(3)
    local x = nn.input(8, 8, 3)
    local model = scion.model { output = nn.dense(3)(nn.flatten()(nn.concatenate() { nn.conv2d(4, 3, { padding = "same" })(x), nn.batch_norm()(x) })) }
    calibration.prepare("spec", model, examples(16), false)
    local count = kernels(plan(model, "infer"))
    assert.same({ 1, 1, 1 }, { count.preprocess, count.quantize, count.conv2d_int8_forward })
    assert.is_nil(count.pixel_codes)
  end)

  it("computes in bytes below the frontier alone, and what trains in f32", function()
    local model, data = network(), examples(16)
    model:freeze { upto = "b" }
    calibration.prepare("spec", model, data, true)
    local made = plan(model, "train")
    local count = kernels(made)
    assert.equal(2, count.conv2d_int8_forward)
    assert.equal(1, count.conv2d_forward)
    assert.equal(1, count.conv2d_backward_weights)
    assert.equal("u8", call_of(made, "max_pool_forward").y.dtype)
    assert.equal(1, count.dequantize) -- at the frontier, where the cache would keep bytes
    local history = model:fit(data, { epochs = 2, validate = data, precision = "int8", cache = false, verbose = false, optimizer = scion.optim.sgd { lr = 0.01 } })
    assert.is_true(history[2].loss < history[1].loss)
    assert.matches("int8 +2 of 2 convolutions", (tostring((function() model.precision = "int8" return model:plan() end)())))
  end)

  it("adds numbers or bytes to a convolution, and takes any activation", function()
    scion.seed(3)
    local x = unit(nn.input(8, 8, 3), "a", 8, 3, "swish")
    local y = nn.relu()(nn.add() { unit(x, "b", 8, 3, false), x }) -- x as bytes
    y = nn.relu { name = "last" }(nn.add() { unit(y, "c", 8, 3, false), unit(y, "d", 8, 1, false) }) -- f32
    local model = scion.model { output = nn.dense(3, "softmax")(nn.global_avg_pool()(y)) }
    local data = examples(32)
    calibration.prepare("spec", model, data, false)
    local made = plan(model, "infer")
    assert.equal(4, kernels(made).conv2d_int8_forward)
    local dtypes = {}
    for _, call in ipairs(made.calls) do
      if call.addend then dtypes[#dtypes + 1] = call.addend.dtype end
    end
    table.sort(dtypes)
    assert.same({ "f32", "u8" }, dtypes)
    local wide, narrow = model:features(data, "last", { precision = "f32" }), model:features(data, "last", { precision = "int8" })
    local distance = farthest(narrow, wide)
    assert.is_true(distance > 0 and distance < 0.06, ("off by %g"):format(distance))
  end)

  it("computes depthwise convolutions in bytes, but for those of several outputs a channel", function()
    scion.seed(3)
    local x = nn.conv2d(16, 3, { padding = "same", activation = "relu6" })(nn.input(8, 8, 3))
    x = nn.relu { name = "one" }(nn.batch_norm { statistics = "stored" }(nn.depthwise_conv2d(3, { padding = "same", bias = false })(x)))
    x = nn.conv2d(24, 1, { name = "linear" })(x) -- lies around 0
    x = nn.depthwise_conv2d({ 5, 3 }, { padding = "same", stride = 2, name = "two" })(x)
    local model = scion.model { output = nn.dense(3)(nn.global_avg_pool()(nn.depthwise_conv2d(3, { multiplier = 2 })(x))) }
    local data = examples(32)
    model:layer("batch_norm_1").weights.moving_variance:fill(0.3)
    calibration.prepare("spec", model, data, false)
    local wide, narrow = model:features(data, "two", { precision = "f32" }), model:features(data, "two", { precision = "int8" })
    local made = plan(model, "infer")
    local count = kernels(made)
    assert.same({ 2, 1, 2 }, { count.depthwise_int8_forward, count.depthwise_forward, count.conv2d_int8_forward })
    assert.is_nil(count.quantize)
    local last
    for _, call in ipairs(made.calls) do last = call[1] == "depthwise_int8_forward" and call or last end
    assert.is_true(last.x_zero > 0)
    assert.equal("f32", last.y.dtype)
    local distance = farthest(narrow, wide)
    assert.is_true(distance > 0 and distance < 0.03, ("off by %g"):format(distance))
    model.precision = "int8"
    assert.matches("int8 +4 of 5 convolutions", (tostring(model:plan { mode = "infer" }):gsub("%s+", " ")))
  end)

  it("agrees with f32 on a network of all joints, with any number of threads to the bit", function()
    local model = small.model "stored"
    local images = small.batch().images
    local shape = images:shape()
    scion.seed(5)
    local data = scion.uniform({ 24, shape[2], shape[3], 3 }, 0, 255):to "u8"
    local name = model.order[#model.order - 1].layer.name
    local wide, narrow = model:features(data, name, { precision = "f32" }), model:features(data, name, { precision = "int8" })
    local distance = farthest(narrow, wide)
    assert.is_true(distance > 0 and distance < 0.1, ("off by %g"):format(distance))
    local threads = scion.threads()
    scion.threads(1)
    assert.is_true(narrow:equal(model:features(data, name, { precision = "int8", cache = false })))
    scion.threads(threads)
  end)
end)

describe("calibration", function()
  it("finds ranges once, and anew for what depends on a changed weight", function()
    local model, data = network(), examples(16)
    local layer = model:layer "b/left/conv"
    local function range(name)
      for _, node in ipairs(model.order) do
        if node.layer.name == name then return quantization.range(node) end
      end
    end
    calibration.prepare("spec", model, data, false)
    local revision, a, c = quantization.revision(), range "a/relu", range "c/relu"
    assert.is_true(a.low == 0 and a.high > 0)
    calibration.prepare("spec", model, data, false)
    assert.equal(revision, quantization.revision())
    layer.weights.kernel:fill(5)
    assert.equal(a, range "a/relu")
    assert.is_nil(range "c/relu")
    local count = kernels(plan(model, "infer"))
    assert.same({ 2, 1 }, { count.conv2d_int8_forward, count.conv2d_forward }) -- b, of which a part has no scale, is f32
    calibration.prepare("spec", model, data, false)
    assert.is_true(range("c/relu").high ~= c.high)
    assert.is_true(quantization.revision() > revision)
  end)

  it("leaves convolutions in f32 until results are within the bound, and names them", function()
    local model, bound = network(), calibration.bound
    calibration.bound = 2 -- more than there is
    calibration.prepare("spec", model, examples(16), false)
    calibration.bound = bound
    local report = calibration.report(model)
    assert.same({ 16, 16, 3 }, { report.images, report.compared, #report.wide })
    assert.equal(1, report.cosine)
    assert.is_nil(kernels(plan(model, "infer")).conv2d_int8_forward)
    model.precision = "int8"
    local text = tostring(model:plan { mode = "infer" }):gsub("%s+", " ")
    assert.matches("0 of 3 convolutions; at c/relu the least cosine to f32 of 16 images is 1.0000 %(2.000 is enough%); in f32, since bytes lose too much there: ", text)
  end)

  it("keeps what was found when a part of the network, or other images, come to it", function()
    local model, bound, data = network(), calibration.bound, examples(32)
    model.precision = "int8"
    calibration.bound = 0.99999999 -- so that some convolutions stay in f32
    finally(function() calibration.bound = bound end)
    local before = model:evaluate(data)
    local found = calibration.report(model).wide
    assert.is_true(#found > 0)
    calibration.bound = 0.5
    local dark = scion.data.tensors(scion.zeros({ 16, 8, 8, 3 }, "u8"), { 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1 }, { batch = 8 })
    for _, name in ipairs { "a/conv", "a/norm", "c/conv" } do model:features(dark, name) end
    assert.equal(before.loss, model:evaluate(data).loss)
    assert.same(found, calibration.report(model).wide)
  end)

  it("leaves a fit's ranges as they are where an evaluation of the whole network finds those of the rest", function()
    local model, data, bound = network(), examples(32), calibration.bound
    model.precision = "int8"
    model:freeze { upto = "b" }
    model:fit(data, { epochs = 1, verbose = false, quiet = true })
    local report, frozen = calibration.report(model, true), quantization.state(model.order)
    calibration.bound = 2 -- so that all that may goes back to f32
    finally(function() calibration.bound = bound end)
    model:evaluate(data)
    assert.equal(report, calibration.report(model, true))
    assert.same({ "c/conv" }, calibration.report(model).wide)
    for i, range in ipairs(frozen.ranges) do assert.same(range, quantization.state(model.order).ranges[i]) end
    model:features(data, "b", { precision = "int8" })
    assert.same(frozen.ranges[1], quantization.state(model.order).ranges[1])
  end)

  it("finds ranges anew for a fit on more images, and for any call after images of hardly any contrast", function()
    local model = network()
    model:freeze { upto = "b" }
    local function fit(n) return model:fit(examples(n), { epochs = 1, verbose = false, quiet = true, precision = "int8" }).int8 end
    assert.equal(16, fit(16).images)
    model:evaluate(examples(40), { precision = "int8" })
    assert.equal(16, calibration.report(model, true).images)
    assert.equal(40, fit(40).images)
    assert.equal(40, fit(24).images)
    assert.is_nil(calibration.report(model, true).flat)

    local other, classes = network(), {}
    for i = 1, 16 do classes[i] = i % 3 + 1 end
    other:evaluate(scion.data.tensors(scion.full({ 16, 8, 8, 3 }, 9, "u8"), classes, { batch = 8 }), { precision = "int8" })
    assert.is_true(calibration.report(other).flat)
    local plain, narrow = other:evaluate(examples(16)), other:evaluate(examples(16), { precision = "int8" })
    assert.is_nil(calibration.report(other).flat)
    assert.is_true(math.abs(plain.loss / narrow.loss - 1) < 0.01)
  end)

  it("finds for a fit what it finds for it alone, whatever was computed before on fewer images", function()
    local function fit(before)
      local model = network()
      model:freeze { upto = "c" } -- of which a convolution reads what a pool and a concatenation hand on
      model.precision = "int8"
      if before then before(model) end
      local history = model:fit(examples(40), { epochs = 2, verbose = false, quiet = true, optimizer = scion.optim.sgd { lr = 0.1 }, cache = false })
      return ("%a %a %s"):format(history[2].loss, history.int8.cosine, model:layers()[#model:layers()].weights.kernel:bytes())
    end
    local alone = fit()
    assert.equal(alone, fit(function(model) model:evaluate(examples(20)) end))
    assert.equal(alone, fit(function(model) model:features(examples(24), "a") end))
    assert.equal(alone, fit(function(model) model:predict(scion.zeros({ 60, 8, 8, 3 }, "u8")) end))
  end)

  it("leaves a fit what was found for it, however many images it is validated on", function()
    local function fit(n)
      local model = network()
      model:freeze { upto = "b" }
      model.precision = "int8"
      local history = model:fit(examples(16), { epochs = 2, verbose = false, quiet = true, cache = false, validate = n and examples(n) })
      return { history[2].loss, history.int8.images, history.int8.cosine }
    end
    assert.same(fit(), fit(40))
  end)

  it("keeps nothing of what failed, be it by numbers that are not finite", function()
    local function loss(breaks)
      local model, data = network(), examples(16)
      model.precision = "int8"
      local kernel = model:layer("c/conv").weights.kernel
      local before = kernel:copy()
      if breaks then
        kernel:fill(0 / 0)
        assert.is_false((pcall(model.evaluate, model, data)))
        core.copy(before, kernel)
      end
      return { model:evaluate(data).loss, #calibration.report(model).wide }
    end
    local bound = calibration.bound
    calibration.bound = 2 -- so that what is found stays in f32
    finally(function() calibration.bound = bound end)
    assert.same(loss(false), loss(true))
  end)

  it("finds what is missing once there are images enough, however often a few were computed before", function()
    local function found(n)
      local model = network()
      model:freeze { upto = "a" }
      model.precision = "int8"
      model:fit(examples(16), { epochs = 1, verbose = false, quiet = true, cache = false, validate = examples(16) })
      for _ = 1, n do model:evaluate(examples(2), { cache = false }) end
      return { model:evaluate(examples(16), { cache = false }).loss, calibration.report(model).layer }
    end
    for n = 0, 3 do assert.same({ found(0)[1], "c/relu" }, found(n)) end
  end)

  it("takes a data set of one's own, which need not tell how many images it has, but to features", function()
    local model, data = network(), examples(40)
    local own = { labels = data.labels, batches = function(_, epoch) return data:batches(epoch) end }
    model.precision = "int8"
    model:evaluate(own)
    assert.equal(40, calibration.report(model).images)
    local _, message = pcall(model.features, model, own, "a")
    assert.matches("features: this data set of your own does not tell how many images it has, or has none: give its metatable __len", message, 1, true)
    own = setmetatable(own, { __len = function() return 40 end })
    assert.equal(40, #model:features(own, "a"))
  end)

  it("is the precision of one predict and of one plan, too", function()
    local model, data = network(), examples(16)
    local plain = model:predict(data)
    local narrow = model:predict(data, { precision = "int8" })
    assert.is_nil(model.precision)
    assert.not_same(plain[1].confidence, narrow[1].confidence)
    assert.is_true(math.abs(plain[1].confidence - narrow[1].confidence) < 0.01)
    assert.same({ 3, 3 }, { model:plan { mode = "infer", precision = "int8" }.int8.convolutions, model:plan { mode = "infer", precision = "int8" }.int8.of })
    assert.is_nil(model:plan { mode = "infer" }.int8)
  end)

  it("predicts one image after a fit that knows the ranges of what was frozen alone, and of an inner layer", function()
    local model, data = network(), examples(32)
    model.precision = "int8"
    model:freeze { upto = "a" }
    model:fit(data, { epochs = 1, verbose = false, quiet = true })
    local one = data.images:slice(1, 1, 1):copy()
    assert.equal(1, #model:predict(one))
    assert.equal(1, model:features(one, "a/conv"):shape()[1])
    assert.is_true(model:plan { mode = "infer" }.int8.convolutions > 0)
  end)

  it("says so where nothing can be computed in bytes", function()
    local notice, told = require "scion.report.notice", nil
    local once = notice.once
    notice.once = function(line) told = line end
    finally(function() notice.once = once end)
    local model = scion.sequential { nn.input(8, 8, 3), nn.separable_conv2d(4, 3), nn.global_avg_pool(), nn.dense(3, "softmax") }
    model.precision = "int8"
    model:evaluate(examples(16))
    assert.matches("evaluate: int8: no layer here computes in bytes, so that all of it is f32", told, 1, true)
  end)

  it("looks at no image where nothing would be computed in bytes", function()
    local model, data = network(), examples(3)
    calibration.prepare("spec", model, data, true) -- nothing is frozen
    assert.is_nil(calibration.report(model))
    local dense = scion.sequential { nn.input(4), nn.dense(3, "softmax") }
    calibration.prepare("spec", dense, scion.data.tensors(scion.ones(3, 4), { 1, 2, 3 }, { labels = { "x", "y", "z" } }), false)
    assert.is_nil(calibration.report(dense))
  end)

  it("asks for more images than a few, and for numbers", function()
    local model = network()
    model.precision = "int8"
    local _, message = pcall(model.predict, model, scion.uniform({ 2, 8, 8, 3 }, 0, 255):to "u8")
    assert.matches("predict: precision = \"int8\" needs the ranges of the layers' values, and 2 images cannot tell them", message, 1, true)
    model:evaluate(examples(16))
    assert.equal(2, #model:predict(scion.uniform({ 2, 8, 8, 3 }, 0, 255):to "u8"))
    model:layer("a/conv").weights.kernel:fill(0 / 0)
    assert.has_error(function() model:evaluate(examples(16)) end)
    _, message = pcall(model.evaluate, model, examples(16))
    assert.matches("evaluate: precision = \"int8\": values of layer a/relu are NaN or infinite", tostring(message), 1, true)
  end)

  it("takes what rounding weights adds to an output's mean away again", function()
    local model = network()
    calibration.prepare("spec", model, examples(64), false)
    local made, mean = plan(model, "infer"), nil
    for _, node in ipairs(model.order) do
      if node.layer.name == "input" or node.layer.kind == "input" then mean = quantization.mean { node = node } end
    end
    assert.equal(3, #mean)
    local call = call_of(made, "conv2d_int8_forward")
    local kernel = model:layer("a/conv").weights.kernel
    local again = { packed = core.new({ core.conv2d_int8_packed(kernel) }, "u8"), scales = core.new { 4 }, sums = core.new({ 4 }, "i32"), shift = core.new { 4 } }
    core.run { "conv2d_int8_pack", kernel = kernel, packed = again.packed, scales = again.scales, sums = again.sums, shift = again.shift }
    assert.is_false(call.bias:equal(again.shift)) -- which has no mean to go by
  end)
end)
