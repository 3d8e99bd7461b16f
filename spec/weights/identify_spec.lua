-- A file that does not fit is told by what it is: every architecture of the zoo by its own weights, in both publishers' layouts.
local identify = require "scion.weights.identify"
local layer = require "scion.layer"
local messages = dofile "spec/support/messages.lua"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local torchvision = require "scion.weights.torchvision"
local written = dofile "spec/support/keras.lua"

local widths = { mobilenet = { 0.25, 0.5, 0.75, 1 }, mobilenet_v2 = { 0.35, 0.5, 0.75, 1, 1.3, 1.4 } }

-- The arrays of a network in a Keras file and in a state dict.
local function arrays_of(model, publisher)
  local layers, list = {}, {}
  for _, node in ipairs(model.order) do
    layers[#layers + 1] = node.layer
    for _, p in ipairs(node.layer.parameters) do list[#list + 1] = { name = node.layer.name, shape = p.tensor:shape() } end
  end
  return publisher == "torchvision" and torchvision.expected(layers) or list
end

describe("scion.weights.identify", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(function()
    support.remove(folder)
    support.done()
  end)

  it("knows every architecture, variant and width, with a top and without", function()
    local told = 0
    for _, known in ipairs(scion.models.list()) do
      local make = scion.models[known.name]
      for _, variant in ipairs(make.variants) do
        for _, width in ipairs(widths[known.name] or { false }) do
          local expected = known.name .. (width and width ~= 1 and (" with width = %g"):format(width) or "")
          for _, top in ipairs { false, true } do
            local model = layer.without_initial_values(function() return make { variant = variant.name, width = width or nil, top = top } end)
            assert.equal(expected, identify.architecture(arrays_of(model, variant.name), variant.name))
            told = told + 1
          end
          collectgarbage()
        end
      end
    end
    assert.is_true(told >= 120, told)
  end)

  it("passes over torchvision's auxiliary head, and knows no part of a network", function()
    local model = layer.without_initial_values(function() return scion.models.inception_v3 { variant = "torchvision" } end)
    local arrays = arrays_of(model, "torchvision")
    table.insert(arrays, 5, { name = "AuxLogits.conv0.conv.weight", shape = { 128, 768, 1, 1 } })
    assert.equal("inception_v3", identify.architecture(arrays, "torchvision"))
    table.remove(arrays, 7)
    assert.is_nil(identify.architecture(arrays, "torchvision"))
    assert.is_nil(identify.architecture({ { name = "a", shape = { 1, 1, 3, 3 } } }, "keras"))
  end)

  it("is what a foreign file is refused with", function()
    local source = scion.models.mobilenet { width = 0.25, input = 96 }
    for _, name in ipairs { "/m.h5", "/renamed.h5" } do
      source:export(folder .. name)
      if name == "/renamed.h5" then -- names that tell nothing
        local bytes = support.slurp(folder .. name):gsub("conv_dw_", "abcdefgh"):gsub("conv_pw_", "bcdefghi"):gsub("conv1", "abcde")
        support.spit(folder .. name, bytes)
      end
      local ok, message = pcall(scion.models.inception_v3, { weights = folder .. name, input = 96 })
      assert.is_false(ok)
      assert.matches("(the file looks like mobilenet with width = 0.25)", message, 1, true)
    end
    local file = folder .. "/s.safetensors"
    scion.models.squeezenet1_1 { variant = "torchvision", top = true }:export(file)
    local ok, message = pcall(scion.models.squeezenet1_0, { weights = file, variant = "torchvision" })
    assert.is_false(ok)
    assert.matches("(the file looks like squeezenet1_1)", message, 1, true)
  end)

  it("is not told where it is the model's own network", function()
    local file, list = folder .. "/own.safetensors", {}
    scion.models.squeezenet1_1 { variant = "torchvision" }:export(file)
    for name, tensor in pairs(assert(safetensors.read(file))) do list[#list + 1] = { name = name:gsub("%.squeeze%.", ".x."), tensor = tensor } end
    assert(safetensors.write(file, list))
    local function refusal(model) return messages.refusal(function() model:load_weights(file) end) end
    assert.equal(file .. ": features.3.squeeze.weight is missing; the model has no place for the file's 'features.3.x.weight' (16x64x1x1), 'features.10.x.bias' " ..
      "(48), 'features.10.x.weight' (48x384x1x1) and 13 more; in Python, names are changed by weights['features.3.squeeze.weight'] = weights.pop('features.3.x.weight')",
      refusal(scion.models.squeezenet1_1 { variant = "torchvision" }))
    assert.matches("(the file looks like squeezenet1_1)", refusal(scion.models.squeezenet1_0 { variant = "torchvision" }), 1, true)
    local residual = written.write(folder .. "/resnet.h5", nil, nil, scion.models.keras_resnet50 { input = 32 }) -- the kernels are the same, and the biases are not
    for _, options in ipairs { { input = 32 }, { input = 32, top = true, classes = 3 } } do
      local message = messages.refusal(function() scion.models.resnet50(options):load_weights(residual) end)
      assert.matches("(the file looks like keras_resnet50)", message, 1, true)
    end
    local keras = folder .. "/own.h5"
    scion.models.mobilenet { width = 0.25, input = 96 }:export(keras)
    local grafted = scion.models.mobilenet { width = 0.25, input = 96 }:graft { scion.nn.global_avg_pool(), scion.nn.dense(3, { name = "mine" }) }
    assert.equal(keras .. ": has no weights for mine (the file has 54 layers with weights, the model 55); the file has all but the classifier: top = false builds a " ..
      "network of scion.models without one, and strict = false leaves the model's own as it is", messages.refusal(function() grafted:load_weights(keras) end))
  end)

  it("tells the real files", function()
    if not support.data then return pending "SCION_TEST_DATA is not set" end
    for name, expected in pairs {
      ["inception_v3_notop.h5"] = "inception_v3", ["squeezenet1_1_notop.h5"] = "squeezenet1_1",
      ["resnet20_cifar10.th"] = "resnet20 for CIFAR", ["efficientnet_lite0.pth"] = "efficientnet_lite0",
    } do
      local message = messages.refusal(function() local m = scion.models.vgg16 { weights = support.data .. "/weights/" .. name, input = 64 } return m end)
      assert.matches(("(the file looks like %s)"):format(expected), message, 1, true)
    end
  end)
end)
