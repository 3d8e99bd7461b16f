-- Files of the package transformers: each weight has the name that its own network gives it, and the files beside them tell the rest.
local core = require "scion.core"
local graph = require "scion.graph"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local torchvision = require "scion.weights.torchvision"
local transformers = require "scion.weights.transformers"

local golden = core.json_decode(support.slurp "spec/fixtures/models/transformers_names.json")
local known_by = { r = "embedder.embedder.convolution.weight", m = "conv_stem.first_conv.convolution.weight" }

describe("transformers' names", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(function()
    support.remove(folder)
    support.done()
  end)

  -- Transformers' names of a network's weights, without the prefix, and torchvision's.
  local function renamed(layers, name)
    local held = { { name = known_by[name:sub(1, 1)] }, name:find "^regnet_y" and { name = "encoder.stages.0.layers.0.layer.2.attention.0.weight" } or nil }
    return transformers.rename(torchvision.expected(layers), held), torchvision.expected(layers)
  end

  for name, expected in pairs(golden) do
    it("fit " .. name, function()
      local lines, theirs, ours = {}, renamed(graph.layers(scion.models[name]({ top = true }).order), name)
      for i, weight in ipairs(theirs) do lines[i] = ("%s %s %s"):format(ours[i].name, weight.name, table.concat(weight.shape, "x")) end
      table.sort(lines)
      assert.equal(expected, ("%d %08x"):format(#lines, rule.stream(table.concat(lines, "\n"))))
    end)
  end

  -- A folder with a network's weights in transformers' names, and these files beside them. Returns the path of the weights.
  local function saved(model, name, config, preprocessor)
    local arrays, family = torchvision.tensors(graph.layers(model.order)), name:match "^%l+"
    for i, weight in ipairs((renamed(graph.layers(model.order), name))) do
      arrays[i].name = weight.name:find "^classifier" and weight.name or (family == "mobilenet" and "mobilenet_v2" or family) .. "." .. weight.name
    end
    assert(core.safetensors_write(folder .. "/model.safetensors", arrays, { format = "pt" }))
    os.remove(folder .. "/config.json")
    os.remove(folder .. "/preprocessor_config.json")
    if config then support.spit(folder .. "/config.json", core.json_encode(config)) end
    if preprocessor then support.spit(folder .. "/preprocessor_config.json", core.json_encode(preprocessor)) end
    return folder .. "/model.safetensors"
  end

  local three = { ["0"] = "cat", ["1"] = "dog", ["2"] = "fox" }

  it("lead to the network, with its labels and what its images take", function()
    local source = scion.models.resnet18 { top = true, classes = 3, input = 32 }
    local path = saved(source, "resnet18", { architectures = { "ResNetForImageClassification" }, id2label = three, hidden_act = "relu", downsample_in_bottleneck = false },
      { image_mean = { 0.5, 0.25, 0.5 }, image_std = { 0.5, 0.5, 0.25 }, rescale_factor = 1 / 255 })
    local model, report = scion.models.resnet18 { top = true, input = 32, weights = path }
    assert.same(models.bytes(source), models.bytes(model))
    assert.same({ { "cat", "dog", "fox" }, 3 }, { { table.unpack(model.labels) }, report.config.classes })
    assert.same({ "images are standardized by preprocessor_config.json's mean = { 0.5, 0.25, 0.5 } and std = { 0.5, 0.5, 0.25 }" }, { table.unpack(report.notes) })
    local _, trunk = scion.models.resnet18 { input = 32, weights = path }
    assert.is_true(trunk:lacks_head())
    assert.same({}, { table.unpack(trunk.missing) })
  end)

  it("tell the variant: MobileNet V2 pads and normalizes as TensorFlow's", function()
    local path = saved(scion.models.mobilenet_v2 { top = true, classes = 3, input = 32, variant = "keras" }, "mobilenet_v2")
    local model, report = scion.models.mobilenet_v2 { top = true, classes = 3, input = 32, weights = path }
    assert.same({ "keras", { "images are standardized as for keras's own weights" } }, { model.variant, { table.unpack(report.notes) } })
    assert.matches("it has transformers' names, and this mobilenet_v2 is of the variant 'torchvision', which pads or normalizes otherwise",
      messages.refusal(function() scion.models.mobilenet_v2 { top = true, classes = 3, input = 32, variant = "torchvision" }:load_weights(path) end), 1, true)
  end)

  it("are refused where the network computes something else", function()
    local source = scion.models.resnet18 { top = true, classes = 3, input = 32 }
    local function refusal(config)
      local path = saved(source, "resnet18", config)
      return messages.refusal(function() local m = scion.models.resnet18 { top = true, classes = 3, input = 32, weights = path } return m end)
    end
    assert.matches("transformers' ResNetForImageClassification built with other arguments (downsample_in_bottleneck, hidden_act), which scion.models.resnet18 has not",
      refusal { architectures = { "ResNetForImageClassification" }, hidden_act = "gelu", downsample_in_bottleneck = true }, 1, true)
    local class = { "ResNetForImageClassification" }
    assert.matches("built with other arguments (downsample_in_first_stage)", refusal { architectures = class, downsample_in_first_stage = true }, 1, true)
    assert.matches("built with other arguments (hidden_act)", refusal { model_type = "resnet", hidden_act = "gelu" }, 1, true) -- saved by itself
    assert.matches("transformers' EfficientNetForImageClassification, whose weights have names of their own; those of its ResNet, RegNet and MobileNetV2 are " ..
      "read; take timm's file of the network, or torchvision's", refusal { architectures = { "EfficientNetForImageClassification" } }, 1, true)
  end)

  it("are told where a network of other names has them", function()
    local path = folder .. "/bare.safetensors"
    os.remove(folder .. "/config.json")
    for name, array in pairs { EfficientNet = "efficientnet.embeddings.convolution.weight", MobileNetV1 = "mobilenet_v1.conv_stem.convolution.weight" } do
      assert(core.safetensors_write(path, { { name = array, tensor = core.new { 32, 3, 3, 3 } } }, { format = "pt" }))
      assert.matches(("the file has '%s', which is of transformers' %s, whose names are not read; take timm's file of the network, or torchvision's"):format(array, name),
        messages.refusal(function() scion.models.mobilenet_v2 { input = 32, variant = "torchvision" }:load_weights(path) end), 1, true)
    end
  end)

  it("may come with pixels that are rescaled otherwise, or not standardized", function()
    local function close(expected, ...)
      for i, list in ipairs { ... } do
        for c = 1, 3 do assert.is_true(math.abs(list[c] - expected[i]) < 1e-12) end
      end
    end
    local half = { 0.5, 0.5, 0.5 }
    close({ 0.5, 0.5 }, transformers.statistics { image_mean = half, image_std = half })
    close({ 0.25, 0.25 }, transformers.statistics { image_mean = half, image_std = half, rescale_factor = 2 / 255 })
    close({ 0.5 / 255, 0.5 / 255 }, transformers.statistics { image_mean = half, image_std = half, do_rescale = false })
    close({ 0, 1 }, transformers.statistics { image_mean = half, image_std = half, do_normalize = false })
    local source = scion.models.resnet18 { top = true, classes = 3, input = 32 }
    local function with(preprocessor)
      local path = saved(source, "resnet18", { architectures = { "ResNetForImageClassification" }, id2label = three, num_channels = 3 }, preprocessor)
      return function()
        local model, report = scion.models.resnet18 { top = true, input = 32, weights = path }
        return model and report.config.mean
      end
    end
    for _, silent in ipairs { {}, { image_mean = half }, { image_mean = core.null, image_std = half } } do assert.is_nil(with(silent)()) end
    for said, odd in pairs { ["image_std is a list of numbers above 0"] = { image_mean = half, image_std = { 0, 1, 1 } },
                             ["image_mean is a list of numbers"] = { image_mean = "x", image_std = half },
                             ["image_mean is a list"] = { image_mean = half, image_std = half, rescale_factor = 0 },
                             ["preprocessor_config.json: mean and std are of 3 and 2 channels"] = { image_mean = half, image_std = { 1, 2 } } } do
      assert.matches(said, messages.refusal(with(odd)), 1, true)
    end
  end)
end)
