-- Whole Keras models, built from what their files say: they predict what Keras does, and what cannot be built is refused in a sentence.
local core = require "scion.core"
local keras = dofile "spec/support/keras.lua"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local nn = scion.nn
local support = dofile "spec/files/support.lua"

local from_keras = scion.models.from_keras
local fixtures = "spec/fixtures/weights/from_keras/"
local golden = core.json_decode(support.slurp(fixtures .. "golden.json"))
local image = support.pattern(12, 13)
local null = core.null

local function config_of(name) return keras.description(fixtures .. name) end

local write = keras.write

local function layer_of(config, name)
  for _, layer in ipairs(config.config.layers) do
    if layer.config.name == name then return layer end
  end
end

describe("scion.models.from_keras", function()
  teardown(support.done)

  it("gives models that take their file again, without a word", function()
    for name in pairs(golden) do
      local model, first = from_keras(fixtures .. name, name:find "^open" and { input = { 12, 13 } } or nil)
      local report = model:load_weights(fixtures .. name)
      assert.equal(first.total, report.loaded)
      assert.same({}, report.notes)
    end
  end)

  it("predicts what Keras 3 and 2 do", function()
    local count = 0
    for name, expected in pairs(golden) do
      local model, report = from_keras(fixtures .. name, name:find "^open" and { input = { 12, 13 } } or nil)
      local deviation = models.deviation(model, image, expected)
      assert.is_true(deviation < 1e-5, ("%s: %g"):format(name, deviation))
      assert.is_true(report:complete())
      assert.equal(report.total, report.loaded)
      count = count + 1
    end
    assert.is_true(count >= 20)
  end)

  it("would notice other weights, statistics and channels", function()
    for _, change in ipairs { "kernel", "moving_variance", "beta" } do
      local model = from_keras(fixtures .. "nested.keras")
      for _, layer in ipairs(model:layers()) do
        if layer.weights[change] and layer.name:find "^base/" then core.fill(layer.weights[change], 0.5) end
      end
      assert.is_true(models.deviation(model, image, golden["nested.keras"]) > 1e-4, change)
    end
    assert.is_true(models.deviation(from_keras(fixtures .. "caffe.keras", { preprocess = "tf" }), image, golden["caffe.keras"]) > 1e-2)
  end)

  it("gives an ordinary model, with the file's names, frozen layers and inner models", function()
    local model, report = from_keras(fixtures .. "nested.keras")
    assert.equal("nest", model.name)
    local frozen = {}
    for _, layer in ipairs(model:layers()) do
      if layer.frozen then frozen[#frozen + 1] = layer.name end
    end
    assert.same({ "base/conv", "base/norm" }, frozen)
    assert.equal("dropout", model:layer("head/dropout").kind)
    assert.same({ "left out, as they do nothing in a prediction: gaussian_noise (GaussianNoise), random_flip (RandomFlip), random_rotation (RandomRotation)" },
      report.notes)
    assert.matches("left out, as they do nothing", (tostring(report):gsub("%s+", " ")))

    local path = support.folder() .. "/model.safetensors"
    model:save(path)
    assert.is_true(models.deviation(scion.load(path), image, golden["nested.keras"]) < 1e-5)
    local prediction = model:predict(image)[1]
    assert.equal("number", type(prediction.confidence))

    local base = model:upto "base"
    assert.equal("base/twin", base.output.layer.name)
    local grafted = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(2, "softmax") }
    base:freeze()
    local x = scion.uniform({ 4, 12, 13, 3 }, 0, 255):to "u8"
    local before = models.bytes(base)
    grafted:fit(scion.data.tensors(x, { 1, 2, 1, 2 }), { epochs = 1, verbose = false })
    assert.same(before, models.bytes(base))
  end)

  it("takes the size and the scale of images from options where the file tells none", function()
    local path = fixtures .. "open.keras"
    assert.equal(path .. ": its input is of any height and width: say which by input = 224, or input = { height, width }",
      messages.refusal(function() return (from_keras(path)) end))
    assert.same({ 20, 20, 3 }, from_keras(path, { input = 20 }).input.shape)
    assert.equal(fixtures .. "tf.keras: its input is of 12x13 pixels, not 20x20; leave the option input out",
      messages.refusal(function() return (from_keras(fixtures .. "tf.keras", { input = 20 })) end))
    assert.matches("scion.models.from_keras: unknown option 'inputs' (did you mean 'input'?)",
      messages.refusal(function() return (from_keras(path, { inputs = 20 })) end), 1, true)

    local _, assumed = from_keras(fixtures .. "older_chain.h5")
    assert.matches("^the model does not say how it was given images; values from 0 to 255 were assumed", assumed.notes[1])
    local model, report = from_keras(fixtures .. "older_chain.h5", { preprocess = "tf" })
    assert.same({}, report.notes)
    assert.same(require("scion.preprocessing").resolve "tf", model.input.layer.options.preprocess)
  end)

  it("reverses channels in the input's preprocessing, after what was asked for", function()
    local preprocess = from_keras(fixtures .. "caffe.keras").input.layer.options.preprocess
    assert.is_true(preprocess.reverse)
    local own = { scale = { 1.0, 2.0, 3.0 }, shift = { 4.0, 5.0, 6.0 }, reverse = false }
    assert.same({ scale = { 3.0, 2.0, 1.0 }, shift = { 6.0, 5.0, 4.0 }, reverse = true },
      from_keras(fixtures .. "caffe.keras", { preprocess = own }).input.layer.options.preprocess)
  end)

  it("tells once that preprocess comes before the model's own rescaling", function()
    local line = "the model rescales images itself, behind what the option preprocess does; leave the option out where that is once too often"
    local _, report = from_keras(fixtures .. "nested.keras", { preprocess = "tf" })
    assert.same(line, report.notes[#report.notes])
    _, report = from_keras(fixtures .. "nested.keras")
    assert.not_equal(line, report.notes[#report.notes])
    _, report = from_keras(fixtures .. "older_chain.h5", { preprocess = "tf" })
    assert.not_equal(line, report.notes[#report.notes])
  end)

  it("tells options that act in training alone or are not known, once", function()
    local path, config, model = support.folder() .. "/options.h5", config_of "older_ops.h5", from_keras(fixtures .. "older_ops.h5")
    for _, layer in ipairs(config.config.layers) do
      if layer.class_name == "Conv2D" then layer.config.kernel_regularizer, layer.config.twist, layer.config.bend = { class_name = "L2" }, 0.5, false end
    end
    local _, report = from_keras(write(path, config, "2.15.0", model))
    assert.same({ "left out, as they do nothing in a prediction: kernel_regularizer of Conv2D", "options that are not known here are passed over: twist of Conv2D" },
      report.notes)
  end)

  it("knows keras.ops.mean over height and width, a cast to float32 and a minus", function()
    local path, preprocess = support.folder() .. "/ops.h5", { scale = { 1, 1, 1 }, shift = { 0, 0, 0 }, reverse = false }
    local function net(keep)
      return scion.sequential { nn.input(12, 13, 3, { preprocess = preprocess }), nn.rescaling(-1), nn.conv2d(4, 3, { padding = "same", name = "conv" }),
                                nn.global_avg_pool { keep_dims = keep, name = "pool" } }
    end
    local tensor = "__keras_tensor__"
    local function file(model, axes, keep, dtype)
      local input = { class_name = "InputLayer", name = "in", config = { name = "in", batch_shape = { core.null, 12, 13, 3 } }, inbound_nodes = {} }
      local list, before = { input }, "in"
      for _, each in ipairs { { "Negative", "minus" }, { "Cast", "cast", { dtype = dtype or "float32" } },
                              { "Conv2D", "conv", { filters = 4, kernel_size = { 3, 3 }, padding = "same", activation = "linear", use_bias = true } },
                              { "Mean", "mean", { axis = axes, keepdims = keep } } } do
        local config = each[3] or {}
        config.name = each[2]
        list[#list + 1] = { class_name = each[1], name = each[2], config = config, inbound_nodes = {
          { args = { { class_name = tensor, config = { keras_history = { before, 0, 0 } } } }, kwargs = {} } } }
        before = each[2]
      end
      local config = { name = "ops", layers = list, input_layers = { "in", 0, 0 }, output_layers = { "mean", 0, 0 } }
      return write(path, { class_name = "Functional", config = config }, "3.15.0", model)
    end
    for _, case in ipairs { { { 1, 2 }, false }, { { -3, -2 }, true } } do
      local model = net(case[2])
      local built = from_keras(file(model, case[1], case[2]))
      assert.is_true(models.deviation(built, image, model:features(image, "pool"):reshape(4):totable()) < 1e-6)
    end
    assert.matches("layer 'mean' (Mean): only the mean over height and width, axis=(1, 2), is known here", messages.refusal(function()
      from_keras(file(net(), { 1 }, false))
    end), 1, true)
    assert.matches("dtype is 'float16', and all is computed in float32 here", messages.refusal(function()
      from_keras(file(net(), { 1, 2 }, false, "float16"))
    end), 1, true)
  end)

  it("says that a model has its channels first", function()
    local path, config = support.folder() .. "/first.h5", config_of "older_ops.h5"
    for _, layer in ipairs(config.config.layers) do
      local shape = layer.config.batch_input_shape
      if shape then shape[2], shape[4] = 3, shape[2] end
      if layer.class_name == "Conv2D" then layer.config.data_format = "channels_first" end
    end
    write(path, config, "2.15.0", from_keras(fixtures .. "older_ops.h5"))
    assert.equal(path .. ": data_format is channels_first, and images here have their channels last; build it so in Keras and copy the weights",
      messages.refusal(function() from_keras(path) end))
  end)

  it("adds LoRA's matrices, without a word about their options", function()
    local expected = core.json_decode(support.slurp "spec/fixtures/weights/lora.json")["lora_nested.h5"]
    local model, report = from_keras("spec/fixtures/weights/lora_nested.h5", { preprocess = "unit" })
    assert.same({}, report.notes)
    assert.is_true(models.deviation(model, support.pattern(8, 9), expected) < 1e-5)
  end)

  it("gives models to which a file with another padding is told", function()
    local path, model = support.folder() .. "/padded.h5", from_keras(fixtures .. "windows.h5")
    local function note(change)
      local config = config_of "windows.h5"
      change(config)
      return from_keras(fixtures .. "windows.h5"):load_weights(write(path, config, nil, model), { strict = false }).notes[1]
    end
    local function padded(padding)
      return function(config) layer_of(config, "zero_padding2d").config.padding = padding end
    end
    assert.is_nil(note(padded { { 1, 2 }, { 0, 3 } }))
    assert.matches("its layer 'conv2d_3' has padding {1, 2, 2, 2}, here {2, 0, 3, 4}", note(padded { 1, 1 }), 1, true)
    assert.matches("its layer 'conv2d_3' has padding {1, 0, 2, 4}, here {2, 0, 3, 4}", note(padded { { 1, 1 }, { 0, 3 } }), 1, true)
    local function depthwise(config) layer_of(config, "depthwise_conv2d").config.padding = "same" end
    assert.matches("its layer 'depthwise_conv2d' has padding {1, 1, 1, 1}, here {0, 0, 0, 0}", note(depthwise), 1, true)
    for _, unread in ipairs { "x", { 1 }, { { 1 }, { 2 } } } do assert.is_nil(note(padded(unread))) end
    assert.is_nil(note(function(config) -- such a layer pads by the size of the images
      padded { 1, 1 }(config)
      for _, layer in ipairs(config.config.layers) do
        if layer.class_name == "InputLayer" then layer.config.batch_shape = { null, 24, 26, 3 } end
      end
    end))
    assert.is_nil(note(function(config) layer_of(config, "zero_padding2d").inbound_nodes[1].args[1].config.keras_history[1] = "zero_padding2d" end))
  end)

  it("tells layers that are called with training=True, and refuses batch norms that Keras 2 called so", function()
    local path, model, older = support.folder() .. "/trained.h5", from_keras(fixtures .. "windows.h5"), from_keras(fixtures .. "older_ops.h5")
    local function trained(training, version)
      local config = config_of "windows.h5"
      layer_of(config, "batch_normalization").inbound_nodes[1].kwargs = { training = training }
      return write(path, config, version, model)
    end
    local newer = "the file's model calls batch norms with training=True ('batch_normalization'): in Keras, net(x) uses the statistics of each batch, and " ..
      "net.predict(x), as here, those that are stored"
    local _, report = from_keras(trained(true))
    assert.same({ newer }, report.notes)
    assert.same({ newer }, from_keras(fixtures .. "windows.h5"):load_weights(path).notes)
    for _, value in ipairs { false, null, "yes" } do
      _, report = from_keras(trained(value, "2.15.0"))
      assert.same({}, report.notes)
    end
    local config = config_of "older_ops.h5"
    layer_of(config, "batch_normalization").inbound_nodes[1][1][4].training = true
    local old = path .. ": the file's model calls batch norms with training=True ('batch_normalization'), which then use the statistics of each batch, " ..
      "also in Keras's predictions, and here those that are stored; in Keras, build it without and copy the weights"
    write(path, config, "2.15.0", older)
    assert.equal(old, messages.refusal(function() return (from_keras(path)) end))
    local target = from_keras(fixtures .. "older_ops.h5")
    assert.equal(old, messages.refusal(function() target:load_weights(path) end))
    assert.same(old, path .. ": " .. target:load_weights(path, { strict = false }).notes[1])
    layer_of(config, "batch_normalization").config.trainable = false
    write(path, config, "2.15.0", older)
    assert.equal(older.output.shape[1], from_keras(path).output.shape[1])
    -- an inner model's layers are called as it is
    config = config_of "nested.h5"
    for _, name in ipairs { "base", "head" } do layer_of(config, name).inbound_nodes[1].kwargs.training = true end
    local read = { config = require("scion.weights.keras_config").read(core.json_encode(config)), older = false } -- the norm of base is frozen
    assert.matches("calls layers with training=True ('dropout' and 1 more layer): in Keras, net(x) drops", require "scion.weights.keras_training"(read), 1, true)
  end)

  it("takes labels and preprocessing that the file tells", function()
    local path, model = support.folder() .. "/told.h5", from_keras(fixtures .. "tf.keras")
    local described = config_of "windows.h5"
    local windows = from_keras(fixtures .. "windows.h5")
    write(path, described, nil, windows)
    assert.is_nil(from_keras(path).labels)
    assert.is_nil(model.labels)
    local list = { { path = "/", name = "labels", value = { "a", "b", "c", "d" } },
                   { path = "/", name = "preprocessing", value = core.json_encode(require("scion.preprocessing").resolve "torch") } }
    local write_file = core.hdf5_write
    finally(function() core.hdf5_write = write_file end)
    core.hdf5_write = function(to, datasets, texts) return write_file(to, datasets, table.move(list, 1, #list, #texts + 1, texts)) end
    write(path, described, nil, windows)
    local told = from_keras(path)
    assert.same({ "a", "b", "c", "d" }, told.labels)
    assert.same(require("scion.preprocessing").resolve "torch", told.input.layer.options.preprocess)
  end)
end)

describe("scion.models.from_keras refuses", function()
  teardown(support.done)
  local path = support.folder() .. "/model.h5"

  local function refusal(config, version)
    write(path, config, version)
    local message = messages.refusal(function() return (from_keras(path)) end)
    assert.equal(path .. ": ", message:sub(1, #path + 2))
    return message:sub(#path + 3)
  end

  local function changed(name, layer, change)
    local config = config_of(name)
    change(layer_of(config, layer), config)
    return refusal(config)
  end

  it("layers that it does not know, with the remedy", function()
    local remedy = ", or save the part of the model before it: keras.Model(model.input, model.get_layer(NAME).output).save('part.keras')"
    local name = config_of("windows.h5").config.layers[4].config.name
    for _, case in ipairs { { "GroupNormalization", nil, "is not known here; in Keras, put known layers in its place" },
                            { "Conv2D", "mine.layers", "is not known here; in Keras, put known layers in its place" },
                            { "Lambda", "keras.layers", "holds Python code, which nothing here runs; in Keras, put layers such as Rescaling in its place" } } do
      assert.equal(("layer '%s' (%s) %s%s"):format(name, case[1], case[3], remedy),
        changed("windows.h5", name, function(layer) layer.class_name, layer.module = case[1], case[2] end))
    end
  end)

  it("options that layers here lack", function()
    local first = config_of("windows.h5").config.layers[4].config.name
    for option, case in pairs { groups = { 4, first .. ": groups = 4 has to divide its 6 filters and the 3 channels of its input" },
                                padding = { "causal", "padding is 'valid' or 'same', not 'causal'" },
                                data_format = { "channels_first", "data_format is 'channels_first', and images here have their channels last; build it so in " ..
                                  "Keras and copy the weights" },
                                filters = { "x", "nn.conv2d: filters is a whole number from 1 to 2147483647, not 'x'" },
                                strides = { { 0, 1 }, "nn.conv2d: stride is a list of two (vertical, horizontal), but element 1 is 0" },
                                kernel_size = { null, "nn.conv2d: kernel is missing; it is a whole number from 1 to 2147483647 or a list of two (vertical, horizontal)" } } do
      assert.equal(("layer '%s' (Conv2D): %s"):format(first, case[2]), changed("windows.h5", first, function(layer) layer.config[option] = case[1] end))
    end
    assert.matches("activation 'erf' is none of relu, relu6, ", changed("windows.h5", first, function(layer) layer.config.activation = "erf" end), 1, true)
    assert.matches("activation is an object of Python, and is none of ",
      changed("windows.h5", first, function(layer) layer.config.activation = { class_name = "x" } end), 1, true)
  end)

  it("axes that layers here lack, and names them", function()
    local lists = { PReLU = { "shared_axes", { 1, 3 }, "shared_axes is [1, 3], and nn.prelu has a slope for each element, for each channel ([1, 2]), or one" },
                    LayerNormalization = { "axis", { 1, 2, 3 }, "axis is [1, 2, 3], and layers here work along the last one only" } }
    for class, case in pairs(lists) do
      local config, name = config_of "normed.h5", nil
      for _, layer in ipairs(config.config.layers) do
        if layer.class_name == class and not name then layer.config[case[1]], name = case[2], layer.config.name end
      end
      assert.equal(("layer '%s' (%s): %s"):format(name, class, case[3]), refusal(config))
    end
  end)

  it("constants that are no operand here, and inputs that a layer has no use for", function()
    local constant = ": one of its inputs is a constant, and here only an input and a number, or three for its channels, can be added, subtracted, multiplied or divided"
    local array = { class_name = "__numpy__", config = { value = { { 1.5, 2.5 } }, dtype = "float32" } }
    local name = config_of("windows.h5").config.layers[5].config.name
    local function called(class, arguments, message)
      assert.equal(("layer '%s' (%s)%s"):format(name, class, message), changed("windows.h5", name, function(layer)
        layer.class_name = class
        layer.inbound_nodes[1].args = arguments(layer.inbound_nodes[1].args[1])
      end))
    end
    for _, class in ipairs { "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Stack", "ReLU" } do
      called(class, function(x) return { { x, array } } end, constant)
      called(class, function(x) return { { array, x, x } } end, constant)
      called(class, function(x) return { x, x, 0.1 } end, constant)
    end
    for _, class in ipairs { "Minimum", "Average", "Concatenate", "ReLU" } do
      called(class, function(x) return { x, 0.1 } end, constant)
      called(class, function(x) return { 0.1, x } end, constant)
    end
    called("Maximum", function(x) return { 0.1, x } end, ": of the constants only 0 is known here, beside which the larger is a ReLU")
    called("Softmax", function(x) return { x, x } end, ": it has 2 inputs, and here it takes one")
  end)

  it("constants of Keras 2 that are no operand here", function()
    for _, class in ipairs { "Maximum", "Minimum", "Concatenate", "Add", "Average" } do
      local config = config_of "older_ops.h5"
      local layer = layer_of(config, "batch_normalization")
      layer.class_name = class
      table.insert(layer.inbound_nodes[1], { "_CONSTANT_VALUE", -1, { { 1.5, 2.5 } }, {} })
      assert.matches("one of its inputs is a constant, and here only", refusal(config, "2.15.0"), 1, true)
    end
  end)

  it("graphs that models here are not", function()
    local config = config_of "windows.h5"
    local output = config.config.output_layers[1]
    config.config.output_layers = { { output, 0, 0 }, { "dense_1", 0, 0 } }
    assert.matches("has 2 outputs, and models here have one; in Keras, keras.Model(model.input, model.outputs[0])", refusal(config), 1, true)
    config.config.output_layers = { output, 0, 1 }
    assert.matches("takes output 1 of a layer, and layers here have one", refusal(config), 1, true)
    config.config.output_layers = { "nowhere", 0, 0 }
    assert.matches("takes the output of 'nowhere', which the file does not describe", refusal(config), 1, true)
    config.config.input_layers = { { "a", 0, 0 }, { "b", 0, 0 } }
    assert.matches("has 2 inputs, and models here have one$", refusal(config))
    config.class_name = "Own"
    assert.matches("is of the class 'Own', whose Python code tells what it computes", refusal(config), 1, true)

    config = config_of "older_chain.h5"
    config.config.layers[1].config.batch_input_shape = { null, 12, 3 }
    assert.equal("its input has 2 dimensions, and images have height, width and channels", refusal(config, "2.15.0"))
    for _, channels in ipairs { 2, 4 } do
      config.config.layers[1].config.batch_input_shape = { null, 12, 13, channels }
      assert.equal(("its input has %d channels, and images have 1 or 3"):format(channels), refusal(config, "2.15.0"))
    end
    config.config.layers[1].config.batch_input_shape = { null, 12, 3 }
    config.config.layers[1].config.batch_input_shape = null
    config.config.layers[2].config.batch_input_shape = null
    config.config.build_input_shape = null
    assert.equal("the file does not tell the shape of the model's input; in Keras, begin with keras.Input and save it again", refusal(config, "2.15.0"))
  end)

  it("slices of an image but a reversal of the input's channels", function()
    local whole, turned = { start = null, stop = null, step = null }, { start = null, stop = null, step = -1 }
    local all = { class_name = "__ellipsis__" }
    for _, spec in ipairs { { whole, turned }, { all, { start = 1, stop = null, step = -1 } }, { all, whole }, { all, turned, turned }, {}, { whole, 2 } } do
      local config = config_of "older_caffe.h5"
      layer_of(config, "tf.__operators__.getitem").inbound_nodes[1][4].slice_spec = spec
      assert.matches("of what stands in brackets only [..., ::-1] on the model's input is known here", refusal(config), 1, true)
    end
    local config = config_of "older_caffe.h5"
    layer_of(config, "tf.__operators__.getitem").inbound_nodes[1][1] = "tf.nn.bias_add"
    layer_of(config, "tf.nn.bias_add").inbound_nodes[1][1] = config.config.input_layers[1][1]
    assert.matches("channels can be reversed of the model's input of three channels only, and once", refusal(config), 1, true)
  end)

  it("weights that are used twice, and layers that depend on themselves", function()
    local config = config_of "nested.h5"
    local twice = layer_of(config, "conv")
    table.insert(twice.inbound_nodes, twice.inbound_nodes[1])
    assert.equal("layer 'conv' (Conv2D): it is used twice with the same weights, and a layer stands once in a graph here", refusal(config))
    config = config_of "nested.h5"
    twice = layer_of(config, "base")
    table.insert(twice.inbound_nodes, twice.inbound_nodes[1])
    assert.equal("layer 'base' (Functional) is used twice, and a model stands once in a graph here", refusal(config))
    config = config_of "nested.h5"
    layer_of(config, "rescaling").inbound_nodes[1].args[1].config.keras_history = { "conv", 0, 0 }
    assert.matches("depends on its own output", refusal(config), 1, true)
  end)

  it("files that hold no model", function()
    local file = fixtures .. "../keras.json"
    assert.matches(file, messages.refusal(function() return (from_keras(file)) end), 1, true)
    assert.matches("none.keras: ", messages.refusal(function() return (from_keras "none.keras") end), 1, true)
    local torch = fixtures .. "../torch_zip.pth"
    assert.matches(torch .. ": this is no file of Keras's; ", messages.refusal(function() return (from_keras(torch)) end), 1, true)
    local weights = fixtures .. "../small.weights.h5"
    assert.matches(weights .. ": the file has weights but no description of a model", messages.refusal(function() return (from_keras(weights)) end), 1, true)
  end)

  it("a description with a layer of no class", function()
    for _, class in ipairs { null, { "Conv2D" }, 3 } do
      assert.matches("^its description %(model_config%) cannot be read: a layer in it has no class_name; copy or download the file again$",
        changed("windows.h5", config_of("windows.h5").config.layers[4].config.name, function(layer) layer.class_name = class end))
    end
  end)

  it("a description whose weights the file has not", function()
    write(path, config_of "windows.h5", nil, from_keras(fixtures .. "older_ops.h5"))
    assert.matches(path .. ": ", messages.refusal(function() return (from_keras(path)) end), 1, true)
  end)
end)

-- ---- damaged descriptions ---------------------------------------------------------------------------------------------

local function one_of(list) return list[math.random(#list)] end

-- A place in a tree of JSON: a table and a key.
local function somewhere(root)
  local at, key = { root }, 1
  for _ = 1, math.random(12) do
    local value, keys = at[key], {}
    if type(value) ~= "table" then break end
    for each in pairs(value) do keys[#keys + 1] = each end
    if #keys == 0 then break end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    at, key = value, one_of(keys)
  end
  return at, key
end

local function list(...) return setmetatable({ ... }, core.json_array) end

local function nasty(root)
  local at, key = somewhere(root)
  return one_of { null, true, false, 0, -1, 1, 3, 2.5, 1e300, 1 << 40, "", "x", "conv2d", "same", "relu", "\27[1m", list(), list(1), list(0, 0), list(-1, 5), list("x"),
                  { class_name = "Dense", config = { name = "x", units = 3 } }, core.json_decode(core.json_encode(list(at[key])))[1] }
end

describe("a damaged description", function()
  teardown(support.done)
  local path = support.folder() .. "/damaged.h5"
  local sources = {}
  for _, name in ipairs { "windows.h5", "older_ops.h5", "older_caffe.h5", "nested.h5", "older_nested.h5" } do
    sources[#sources + 1] = { config = config_of(name), version = name:find "older" and "2.15.0", model = not name:find "nested" and from_keras(fixtures .. name) or nil }
  end

  it("gives a model or a sentence", function()
    math.randomseed(71)
    local built, refused = 0, 0
    for _ = 1, tonumber(os.getenv "SCION_FUZZ_MODELS") or 120 do
      local source = one_of(sources)
      local config = core.json_decode(core.json_encode(source.config))
      for _ = 1, math.random(2) do
        local at, key = somewhere(config)
        at[key] = nasty(config)
      end
      write(path, config, source.version, source.model)
      local ok, message = pcall(from_keras, path)
      if ok then
        built = built + 1
      else
        messages.check(messages.split(message))
        assert.matches(path, message, 1, true)
        refused = refused + 1
      end
    end
    assert.is_true(built > 10 and refused > 30, ("%d built, %d refused"):format(built, refused))
  end)
end)
