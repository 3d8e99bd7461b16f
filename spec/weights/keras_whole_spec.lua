-- What Keras's files tell beside the weights, or do not: rescaling, activations, integers, names, attributes, and the order of layers.
local core = require "scion.core"
local keras = require "scion.weights.keras"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local written = dofile "spec/support/keras.lua"
local nn = scion.nn

local fixtures = "spec/fixtures/weights/"
local golden = core.json_decode(support.slurp(fixtures .. "whole.json"))
for _, list in ipairs { "lora.json", "arithmetic.json" } do
  for name, values in pairs(core.json_decode(support.slurp(fixtures .. list))) do golden[name] = values end
end

local image = support.pattern(8, 9)

local function input(preprocess) return nn.input { shape = { 8, 9, 3 }, preprocess = preprocess or "unit" } end

local function chain(...) return scion.sequential { ... } end

local function loads(name, model, count)
  assert.is_true(models.deviation(model, image, golden[name]) > 1e-3)
  local report = weights.load(model, fixtures .. name)
  assert.equal(count, report.loaded)
  assert.is_true(models.deviation(model, image, golden[name]) < 1e-5, name)
  return report
end

--- Writes an .h5 file of a model's weights with a description; gives its path.
local function with_description(model, config)
  local path, datasets, texts, names = support.folder() .. "/described.h5", {}, { { path = "/", name = "model_config", value = config } }, {}
  for i, layer in ipairs(require("scion.weights.export").keras_layers(model)) do
    local list = {}
    for k, weight in ipairs(layer.weights) do list[k], datasets[#datasets + 1] = weight.name, { path = layer.name .. "/" .. weight.name, tensor = weight.tensor } end
    names[i], texts[#texts + 1] = layer.name, { path = "/" .. layer.name, name = "weight_names", value = list }
  end
  texts[#texts + 1] = { path = "/", name = "layer_names", value = names }
  assert(core.hdf5_write(path, datasets, texts))
  return path
end

--- The description in a fixture.
local function description(name)
  local file <close> = assert(core.hdf5_open(fixtures .. name))
  return assert(file:attribute("/", "model_config"))
end

describe("Keras's descriptions", function()
  local function rescaled(preprocess, activation, ...)
    local layers = { input(preprocess), ... }
    for _, layer in ipairs { nn.conv2d(4, 3), nn.global_avg_pool(), nn.dense(3, activation) } do layers[#layers + 1] = layer end
    return scion.sequential(layers)
  end
  local identity = { scale = { 1.0, 1.0, 1.0 }, shift = { 0.0, 0.0, 0.0 }, reverse = false }

  it("have images rescaled as the file's model does", function()
    for _, name in ipairs { "rescaled.keras", "rescaled.h5" } do
      assert.same({}, loads(name, rescaled("tf", "softmax"), 4).notes)
      loads(name, rescaled("unit", "softmax", nn.rescaling(2, { offset = -1 })), 4)
      local message = messages.refusal(function() weights.load(rescaled("unit", "softmax"), fixtures .. name) end)
      assert.equal(fixtures .. name .. ": the file's model rescales images by x * 0.00784314 - 1, this one by x * 0.00392157; preprocess = 'tf' takes " ..
        "images as it does", message)
      local report = weights.load(rescaled("unit", "softmax"), fixtures .. name, { strict = false })
      assert.equal(4, report.loaded)
      assert.matches("^the file's model rescales images by x %* 0.00784314 %- 1", report.notes[1])
      assert.matches("rescales images", (tostring(report):gsub("%s+", " ")))
    end
  end)

  it("have the fixed numbers of a Normalization as a step like the others", function()
    local function net(mean) return rescaled({ mean = mean, std = { 0.2, 0.3, 0.4 } }, false) end
    assert.same({}, loads("fixed.keras", net { 0.5, 0.25, 0.4 }, 4).notes)
    local message = messages.refusal(function() weights.load(net { 0.5, 0.25, 0.5 }, fixtures .. "fixed.keras") end)
    assert.matches("preprocess = { mean = {0.5, 0.25, 0.4}, std = {0.2, 0.3, 0.4} } takes images as it does", message, 1, true)
  end)

  it("tell an activation at the end that is another one than the model's", function()
    local report = weights.load(rescaled("tf"), fixtures .. "rescaled.keras")
    assert.same({ "the file's model ends in the activation 'softmax', this one in 'linear', and will predict something else; give the last layer the file's" },
      report.notes)
  end)

  it("have other names for some activations", function()
    local path, described = support.folder() .. "/renamed.h5", core.json_encode(written.description(fixtures .. "rescaled.h5"))
    for theirs, ours in pairs { hard_silu = "hard_swish", silu = "swish", tanh = "tanh" } do
      written.write(path, core.json_decode((described:gsub('"softmax"', ('"%s"'):format(theirs)))), nil, rescaled("tf", ours))
      assert.same({}, weights.load(rescaled("tf", ours), path).notes)
      assert.matches("ends in the activation '" .. ours, weights.load(rescaled("tf", "relu"), path).notes[1], 1, true)
    end
  end)

  it("are refused where they are damaged, since they might tell of another network", function()
    local whole, net = description "rescaled.h5", rescaled("tf", "softmax")
    local cases = { { whole:sub(1, -20), "json: " }, { whole:gsub('"name"', '"n\xffme"', 1), "json: " }, { "null", "it holds no object" },
                    { "[]", "a layer in it has no class_name" },
                    { ("["):rep(60000), "it has more than 50000 lists and objects" }, { '{"class_name": "Functional", "config": []}', "its model has no list of layers" },
                    { whole:gsub('"class_name": "Conv2D"', '"class_name": 3'), "a layer in it has no class_name" }, { { "a", "b" }, "it is a list" } }
    for _, case in ipairs(cases) do
      local path = with_description(net, case[1])
      local message = messages.refusal(function() weights.load(net, path) end)
      assert.matches(path .. ": its description (model_config) cannot be read: " .. case[2], message, 1, true)
      assert.matches(", and so it cannot be told whether this network computes what the file's does; copy or download the file again, or load its weights with " ..
        "strict = false", message, 1, true)
      local report = weights.load(net, path, { strict = false })
      assert.equal(4, report.loaded)
      assert.matches("its description (model_config) cannot be read: " .. case[2], report.notes[1], 1, true)
      assert.matches("its description (model_config) cannot be read: ", messages.refusal(function() scion.models.from_keras(path) end), 1, true)
    end
  end)

  it("are refused where an archive has none", function()
    local net = rescaled("tf", "softmax")
    local path = support.spit(support.folder() .. "/bare.keras", (support.slurp(fixtures .. "rescaled.keras"):gsub("config%.json", "konfig.json")))
    assert.matches(path .. ": its description (config.json) cannot be read: the archive has none", messages.refusal(function() weights.load(net, path) end), 1, true)
    assert.equal(4, weights.load(net, path, { strict = false }).loaded)
  end)

  it("go with Normalization, whose count is an integer", function()
    for _, name in ipairs { "normalized.h5", "normalized.weights.h5" } do
      local function net(...) return rescaled(identity, false, nn.rescaling(1 / 255), nn.normalization(), ...) end
      loads(name, net(), 7)
      local message = messages.refusal(function() weights.load(net(nn.rescaling(2)), fixtures .. name) end)
      assert.matches(name == "normalized.h5" and "rescales images by x * 0.00392157, normalized, then x * 1, this one by x * 0.00392157, normalized, then x * 2"
        or "the file's network has 1 of the layers Rescaling that EfficientNet begins with, this one 2", message, 1, true)
    end
  end)

  it("tell the order of equal layers, which weights alone do not", function()
    local function net()
      local function conv() return nn.conv2d(3, 3, { padding = "same", activation = "relu" }) end
      return chain(input(), conv(), conv(), conv(), nn.global_avg_pool(), nn.dense(3))
    end
    loads("equal.keras", net(), 8)
    local message = messages.refusal(function() weights.load(net(), fixtures .. "equal.weights.h5") end)
    assert.matches("its layers fit in more than one order, which it does not tell", message, 1, true)
  end)
end)

describe("What Keras's descriptions say of arithmetic", function()
  --- The network of arithmetic.keras but for some options.
  local function net(o)
    local x = nn.conv2d(4, 3, { stride = o.stride or 2, padding = o.padding or "same", activation = o.activation or "gelu" })(input())
    x = nn.activation(o.limited or "relu6")(nn.batch_norm { epsilon = o.epsilon or 0.1 }(x))
    x = nn.conv2d(4, 3, { groups = 2, dilation = o.dilation or 2, padding = "same" })(x)
    x = nn.max_pool(2, { stride = o.windows or 1 })(nn.layer_norm { epsilon = o.small or 1e-6 }(x))
    x = nn.scaled_add { scale = 0.8 } { nn.rescaling(0.2)(x), nn.relu()(x) }
    return scion.model { output = nn.dense(3, "softmax")(nn[o.pooling or "global_avg_pool"]()(x)) }
  end

  it("agrees with a model that computes the same", function()
    for _, name in ipairs { "arithmetic.keras", "arithmetic.h5" } do assert.same({}, loads(name, net {}, 12).notes) end
  end)

  it("is refused once where the model computes something else, or told with strict = false", function()
    local differences = {
      { { epsilon = 1e-3 }, "its layer 'batch_normalization' has epsilon 0.1, here 0.001" },
      { { small = 1e-3 }, "its layer 'layer_normalization' has epsilon 1e-06, here 0.001" },
      { { stride = 1 }, "its layer 'conv2d' has strides 2x2, here 1x1" },
      { { padding = 1 }, "its layer 'conv2d' has padding {0, 1, 1, 1}, here {1, 1, 0, 1}" },
      { { dilation = 1 }, "its layer 'conv2d_1' has dilation_rate 2x2, here 1x1" },
      { { activation = "relu" }, "its layer 'batch_normalization' is computed from gelu('conv2d'), here relu('conv2d_1'); " },
      { { limited = "swish" }, "its layer 'conv2d_1' is computed from relu6('batch_normalization'), here " ..
        "multiply('batch_norm_1', sigmoid('batch_norm_1')); " },
      { { windows = 2 }, "its layer 'dense' is computed from 0.2 * max_pool 2x2 by 1x1('layer_normalization') + " ..
        "0.8 * max_pool 2x2 by 1x1(relu('layer_normalization')), here 0.2 * max_pool 2x2 by 2x2('layer_norm_1') + " },
      { { pooling = "global_max_pool" }, "its layer 'dense' is computed from global_avg_pool(0.2 * max_pool 2x2 by 1x1('layer_normalization') + " ..
        "0.8 * max_pool 2x2 by 1x1(relu(…))), here global_max_pool(0.2 * " },
      { { epsilon = 1e-5, small = 1e-5, stride = 1, dilation = 1, limited = "tanh" }, "here 1x1, its layer 'batch_normalization' has epsilon 0.1, here 1e-05, " ..
        "its layer 'conv2d_1' has dilation_rate 2x2, here 1x1, its layer 'layer_normalization' has epsilon 1e-06, here 1e-05 and 1 more difference; " },
    }
    for _, name in ipairs { "arithmetic.keras", "arithmetic.h5" } do
      for _, pair in ipairs(differences) do
        local model = net(pair[1])
        local message = messages.refusal(function() weights.load(model, fixtures .. name) end)
        local report = weights.load(model, fixtures .. name, { strict = false })
        assert.equal(("%s%s: %s, and strict = false loads the weights all the same"):format(fixtures, name, report.notes[1]), message)
        assert.equal(12, report.loaded)
        assert.is_true(models.deviation(model, image, golden[name]) > 1e-5, pair[2])
        assert.equal(1, #report.notes)
        assert.matches("^the file's model computes something else with these weights: ", report.notes[1])
        assert.matches(pair[2], report.notes[1], 1, true)
        assert.matches(("; scion.models.from_keras '%s' builds the file's own network"):format(fixtures .. name), report.notes[1], 1, true)
      end
    end
  end)

  it("names layers that the model lacks or has others for", function()
    local report = weights.load(chain(input(), nn.conv2d(4, 3), nn.layer_norm(), nn.global_avg_pool(), nn.dense(3)), fixtures .. "unlike.keras")
    assert.matches("'group_normalization' has class GroupNormalization, here nn%.layer_norm, its layer 'unit_normalization' %(UnitNormalization%) has " ..
      "no counterpart here; scion%.models%.from_keras cannot build", report.notes[1])
  end)

  it("refuses a ReLU that no layer here computes", function()
    local config, model = description "arithmetic.h5", net {}
    local cases = { ["relu up to 5"] = config:gsub('"max_value": 6%.?0?', '"max_value": 5.0'),
                    ["leaky_relu up to 6"] = config:gsub('("max_value": 6%.?0?, "negative_slope": )0%.?0?', "%10.1"),
                    ["relu with a threshold"] = config:gsub('("max_value": 6%.?0?, "negative_slope": 0%.?0?, "threshold": )0%.?0?', "%10.5") }
    for told, changed in pairs(cases) do
      local path = with_description(model, changed)
      local message = messages.refusal(function() weights.load(model, path) end)
      assert.matches(path .. ": the file's model computes something else with these weights: ", message, 1, true)
      assert.matches(", and strict = false loads the weights all the same$", message)
      assert.not_matches("builds the file's own network", message, told)
      assert.equal(12, weights.load(model, path, { strict = false }).loaded)
    end
  end)

  it("is compared only in what both have where the file has another head", function()
    local function headless(limited)
      local whole = net { limited = limited }
      local last
      for _, node in ipairs(whole.order) do last = node.layer.kind == "layer_norm" and node or last end
      return scion.model { output = nn.global_max_pool()(last) }
    end
    assert.same({}, weights.load(headless(), fixtures .. "arithmetic.keras").notes)
    local message = messages.refusal(function() weights.load(headless "relu", fixtures .. "arithmetic.keras") end)
    assert.matches("its layer 'conv2d_1' is computed from relu6('batch_normalization'), here relu('batch_norm_1')", message, 1, true)
  end)

  it("agrees with every model that is built from it", function()
    for _, name in ipairs { "activations.keras", "merges.keras", "windows.keras", "windows.h5", "normed.h5", "older_ops.h5", "older_chain.h5", "tf.keras" } do
      local path = fixtures .. "from_keras/" .. name
      local model = scion.models.from_keras(path)
      assert.same({}, model:load_weights(path).notes, name)
    end
  end)

  it("tells that an architecture rescales images and the file's model does not", function()
    local function small(preprocess) return scion.models.mobilenet_v3_small { input = 32, variant = "keras", preprocess = preprocess } end
    local classes = { conv2d = "Conv2D", depthwise_conv2d = "DepthwiseConv2D", batch_norm = "BatchNormalization" }
    local path, described, datasets, texts = support.folder() .. "/bare.h5", {}, {}, {}
    local model, listed = small(), {}
    for i, layer in ipairs(require("scion.weights.export").keras_layers(model)) do
      local names = {}
      for k, weight in ipairs(layer.weights) do
        names[k], datasets[#datasets + 1] = weight.name, { path = layer.name .. "/" .. weight.name, tensor = weight.tensor }
      end
      listed[i], texts[i] = layer.name, { path = "/" .. layer.name, name = "weight_names", value = names }
    end
    for i, layer in ipairs(require("scion.graph").layers(model.order)) do described[i] = { class_name = classes[layer.kind], config = { name = listed[i] } } end
    texts[#texts + 1] = { path = "/", name = "layer_names", value = listed }
    texts[#texts + 1] = { path = "/", name = "model_config", value = core.json_encode { class_name = "Functional", config = { layers = described } } }
    assert(core.hdf5_write(path, datasets, texts))
    local line = "the file's network has no layer that rescales images, as with include_preprocessing=False, and this one rescales them by x * " ..
      "0.00784314 - 1; " ..
      "scion.models.mobilenet_v3_small{ preprocess = … } builds it without, where preprocess says how the file's images were rescaled"
    assert.equal(path .. ": " .. line, messages.refusal(function() weights.load(small(), path) end))
    assert.equal(line, weights.load(small(), path, { strict = false }).notes[1])
    assert.not_matches("rescales", weights.load(small "tf", path).notes[1])
  end)
end)

describe("Keras's files", function()
  teardown(support.done)

  it("hold bfloat16", function() loads("brain.keras", chain(input(), nn.conv2d(3, 3), nn.global_avg_pool(), nn.dense(4)), 4) end)

  it("are paired by the names that are the model's, and the rest by order", function()
    local x = input()
    x = nn.conv2d(3, 3, { name = "stem" })(x)
    x = nn.conv2d(3, 1, { name = "side" })(x)
    x = nn.batch_norm { epsilon = 1e-3, statistics = "stored", name = "norm" }(x)
    x = nn.dense(4, { name = "hidden" })(nn.global_avg_pool()(x))
    loads("named.keras", scion.model { output = nn.dense(3, { name = "out" })(x) }, 12)
  end)

  it("are paired by names with slashes in them, in whatever order the file lists them", function()
    local path, texts = support.folder() .. "/slashes.h5", { { path = "/", name = "layer_names", value = { "b/conv", "a/conv" } } }
    local datasets = {}
    for i, name in ipairs { "b/conv", "a/conv" } do
      datasets[i] = { path = ("%s/%s/kernel:0"):format(name, name), tensor = support.floats({ 1, 1, 3, 3 }, { i, i, i, i, i, i, i, i, i }) }
      texts[i + 1] = { path = "/" .. name, name = "weight_names", value = { name .. "/kernel:0" } }
    end
    assert(core.hdf5_write(path, datasets, texts))
    local x = input()
    for _, name in ipairs { "a/conv", "b/conv" } do x = nn.conv2d(3, 1, { name = name, bias = false })(x) end
    local model = scion.model { output = x }
    assert.equal(2, weights.load(model, path).loaded)
    local kernels = {}
    for _, layer in ipairs(require("scion.graph").layers(model.order)) do kernels[layer.name] = layer.parameters[1] and layer.parameters[1].tensor:get(1, 1, 1, 1) end
    assert.same({ ["a/conv"] = 2, ["b/conv"] = 1 }, kernels)
  end)

  it("are told where names and order pair equal layers otherwise than the file's order", function()
    local path = support.folder() .. "/crossed.h5"
    local function notes(theirs, ours)
      local datasets, texts = {}, { { path = "/", name = "layer_names", value = theirs } }
      for i, name in ipairs(theirs) do
        datasets[2 * i - 1] = { path = name .. "/kernel:0", tensor = core.new { 3, 3, 3, 3 } }
        datasets[2 * i] = { path = name .. "/bias:0", tensor = core.new { 3 } }
        texts[i + 1] = { path = "/" .. name, name = "weight_names", value = { "kernel:0", "bias:0" } }
      end
      assert(core.hdf5_write(path, datasets, texts))
      local layers = { input() }
      for _, name in ipairs(ours) do layers[#layers + 1] = nn.conv2d(3, 3, { name = name, padding = "same" }) end
      return weights.load(scion.sequential(layers), path).notes
    end
    local rest = ": names decide first, and then the order; give the model's layers the file's names where that is wrong"
    assert.same({ "the file has layer 'x' before 'a', but here a comes before b, into which 'x' was loaded" .. rest },
      notes({ "x", "a", "c", "d" }, { "a", "b", "c", "d" }))
    assert.same({ "the file has layer 'x' behind 'b', but here b comes behind a, into which 'x' was loaded" .. rest },
      notes({ "b", "x", "c", "d" }, { "a", "b", "c", "d" }))
    for _, theirs in ipairs { { "a", "x", "c", "d" }, { "x", "y", "c", "d" }, { "d", "c", "b", "a" }, { "w", "x", "y", "z" }, { "x", "y", "z", "a" } } do
      assert.same({}, notes(theirs, { "a", "b", "c", "d" }), table.concat(theirs, " "))
    end
  end)

  it("of subclassed models have the names of attributes, and those of lists their order", function()
    local function net(hidden, out)
      return chain(input(), nn.conv2d(3, 3, { activation = "relu" }), nn.batch_norm { epsilon = 1e-3, statistics = "stored" }, nn.conv2d(3, 1), nn.conv2d(3, 1),
        nn.global_avg_pool(), nn.dense(3, "relu", { name = hidden }), nn.dense(3, { name = out }))
    end
    local message = messages.refusal(function() weights.load(net(), fixtures .. "attributes.weights.h5") end)
    assert.matches("its layers fit in more than one order, which it does not tell", message, 1, true)
    loads("attributes.weights.h5", net("hidden", "out"), 14)
  end)

  it("of subclassed models and of whole ones that do not fit say how the file's own network is built", function()
    local expected, own = core.json_decode(support.slurp(fixtures .. "subclassed.json")), scion.models.from_keras
    local function net(filters, head)
      local last = { nn.global_avg_pool(), head ~= false and nn.dense(5) or nil }
      return chain(nn.input { shape = { 8, 9, 3 }, preprocess = "unit" }, nn.conv2d(filters or 4, { 3, 2 }, { activation = "relu" }), table.unpack(last))
    end
    local subclassed, described = fixtures .. "subclassed.keras", fixtures .. "described.keras"
    local remedy = { [subclassed] = "'Own' is a subclassed model, whose file does not tell its layers; in Keras, x = keras.Input((height, width, 3)); " ..
                       "keras.Model(x, model.call(x)).save('net.keras') writes one that scion.models.from_keras builds",
                     [described] = ("scion.models.from_keras '%s' builds the file's own network"):format(described) }
    for path, sentence in pairs(remedy) do
      local model = net()
      weights.load(model, path)
      assert.is_true(models.deviation(model, support.pattern(8, 9), expected) < 2e-6)
      local text = messages.refusal(function() weights.load(net(7), path) end)
      assert.equal("; " .. sentence, text:sub(-#sentence - 2))
      local deeper = chain(nn.input(8, 9, 3), nn.conv2d(3, 1), nn.conv2d(3, 1))
      text = messages.refusal(function() weights.load(deeper, path, { strict = false }) end)
      assert.matches("nothing can be loaded even with strict = false: ", text, 1, true)
      assert.equal("; " .. sentence, text:sub(-#sentence - 2))
      local said = support.stderr_of(function() weights.load(net(4, false), path) end)
      assert.equal(path == described, said:find(sentence, 1, true) ~= nil, said)
    end
    assert.equal(subclassed .. ": " .. remedy[subclassed], messages.refusal(function() return (own(subclassed)) end))
    assert.is_true(models.deviation(own(described), support.pattern(8, 9), expected) < 2e-6)
  end)

  it("tell how often EfficientNet rescales, if its layers are listed", function()
    local function rescalings(path)
      local opened <close> = keras.open(path)
      return opened and keras.rescalings(opened)
    end
    for name, count in pairs { ["normalized.h5"] = 1, ["normalized.weights.h5"] = 1, ["rescaled.keras"] = 1, ["equal.keras"] = 0 } do
      assert.equal(count, rescalings(fixtures .. name))
    end
    for _, name in ipairs { "theano.h5", "frozen_weights.h5", "none.h5" } do assert.is_nil(rescalings(fixtures .. name)) end
    local folder = support.folder()
    scion.models.efficientnet_b0 { input = 32 }:export(folder .. "/two.weights.h5")
    assert.equal(2, rescalings(folder .. "/two.weights.h5"))
  end)

  it("of images of another size than the usual one say which it is, where no size is asked for", function()
    local path = support.folder() .. "/wide.h5"
    local function net(size, file)
      return scion.models.mobilenet_v3_small { input = size, weights = file, variant = "keras", width = 0.1, preprocess = "tf" }
    end
    local function said(shape, size)
      local config = { name = "in", batch_shape = { core.null, shape[1], shape[2], 3 } }
      written.write(path, { class_name = "Functional", config = { layers = { { class_name = "InputLayer", config = config } } } }, nil, net(32))
      local model, report
      local text = support.stderr_of(function() model, report = net(size, path) end)
      return text, report.notes[#report.notes], model.input.shape[1]
    end
    local line = "the file's network takes images of 64x64, and this one of 224x224, its usual size; input = 64 builds it for the file's"
    assert.same({ path .. ": " .. line .. "\n", line, 224 }, { said { 64, 64 } })
    assert.matches("images of 64x96, and this one of 224x224, its usual size; input = { 64, 96 } builds it for the file's", (said { 64, 96 }), 1, true)
    for _, case in ipairs { { { 224, 224 } }, { { core.null, core.null } }, { { 64, 64 }, 96 } } do assert.equal("", (said(case[1], case[2]))) end
  end)

  it("of VGG's with a classifier for other images say for which", function()
    local path = support.folder() .. "/vgg.h5"
    assert(core.hdf5_write(path, { { path = "fc1/fc1/kernel:0", tensor = core.new { 2048, 1 } } },
      { { path = "/", name = "layer_names", value = { "fc1" } }, { path = "/fc1", name = "weight_names", value = { "fc1/kernel:0" } } }))
    local message = messages.refusal(function() local m = scion.models.vgg16 { input = 96, top = true, weights = path } return m end)
    assert.equal(path .. ": its classifier fc1 takes 2048 features (2x2x512, of input = 64), not the 3x3x512 of this input", message)
  end)

  it("with LoRA's matrices have them added to the kernels, by the described alpha", function()
    local function net() return chain(input(), nn.conv2d(3, 3), nn.global_avg_pool(), nn.dense(4, { name = "last" })) end
    loads("lora.weights.h5", net(), 4)
    assert.same({}, loads("lora.h5", net(), 4).notes)
    local function deeper(filters)
      return chain(input(), nn.conv2d(4, 3), nn.batch_norm(), nn.conv2d(filters or 5, { 2, 3 }, { bias = false }), nn.global_avg_pool(), nn.dense(3))
    end
    assert.same({}, loads("lora_nested.h5", deeper(), 9).notes)
    assert.matches("alpha = rank, which was assumed", loads("lora_weights.h5", deeper(), 9).notes[1])
    local message = messages.refusal(function() weights.load(deeper(6), fixtures .. "lora_nested.h5") end)
    assert.matches("layer '[%w_/]+' has kernel 2x3x4x5, but [%w_]+ expects 2x3x4x6; scion.models.from_keras '" .. fixtures ..
      "lora_nested.h5' builds the file's own network$", message)
  end)

  it("with LoRA's matrices that do not fit the kernel are refused", function()
    local path = support.folder() .. "/forged.h5"
    local function refusal(a, b)
      local shapes, datasets, names = { { 3, 4 }, { 4 }, a, b }, {}, { "d/kernel", "d/bias", "d/lora_kernel_a", "d/lora_kernel_b" }
      for i, name in ipairs(names) do datasets[i] = { path = "d/" .. name, tensor = core.new(shapes[i]) } end
      assert(core.hdf5_write(path, datasets, { { path = "/", name = "layer_names", value = { "d" } }, { path = "/d", name = "weight_names", value = names } }))
      return messages.refused(function() weights.load(scion.sequential { nn.input(3), nn.dense(4) }, path) end)
    end
    local sentence = path .. ": layer 'd' has LoRA's matrices %s, which do not fit its kernel 3x4"
    assert.equal(sentence:format "3x2 and 3x4", refusal({ 3, 2 }, { 3, 4 }))
    assert.equal(sentence:format "3x2 and 2x3", refusal({ 3, 2 }, { 2, 3 }))
    assert.equal(sentence:format "3x5 and 5x4", refusal({ 3, 5 }, { 5, 4 })) -- a rank that no kernel of this size has a use for
  end)
end)
