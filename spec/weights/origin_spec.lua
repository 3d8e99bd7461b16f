-- What a file and the config.json beside it tell of their network: it is built so, or refused in a sentence that says what was found.
local core = require "scion.core"
local graph = require "scion.graph"
local layer = require "scion.layer"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local names = require "scion.weights.names.architectures"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local torchvision = require "scion.weights.torchvision"
local written = dofile "spec/support/keras.lua"

describe("A file of weights", function()
  local folder, count, source = nil, 0, nil
  setup(function()
    folder = support.folder()
    source = scion.models.mobilenet_v2 { width = 0.35, input = 32, top = true, classes = 3, variant = "torchvision" }
  end)
  teardown(support.done)

  -- A model's weights as PyTorch's libraries save them, in a folder of their own.
  local function saved(model, name, config)
    count = count + 1
    local place = ("%s/%d"):format(folder, count)
    support.shell(("mkdir %q"):format(place))
    local arrays = torchvision.tensors(graph.layers(model.order), true)
    assert(core.safetensors_write(("%s/%s"):format(place, name or "model.safetensors"), arrays, { format = "pt" }))
    if config then support.spit(place .. "/config.json", type(config) == "string" and config or core.json_encode(config)) end
    return ("%s/%s"):format(place, name or "model.safetensors")
  end

  local function config(changes)
    local c = { architecture = "mobilenetv2_035", num_classes = 3, global_pool = "avg", label_names = { "a", "b", "c" },
                pretrained_cfg = { mean = { 0.25, 0.5, 0.75 }, std = { 0.5, 0.25, 0.2 }, input_size = { 3, 32, 32 }, num_classes = 1000 } }
    for key, value in pairs(changes or {}) do
      local part = (key == "mean" or key == "std") and c.pretrained_cfg or c
      part[key] = value
    end
    return c
  end

  local function built(path, more)
    local options = { weights = path, top = true, width = 0.35 }
    for key, value in pairs(more or {}) do options[key] = value end
    local model, report = scion.models.mobilenet_v2(options)
    return model, report
  end

  local function refused(path, more)
    return (messages.refused(function() built(path, more) end):gsub(folder .. "/%d+/", ""))
  end

  local function told(f)
    local result
    local line = support.stderr_of(function() result = f() end)
    return (line:gsub(folder .. "/%d+/", "")), result
  end

  it("with a config.json builds what that says: width, variant, size, classes, preprocessing, labels", function()
    local model, report = scion.models.mobilenet_v2 { weights = saved(source, nil, config()), top = true }
    assert.same({ { 32, 32, 3 }, { 3 } }, { model.input.shape, model.output.shape })
    assert.same({ "torchvision", { "a", "b", "c" } }, { model.variant, model.labels })
    assert.same({ "mobilenetv2_035", 3 }, { report.config.architecture, report.config.classes })
    assert.same({ "images are standardized by config.json's mean = { 0.25, 0.5, 0.75 } and std = { 0.5, 0.25, 0.2 }" }, report.notes)
    assert.matches(report.notes[1], tostring(model:load_weights(report.path)):gsub("\n +", " "), 1, true)
    -- (x / 255 - mean) / std, by hand
    local p = model.input.layer.options.preprocess
    for c, mean in ipairs { 0.25, 0.5, 0.75 } do
      local std = ({ 0.5, 0.25, 0.2 })[c]
      assert.is_true(math.abs((100 / 255 - mean) / std - (100 * p.scale[c] + p.shift[c])) < 1e-12)
    end
    assert.same(models.bytes(source), models.bytes(model))
  end)

  it("with a config.json is built where its arguments change no prediction", function()
    for _, arguments in ipairs { { drop_path_rate = 0.2, drop_rate = 0.3, bn_momentum = 0.01, checkpoint_path = "" }, { act_layer = "relu6" } } do
      assert.is_nil(select(2, built(saved(source, nil, config { model_args = arguments }))).config.changes)
    end
    local net = scion.models.efficientnet_b0 { input = 32, variant = "torchvision" }
    local function changes(activation)
      local c = { architecture = "efficientnet_b0", model_args = { act_layer = activation }, num_classes = 1000 }
      local report
      support.stderr_of(function() report = net:load_weights(saved(net, nil, c), { strict = false }) end)
      return report.config.changes
    end
    assert.same({ nil, nil, "act_layer" }, { changes "silu", changes "swish", changes "relu" })
  end)

  it("with a config.json yields to options that are given", function()
    local path = saved(source, nil, config())
    local model, given = built(path, { input = 64, preprocess = "unit", classes = 3 })
    assert.same({ { 64, 64, 3 }, 1 / 255 }, { model.input.shape, model.input.layer.options.preprocess.scale[1] })
    assert.same({ "images are rescaled by the option preprocess, and not by config.json's mean = { 0.25, 0.5, 0.75 } and std = { 0.5, 0.25, 0.2 }" }, given.notes)
    assert.equal("scion.models.mobilenet_v2: classes = 5, but config.json tells of 3; leave classes out, or graft a top of your own", refused(path, { classes = 5 }))
    model = scion.models.mobilenet_v2 { weights = path }
    assert.is_nil(model.labels) -- it has no top
    assert.same({ 32, 32, 3 }, model.input.shape)
  end)

  it("is refused where the config.json names another network than the model", function()
    local cases = {
      { "resnet34.a1_in1k", nil, "model.safetensors: config.json says that it is of timm's resnet34.a1_in1k, not of mobilenet_v2: " ..
                                 "scion.models.resnet34{ weights = … } builds it" },
      { "mobilenetv1_125", nil, "not of mobilenet_v2: scion.models.mobilenet{ width = 1.25, weights = … } builds it" },
      { "convnext_tiny", nil, "config.json says that it is of timm's convnext_tiny: Scion has no such network, and scion.models.mobilenet_v2 would predict " ..
                              "something else; strict = false loads what fits all the same" },
      { "resnetblur18", nil, "timm's resnetblur18, which has the names of resnet18 but blurs before it takes every other pixel: Scion has no such network" },
      { "mobilenetv2_035", { model_args = { act_layer = "silu", in_chans = 3, drop_rate = 0.5, global_pool = "max" } },
        "timm's mobilenetv2_035 built with other arguments (act_layer, global_pool), which scion.models.mobilenet_v2 has not" },
      { "mobilenetv2_035", { global_pool = "catavgmax" }, "timm's mobilenetv2_035 built with other arguments (global_pool), which scion.models.mobilenet_v2 has not" },
      { "mobilenetv2_035", { pretrained_cfg = { input_size = { 4, 32, 32 } } },
        "config.json: the network takes images of 4 channels, and those of scion.models take 3, or 1" },
    }
    for _, case in ipairs(cases) do
      local c = case[2] or {}
      c.architecture = case[1]
      local path = saved(source, nil, config(c))
      assert.matches(case[3], refused(path), 1, true)
      local line, model = told(function() return (built(path, { strict = false, classes = 3, input = 32 })) end)
      assert.matches(case[3], line, 1, true)
      assert.same(models.bytes(source), models.bytes(model))
    end
  end)

  it("with a config.json is built by its older names, and by torchvision's", function()
    for _, name in ipairs { "tv_mobilenetv2_035", "mobilenet_v2", "mobilenetv2_035.lamb" } do
      local _, report = built(saved(source, nil, config { architecture = name }))
      assert.equal(name, report.config.architecture)
    end
  end)

  it("with a damaged config.json is refused with what is wrong in it", function()
    local function of(text) return refused(saved(source, nil, text)) end
    assert.matches("^config.json: json: line 1, column .*; repair it, or move it away from the weights", of '{"architecture": ')
    for _, text in ipairs { "5", "[]", "[1]", '[{"mean": [0, 0, 0]}]' } do
      assert.equal("config.json: it holds no object; repair it, or move it away from the weights if it does not tell of them", of(text))
    end
    assert.equal("config.json: num_classes is a whole number from 0 to 2147483648, not 'many'", of '{"num_classes": "many"}')
    assert.matches("config.json: input_size is a list of three sizes", of '{"input_size": [3, 0, 1]}', 1, true)
    assert.matches("config.json: mean is a list of numbers", of '{"pretrained_cfg": {"mean": [1, "x", 2], "std": [1, 1, 1]}}', 1, true)
    assert.matches("config.json: std is a list of numbers above 0, but element 2 is 0", of '{"mean": [0, 0, 0], "std": [1, 0, 1]}', 1, true)
    assert.equal("config.json: mean and std are of 2 and 3 channels, and the images of 3", of '{"mean": [0, 0], "std": [1, 1, 1]}')
    assert.equal("config.json: 'mean' stands there twice, by itself and in pretrained_cfg, with different numbers: leave the one that the network was trained with",
                 of '{"mean": [0, 0, 0], "pretrained_cfg": {"mean": [0, 0, 0.5], "std": [1, 1, 1]}}')
    assert.matches("config.json: 8388609 bytes are too many", of((" "):rep(8388609)), 1, true)
    assert.matches("but element 2 is null", of '{"input_size": [3, null, null]}', 1, true)
    local _, report = built(saved(source, nil, '{"model_type": "vit", "pretrained_cfg": null}'), { classes = 3 }) -- that of another library
    assert.is_nil(report.config)
  end)

  it("with a config.json that cannot be opened is refused", function()
    for command, reason in pairs { ["mkdir"] = "a directory", ["ln -s nowhere"] = "No such file or directory", ["ln -s config.json"] = "Too many levels of symbolic links",
                                   ["mkfifo"] = "a named pipe" } do
      local path = saved(source)
      support.shell(("%s '%s'"):format(command, path:gsub("[^/]*$", "config.json")))
      assert.equal(("config.json: it cannot be read (%s), and may tell what the weights beside it are of; repair it, or move it away"):format(reason), refused(path))
    end
  end)

  it("with means of values from 0 to 255 tells that they look so", function()
    local line = told(function() return (built(saved(source, nil, config { mean = { 123, 116, 103 }, std = { 58, 57, 57 } }))) end)
    assert.equal("preprocess: mean = { 123, 116, 103 } and std = { 58, 57, 57 } are for values from 0 to 1, and those above 1 look like values from 0 to 255: " ..
      "divide them by 255\n", line)
    assert.equal("", told(function() return (built(saved(source, nil, config { mean = { 1, 1, 1 }, std = { 1, 1, 1 } }))) end))
  end)

  it("takes labels in either form, and tells of those that do not fit", function()
    local function labels(list)
      local line, model = told(function() return (built(saved(source, nil, config { label_names = list }))) end)
      return model.labels, line
    end
    assert.same({ "x", "y", "z" }, (labels { ["0"] = "x", ["2"] = "z", ["1"] = "y" }))
    local none, line = labels { "x", "y" }
    assert.is_nil(none)
    assert.equal("model.safetensors: the labels beside the weights are not used: they are 2, but the model has 3 outputs (softmax), which needs 3 labels\n", line)
    none, line = labels { "x", "y", "x" }
    assert.is_nil(none)
    assert.matches("they have 'x' twice", line, 1, true)
    assert.is_nil((labels { ["0"] = "x", ["5"] = "y" }))
  end)

  it("without a config.json says what was assumed, aloud where its name or its names hint at another network", function()
    local resnet = scion.models.resnet18 { input = 32 }
    local function load(name)
      local report
      local line = told(function()
        report = scion.models.resnet18 { input = 32 }:load_weights(saved(resnet, name))
        return report
      end)
      return line, report
    end
    local assumed = "taken for torchvision's resnet18; networks with the same names and shapes: resnetblur18 blurs before it takes every other pixel; " ..
      "a config.json beside the file tells"
    local line, report = load "resnet18-f37072fd.safetensors"
    assert.same({ "", { assumed, "images are standardized as for torchvision's own weights" } }, { line, report.notes })
    assert.same({ assumed }, scion.models.resnet18 { input = 32 }:load_weights(saved(resnet), { preprocess = "tf" }).notes)
    assert.matches("  taken for torchvision's resnet18;", tostring(report), 1, true)
    line = load "resnetblur18_a1-0123.safetensors"
    assert.equal("resnetblur18_a1-0123.safetensors: " .. assumed .. "\n", line)
    local net = scion.models.inception_v3 { input = 75, variant = "torchvision" }
    local path = saved(net, "gluon_inception_v3-9f746940.safetensors")
    line = told(function() return net:load_weights(path) end)
    assert.matches("gluon_inception_v3 takes preprocess = 'torch'", line, 1, true)
    line = told(function() return net:load_weights(saved(net, "inception_v3_google.safetensors")) end)
    assert.equal("", line)
  end)

  it("of Keras's without a description says how images are rescaled, unless that is known", function()
    local function net(options)
      local given = { width = 0.35, input = 32, variant = "keras" }
      for key, value in pairs(options or {}) do given[key] = value end
      return scion.models.mobilenet_v2(given)
    end
    local path = written.write(folder .. "/own.h5", nil, nil, net())
    local line = "images are rescaled as for keras's own weights, since a file of weights alone does not tell how they were; preprocess = says it otherwise"
    assert.same({ line }, net():load_weights(path).notes)
    assert.same({ line }, select(2, net { weights = path }).notes)
    assert.same({}, net():load_weights(path, { preprocess = "unit" }).notes)
    assert.same({}, net():load_weights(written.write(folder .. "/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5", nil, nil, net())).notes)
    net():export(folder .. "/exported.weights.h5")
    assert.same({}, net():load_weights(folder .. "/exported.weights.h5").notes)
    local model = net():graft { scion.nn.global_avg_pool(), scion.nn.dense(2) }
    assert.same({ line }, model:load_weights(written.write(path, nil, nil, model)).notes)
  end)

  it("is of a variant with timm's names where it has those", function()
    local function net(name, options)
      local given = { input = 33, top = true, classes = 3 }
      for key, value in pairs(options or {}) do given[key] = value end
      return scion.models[name](given)
    end
    local function load(name, file, options)
      local model, report
      local line = told(function() model, report = net(name, options) return model end)
      return model, report, (line:gsub("^" .. file .. ": ", ""))
    end
    local small = net("mobilenet_v3_small", { variant = "timm", width = 0.5 })
    local path = saved(small)
    local model, report, line = load("mobilenet_v3_small", "model.safetensors", { weights = path, width = 0.5 })
    assert.same({ "timm", report.total, {}, {} }, { model.variant, report.loaded, report.missing, report.unexpected })
    assert.same(models.bytes(small), models.bytes(model))
    local assumed = "taken for timm's mobilenet_v3_small; networks with the same names and shapes: tf_mobilenetv3_small_075 is variant = 'tf' at width = 0.75, " ..
      "tf_mobilenetv3_small_100 is variant = 'tf'; a config.json beside the file tells"
    assert.same({ assumed .. "\n", assumed }, { line, report.notes[1] })
    model = net("mobilenet_v3_small", { weights = path, variant = "tf", width = 0.5 })
    assert.same(models.bytes(small), models.bytes(model))
    told(function() model = scion.models.mobilenet_v3_small { weights = path, width = 0.5, input = 32 } end) -- without the head
    assert.same({ "timm", 3 }, { model.variant, #model.output.shape })
    model = net("mobilenet_v3_small", { weights = saved(small, nil, config { architecture = "mobilenetv3_small_050.lamb_in1k" }) })
    assert.same({ "timm", models.bytes(small) }, { model.variant, models.bytes(model) })
    local large = net("mobilenet_v3_small", { variant = "torchvision" })
    large:export(folder .. "/v3.safetensors")
    model, report = load("mobilenet_v3_small", "v3.safetensors", { weights = folder .. "/v3.safetensors" })
    assert.same({ "torchvision", {} }, { model.variant, report.notes })
    local otherwise = "it has %s names, and this mobilenet_v3_small is of the variant '%s', which pads or normalizes otherwise; variant = '%s' builds the one that fits"
    local plain = folder .. "/plain.safetensors" -- as torchvision's users save it
    assert(core.safetensors_write(plain, torchvision.tensors(graph.layers(large.order)), { format = "pt" }))
    for _, case in ipairs { { path, "timm's", "torchvision", "timm", 0.5 }, { plain, "PyTorch's", "tf", "torchvision" } } do
      local message = messages.refused(function() net("mobilenet_v3_small", { weights = case[1], variant = case[3], width = case[5] }) end)
      assert.matches(otherwise:format(case[2], case[3], case[4]), message, 1, true)
    end

    local b0 = net("efficientnet_v2_b0", { variant = "tf" })
    model, report, line = load("efficientnet_v2_b0", "model.safetensors", { weights = saved(b0) })
    assert.same({ "tf", models.bytes(b0), "", {} }, { model.variant, models.bytes(model), line, report.missing })
    local s = layer.without_initial_values(function() return net("efficientnet_v2_s", { variant = "tf" }) end)
    local message = messages.refused(function() net("efficientnet_v2_s", { weights = saved(s, nil, config { architecture = "efficientnetv2_s" }) }) end)
    assert.matches("config.json says that it is of timm's efficientnetv2_s: Scion has no such network", message, 1, true)
  end)

  it("with timm's names of several variants says which was taken, unless the user or the file's name says it", function()
    local b0 = scion.models.efficientnet_b0 { input = 32, variant = "tf" }
    local function line(name, variant)
      local path = saved(b0, name)
      return (told(function()
        local model = scion.models.efficientnet_b0 { weights = path, input = 32, variant = variant }
        return model
      end))
    end
    local taken = "taken for torchvision's efficientnet_b0; networks with the same names and shapes: efficientnet_blur_b0 blurs before it takes every other " ..
      "pixel, tf_efficientnet_b0 is variant = 'tf'; a config.json beside the file tells\n"
    for _, name in ipairs { "best.safetensors", "my_efficientnet_b0.safetensors", "tf_efficientnet_b0.safetensors" } do
      assert.equal(name .. ": " .. taken, line(name))
    end
    for _, variant in ipairs { "tf", "torchvision" } do assert.equal("", line("best.safetensors", variant)) end
    assert.equal("", line("efficientnet_b0.safetensors", "torchvision"))
    assert.equal("tf_efficientnet_b0.safetensors: " .. taken, line("tf_efficientnet_b0.safetensors", "torchvision"))
    assert.equal("", (told(function() return b0:load_weights(saved(b0)) end))) -- no file is taken for this variant by itself
    local lite = scion.models.efficientnet_lite0 { input = 32, variant = "timm" }
    assert.equal("", (told(function()
      local model = scion.models.efficientnet_lite0 { weights = saved(lite), input = 32, variant = "timm" }
      return model
    end)))
  end)

  it("is not of a variant that pads or normalizes otherwise", function()
    local keras = folder .. "/w.h5"
    scion.models.mobilenet_v2 { width = 0.35, input = 32 }:export(keras)
    local path = saved(source)
    for _, case in ipairs {
      { path, "keras", "it has PyTorch's names", "torchvision" }, { keras, "torchvision", "it was exported from the variant 'keras'", "keras" },
    } do
      local model = scion.models.mobilenet_v2 { width = 0.35, input = 32, variant = case[2], top = case[1] == path, classes = case[1] == path and 3 or nil }
      local before = models.bytes(model)
      local sentence = ("%s: %s, and this mobilenet_v2 is of the variant '%s', which pads or normalizes otherwise; variant = '%s' builds the one " ..
        "that fits, as weights = … does by itself; strict = false loads what fits all the same"):format(case[1], case[3], case[2], case[4])
      assert.equal(sentence, messages.refusal(function() local r = model:load_weights(case[1]) return r end))
      assert.equal(sentence, messages.refusal(function() local r = scion.weights.load(model, case[1]) return r end))
      assert.same(before, models.bytes(model))
      local line, report = told(function() return model:load_weights(case[1], { strict = false }) end)
      assert.equal((sentence .. "\n"):gsub(folder .. "/%d+/", ""), line)
      assert.same({ sentence:sub(#case[1] + 3) }, report.notes)
    end
    assert.matches("this mobilenet_v2 is of the variant 'keras'", refused(path, { variant = "keras", classes = 3 }), 1, true)
    local exported = folder .. "/x.safetensors"
    scion.models.mobilenet_v2 { width = 0.35, input = 32 }:export(exported)
    local other = scion.models.mobilenet_v2 { width = 0.35, input = 32, variant = "torchvision" }
    assert.matches("it was exported from the variant 'keras', and this mobilenet_v2 is of the variant 'torchvision'",
      messages.refusal(function() local r = other:load_weights(exported) return r end), 1, true)
    local alike = scion.models.densenet121 { input = 32 }
    alike:export(exported)
    assert.is_true(scion.models.densenet121 { input = 32, variant = "torchvision" }:load_weights(exported):complete())
  end)

  it("gives a model that is there already its preprocessing and labels, which it then predicts with", function()
    local path = saved(source, nil, config())
    local model = scion.models.mobilenet_v2 { width = 0.35, input = 32, top = true, classes = 3, variant = "torchvision" }
    local image = support.pattern(32, 32)
    local before = model:predict(image:reshape { 1, 32, 32, 3 })[1]
    local report = model:load_weights(path)
    assert.equal(report.total, report.loaded)
    local after = model:predict(image:reshape { 1, 32, 32, 3 })[1]
    local fresh = built(path):predict(image:reshape { 1, 32, 32, 3 })[1]
    assert.same({ fresh.label, fresh.confidence }, { after.label, after.confidence })
    assert.not_equal(before.confidence, after.confidence)
    model:load_weights(path, { preprocess = "tf" })
    assert.not_equal(after.confidence, model:predict(image:reshape { 1, 32, 32, 3 })[1].confidence)
    model.labels = { "x", "y", "z" }
    model:save(folder .. "/own.safetensors")
    model.labels = { "u", "v", "w" }
    model:load_weights(folder .. "/own.safetensors")
    assert.same({ "x", "y", "z" }, model.labels)
  end)

  it("is told of with names that scion.models has", function()
    for name, row in pairs(names.networks) do
      assert.is_true(type(row[1]) == "string" and type(row[2]) == "string", name)
    end
  end)

  it("is told by the attribute of a .h5 that model:export wrote, whatever variant that was", function()
    for _, suffix in ipairs { ".h5", ".weights.h5" } do
      local path = folder .. "/back" .. suffix
      local model = scion.models.squeezenet1_1 { input = 64, variant = "torchvision" }
      told(function() return model:export(path) end)
      local back = scion.models.squeezenet1_1 { input = 64, weights = path }
      assert.same({ "torchvision", "torchvision" }, { back.variant, scion.weights.publisher(path) })
      assert.same(models.bytes(model), models.bytes(back))
      assert.matches("it was exported from the variant 'torchvision'", messages.refusal(function()
        local r = scion.models.squeezenet1_1 { input = 64, variant = "keras" }:load_weights(path) return r
      end), 1, true)
    end
  end)

  it("with a config.json of the package transformers is refused with a sentence", function()
    local text = refused(saved(source, nil, { architectures = { "ViTForImageClassification" }, model_type = "vit" }), { classes = 3, input = 32 })
    assert.equal("config.json says that it is of transformers' ViTForImageClassification, whose weights have names of their own; those of its ResNet, " ..
      "RegNet and MobileNetV2 are read; take timm's file of the network, or torchvision's; strict = false loads what fits all the same", text:gsub("^.-: ", "", 1))
    local path = saved(source, nil, config { architectures = { "TimmWrapperForImageClassification" } })
    assert.equal("mobilenetv2_035", select(2, built(path)).config.architecture)
  end)

  it("with a config.json tells of means and deviations for other images", function()
    local grey, colour = { mean = { 0.25 }, std = { 0.5 }, input_size = { 1, 2, 2 } }, { mean = { 0.25, 0.25, 0.25 }, std = { 0.5, 0.5, 0.5 } }
    for _, case in ipairs { { 1, grey, "images are standardized by config.json's mean = { 0.25 } and std = { 0.5 }" },
                            { 1, colour, "images are standardized by config.json's mean = { 0.25, 0.25, 0.25 } and std = { 0.5, 0.5, 0.5 }" },
                            { 3, grey, "config.json's mean = { 0.25 } and std = { 0.5 } are not used, since this network does not take such images" },
                            { 5, { mean = { 0 }, std = { 1 }, input_size = { 1, 2, 2 } },
                              "config.json's mean = { 0 } and std = { 1 } are not used, since this network does not take such images" } } do
      local net = scion.sequential { scion.nn.input(2, 2, case[1]), scion.nn.conv2d(2, 1, { name = "a" }) }
      assert.same({ case[3] }, net:load_weights(saved(net, nil, case[2])).notes)
    end
  end)
end)
