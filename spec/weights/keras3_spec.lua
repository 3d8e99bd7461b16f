-- Keras 3's files, whole archives too, and Theano's kernels: a network predicts what it did in Keras.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

local fixtures = "spec/fixtures/weights/"
local golden = core.json_decode(support.slurp(fixtures .. "keras.json")).small

local function small(changes)
  local c = changes or {}
  local x = nn.input { shape = { 8, 9, 3 }, preprocess = "unit" }
  x = nn.relu()(nn.batch_norm { epsilon = 1e-3, statistics = "stored", name = "norm" }(nn.conv2d(6, { 3, 2 }, { bias = false, name = "stem" })(x)))
  x = nn.depthwise_conv2d(3, { padding = "same", name = "depthwise" })(x)
  x = nn.add() { x, nn.conv2d(6, c.kernel or 1, { padding = "same", name = "side" })(x) }
  if not c.short then x = nn.dense(5, { name = "out" })(nn.global_avg_pool()(x)) end
  if c.long then x = nn.dense(2, { name = "more" })(x) end
  return scion.model { output = x }
end

describe("Keras's newer and older files", function()
  teardown(support.done)

  it("load: .keras, .weights.h5, and Theano's mirrored kernels", function()
    for _, name in ipairs { "small.keras", "small.weights.h5", "theano.h5" } do
      local model = small()
      assert.is_true(models.deviation(model, support.pattern(8, 9), golden, "out") > 1e-3)
      local report = weights.load(model, fixtures .. name)
      assert.equal(fixtures .. name, report.path)
      assert.equal(11, report.loaded)
      assert.is_true(models.deviation(model, support.pattern(8, 9), golden, "out") < 1e-6, name)
    end
  end)

  it("are refused when they do not fit, by the name that was given", function()
    for _, case in ipairs {
      { "small.keras", { kernel = 3 }, "layer 'conv2d_1' has kernel 1x1x6x6, but side expects 3x3x6x6; scion.models.from_keras 'spec/fixtures/weights/small.keras' " ..
        "builds the file's own network" },
      { "small.weights.h5", { long = true }, "has no weights for more (the file has 5 layers with weights, the model 6); the file has all but the classifier: " ..
        "top = false builds a network of scion.models without one, and strict = false leaves the model's own as it is" },
      { "theano.h5", { kernel = 3 }, "layer 'conv2d_1' has kernel 6x6x1x1, but side expects 3x3x6x6" },
    } do
      local message = messages.refusal(function() weights.load(small(case[2]), fixtures .. case[1]) end)
      assert.equal(fixtures .. case[1] .. ": " .. case[3], message)
    end
  end)

  it("load as far as they fit when asked to", function()
    local model = small { long = true }
    local report = weights.load(model, fixtures .. "small.keras", { strict = false })
    assert.same({ "more" }, report.missing)
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden, "out") < 1e-6)
    report = weights.load(small { kernel = 3 }, fixtures .. "theano.h5", { strict = false })
    assert.equal("side", report.misfits[1].name)
    assert.equal(9, report.loaded)
  end)

  it("load into a network without their classifier, which is told", function()
    local whole = small()
    weights.load(whole, fixtures .. "small.keras")
    for _, name in ipairs { "small.keras", "small.weights.h5", "theano.h5" } do
      local model = small { short = true }
      local report = weights.load(model, fixtures .. name)
      assert.same({ 9, {}, {}, 1, 5 }, { report.loaded, report.missing, report.unexpected, #report.unused, report.classes })
      for _, layer in ipairs { "stem", "norm", "depthwise", "side" } do
        for key, tensor in pairs(model:layer(layer).weights) do assert.is_true(tensor:equal(whole:layer(layer).weights[key])) end
      end
    end
  end)

  it("load a real file that lacks the last block of MobileNet", function()
    if not support.data then return pending "SCION_TEST_DATA is not set" end
    local path = support.data .. "/weights/mobilenet_v1_upto_conv_dw_13.h5"
    local message = messages.refusal(function() local m = scion.models.mobilenet { weights = path, input = 64 } return m end)
    assert.equal(path .. ": has no weights for conv_pw_13 (the file has 52 layers with weights, the model 54)", message)
    local model, report = scion.models.mobilenet { weights = path, strict = false, input = 64 }
    assert.equal("mobilenet", model.name)
    assert.same({ {}, {} }, { report.unexpected, report.misfits })
    assert.equal(130, report.loaded)
    assert.equal(2, #report.missing)
  end)
end)
