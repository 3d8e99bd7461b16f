-- Names of classes: ImageNet's, the user's and none.
local labels = require "scion.models.imagenet_labels"
local scion = require "scion"
local support = dofile "spec/support/images.lua"

describe("the labels of a network", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  local function exported(classes, options)
    local path = ("%s/%d.safetensors"):format(folder, classes)
    local given = { top = true, classes = classes, input = 32 }
    for key, value in pairs(options or {}) do given[key] = value end
    local model = scion.models.efficientnet_lite0(given)
    model:export(path)
    return path, model
  end
  local function build(path, options)
    local given = { top = true, input = 32, weights = path }
    for key, value in pairs(options or {}) do given[key] = value end
    return scion.models.efficientnet_lite0(given)
  end

  it("are ImageNet's for 1000 classes of a publisher's file", function()
    local path, made = exported(1000)
    assert.is_nil(made.labels) -- of random weights nothing is known
    local model, report = build(path)
    assert.same(labels, model.labels)
    assert.equal("golden retriever", model.labels[208])
    assert.matches("its 1000 classes are ImageNet's, which was assumed", tostring(report), 1, true)
    local entry = model:predict(scion.zeros({ 1, 32, 32, 3 }, "u8"), { top = 2 })[1]
    assert.equal("string", type(entry.label))
    assert.same({ entry.label, 2 }, { entry.top[1].label, #entry.top })
    assert.is_nil(scion.models.efficientnet_lite0({ input = 32, weights = path }).labels)
    assert.is_nil(build(exported(1001), { classes = 1001 }).labels)
  end)

  it("are those that the user gives, and stay in Scion's own files what they are", function()
    local own = {}
    for i = 1, 1000 do own[i] = "class " .. i end
    local path = exported(1000)
    local model, report = build(path, { labels = own })
    assert.same(own, model.labels)
    assert.same({}, report.notes)
    model.labels = nil
    model:save(folder .. "/own.safetensors")
    assert.is_nil(build(folder .. "/own.safetensors").labels)
    assert.same({ "a", "b" }, scion.models.resnet18({ top = true, classes = 2, labels = { "a", "b" }, input = 32 }).labels)
    local function refused(options, message)
      assert.error_matches(function() build(path, options) end, message, 1, true)
    end
    refused({ labels = { "a", "b" } }, "labels are 2, but the model has 1000 outputs")
    refused({ labels = own, top = false }, "labels are those of the classifier, which needs top = true")
  end)

  it("are two for a classifier of one class, which ends in a sigmoid in every architecture", function()
    local model = scion.models.resnet18 { top = true, classes = 1, input = 32, labels = { "cat", "dog" } }
    local images, fc = scion.uniform({ 3, 32, 32, 3 }, 0, 255):to "u8", model:layer "fc"
    local logits = model:features(images, model:layers()[#model:layers() - 1].name):matmul(fc.weights.kernel)
    for i, entry in ipairs(model:predict(images)) do
      local p = 1 / (1 + math.exp(-logits:get(i, 1)))
      assert.equal(p > 0.5 and "dog" or "cat", entry.label)
      assert.is_true(math.abs(entry.confidence - math.max(p, 1 - p)) < 1e-5)
    end
    for name in ("alexnet densenet121 efficientnet_b0 efficientnet_lite0 efficientnet_v2_b0 googlenet inception_resnet_v2 inception_v3 keras_resnet50 mobilenet " ..
                 "mobilenet_v2 mobilenet_v3_small nasnet_mobile regnet_x_400mf resnet18 shufflenet_v2_x0_5 squeezenet1_1 vgg16 xception"):gmatch "%S+" do
      local architecture = scion.models[name]
      for _, variant in ipairs(architecture.variants) do
        local made = require("scion.layer").without_initial_values(function() return architecture { top = true, classes = 1, variant = variant.name } end)
        assert.same({ 1 }, made.output.shape)
        assert.equal("sigmoid", made.output.layer.options.activation, architecture.name .. variant.name)
      end
      collectgarbage()
    end
  end)

  it("of ImageNet are 1000 different ones, each known by its place", function()
    local seen = {}
    for _, label in ipairs(labels) do
      assert.is_nil(seen[label], label)
      seen[label] = true
    end
    assert.equal(1000, #labels)
    assert.same({ "tench", "tabby", "beer bottle", "carton", "toilet tissue" }, { labels[1], labels[282], labels[441], labels[479], labels[1000] })
  end)

  it("of ImageNet agree with folders that are called by WordNet's numbers, and with no others", function()
    local same = require("scion.train.targets").same_labels
    local numbers = {}
    for i = 1, 1000 do numbers[i] = ("n%08d"):format(1440764 + 7 * i) end
    same("fit", labels, "in the model", numbers, "in the data set")
    numbers[3], numbers[4] = numbers[4], numbers[3]
    assert.error_matches(function() same("fit", labels, "in the model", numbers, "in the data set") end, "labels disagree", 1, true)
    numbers[3], numbers[4] = numbers[4], numbers[3]
    numbers[1000] = "zebra"
    assert.error_matches(function() same("fit", labels, "in the model", numbers, "in the data set") end, "labels disagree", 1, true)
  end)
end)
