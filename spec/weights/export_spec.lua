-- What model:export writes, read back by the readers of PyTorch's and Keras's layouts.
local core = require "scion.core"
local graph = require "scion.graph"
local export = require "scion.weights.export"
local keras = require "scion.weights.keras"
local layer = require "scion.layer"
local messages = dofile "spec/support/messages.lua"
local rule = dofile "spec/models/rule.lua"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local torch = require "scion.weights.torch"
local torchvision = require "scion.weights.torchvision"
local weights = require "scion.weights"
local nn = scion.nn

-- The network of make_torchvision.py.
local function small()
  local x = nn.input { shape = { 8, 9, 3 }, preprocess = "unit", name = "input" }
  x = nn.conv2d(6, { 3, 2 }, { bias = false, name = "features/0" })(x)
  x = nn.batch_norm { epsilon = 1e-5, statistics = "stored", name = "norm", origin = { torchvision = "features.1" } }(x)
  x = nn.depthwise_conv2d(3, { padding = "same", name = "features/3" })(nn.relu()(x))
  x = nn.flatten()(nn.max_pool(2)(x))
  return scion.model { output = nn.dense(5, { name = "out", origin = { torchvision = "classifier.1" } })(x) }
end

describe("model:export", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  it("gives PyTorch's file back, array by array", function()
    local model, path = small(), folder .. "/small.safetensors"
    local fixture = "spec/fixtures/weights/torchvision.pth"
    weights.load(model, fixture)
    assert.equal(model, model:export(path))
    local written, metadata = safetensors.read(path)
    assert.same({ format = "pt", rescalings = "0", preprocessing = assert(metadata.preprocessing) }, metadata)
    local count = 0
    for name, tensor in pairs(assert(torch.read(fixture))) do
      if not name:find "aux" and not name:find "num_batches" then
        assert.is_true(tensor:equal(written[name]), name)
        count = count + 1
      end
    end
    for _ in pairs(written) do count = count - 1 end
    assert.equal(0, count)
  end)

  it("writes Keras's layout, which loads back", function()
    local model, path = small(), folder .. "/small.h5"
    model:export(path)
    local names = {}
    for i, found in ipairs(assert(keras.read(path))) do names[i] = found.name .. " " .. found.weights[1].name end
    assert.same({ "features_0 features_0/kernel:0", "norm norm/gamma:0", "features_3 features_3/depthwise_kernel:0", "out out/kernel:0" }, names)
    local other = small()
    weights.load(other, path)
    for _, row in ipairs(model:layers()) do
      for name, tensor in pairs(row.weights) do assert.is_true(tensor:equal(other:layer(row.name).weights[name])) end
    end
    assert.equal("small.h5\nsmall.safetensors\n", support.list(folder))
  end)

  it("cuts lists of names that an attribute has no room for, as Keras does", function()
    local x = nn.input(1, 1, 1)
    for i = 1, 400 do x = nn.batch_norm { scale = false, name = ("layer"):rep(34) .. i }(x) end
    local model, path = scion.model { output = x }, folder .. "/long.h5"
    model:export(path)
    local file <close> = assert(require("scion.core").hdf5_open(path))
    assert.is_false(file:has("/", "layer_names"))
    assert.is_true(file:has("/", "layer_names1"))
    assert.equal(400, #keras.read(path))
    weights.load(model, path)
  end)

  it("says which folder or layer stands against it", function()
    local function refused(model, path, pattern)
      local ok, message = pcall(model.export, model, path)
      assert.is_false(ok)
      assert.matches(path, message, 1, true)
      assert.matches(pattern, message)
    end
    local file = support.spit(folder .. "/file", "no folder")
    refused(small(), file .. "/none/x.h5", "cannot be written")
    refused(small(), file .. "/none/x.safetensors", "Not a directory")
    refused(small(), folder .. "/x.onnx", "%.weights%.h5")
  end)

  it("turns rows by height, width, channel into columns by channel, height, width", function()
    local model, path = small(), folder .. "/turned.safetensors"
    model:export(path)
    local kernel, published = model:layer("out").weights.kernel, safetensors.read(path)["classifier.1.weight"]
    for _, place in ipairs { { 1, 1, 1, 1 }, { 3, 2, 5, 4 }, { 2, 4, 6, 5 } } do
      local h, w, c, o = table.unpack(place)
      assert.equal(kernel:get(((h - 1) * 4 + w - 1) * 6 + c, o), published:get(o, ((c - 1) * 3 + h - 1) * 4 + w))
    end
  end)
end)

describe("a name in .weights.h5", function()
  local folder
  setup(function() folder = support.folder() end)

  --- What Keras 3 asks a file for: the weights by the classes of a model's layers.
  local function find(path, name)
    local file <close> = assert(core.hdf5_open(path))
    local shape, message = file:shape(name)
    if not shape then return nil, message end
    local tensor = core.new(shape)
    assert(file:read_into(name, tensor))
    return tensor
  end

  local function network(...)
    local x = nn.conv2d(4, 3, { name = "first" })(nn.input { shape = { 8, 9, 3 }, preprocess = "tf" })
    x = nn.conv2d(5, 3, { name = "second" })(nn.batch_norm { scale = false, name = "norm" }(x))
    local head = { nn.global_avg_pool(), ... }
    head[#head + 1] = nn.dense(2, "softmax", { name = "out" })
    return scion.model { output = x, name = "small" }:graft(head)
  end

  it("has Keras 3's layout, for a model in one piece and for one that holds the network as a layer", function()
    local model, path = network(), folder .. "/net.weights.h5"
    model.labels = { "cat", "dog" }
    model:export(path)
    for _, within in ipairs { "layers/", "layers/functional/layers/" } do
      for name, tensor in pairs {
        ["conv2d/vars/0"] = model:layer("first").weights.kernel, ["conv2d_1/vars/1"] = model:layer("second").weights.bias,
        ["batch_normalization/vars/0"] = model:layer("norm").weights.beta, ["batch_normalization/vars/2"] = model:layer("norm").weights.moving_variance,
      } do assert.is_true(tensor:equal(assert(find(path, within .. name)))) end
    end
    assert.is_true(model:layer("out").weights.kernel:equal(assert(find(path, "layers/dense/vars/0"))))
    assert.is_nil((find(path, "layers/functional/layers/dense/vars/0")))
    local file <close> = assert(core.hdf5_open(path))
    assert.same({ "cat", "dog" }, file:attribute("/", "labels"))
    assert.same({ -1.0, -1.0, -1.0 }, core.json_decode(file:attribute("/", "preprocessing")).shift)
    assert.equal("small", file:attribute("/", "architecture"))
  end)

  it("is for a model in one piece alone where base and classifier have layers of one class, whose numbers would differ", function()
    local model, path = network(nn.batch_norm { scale = false, name = "norm2" }), folder .. "/two.weights.h5"
    local told = support.stderr_of(function() model:export(path) end)
    assert.matches("two.weights.h5: base and head both have layers batch_normalization, which a Keras model that holds the base as a layer numbers " ..
      "otherwise: the file is " ..
      "for the model in one piece, which may share its layers with that one: t = base.output; for l in head.layers: t = l(t); keras.Model(base.input, " ..
        "t)", told, 1, true)
    assert.is_true(model:layer("norm2").weights.beta:equal(assert(find(path, "layers/batch_normalization_1/vars/0"))))
    assert.is_nil((find(path, "layers/functional/layers/conv2d/vars/0")))
  end)

  it("loads back", function()
    local model, path, other = network(), folder .. "/back.weights.h5", network()
    model:export(path)
    assert.equal(9, weights.load(other, path).loaded)
    for _, row in ipairs(model:layers()) do
      for name, tensor in pairs(row.weights) do assert.is_true(tensor:equal(other:layer(row.name).weights[name])) end
    end
  end)
end)

describe("every architecture", function()
  local golden = rule.golden()

  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  local function built(name, variant)
    return layer.without_initial_values(function() return scion.models[name] { top = true, variant = variant } end)
  end

  --- "kernel:3x3x3x32 bias:32"
  local function weights_text(exported)
    local parts = {}
    for i, weight in ipairs(exported.weights) do
      parts[i] = ("%s:%s"):format(weight.name:match "([^/]*):0$", table.concat(weight.tensor:shape(), "x"))
    end
    return table.concat(parts, " ")
  end

  --- Keras's own layers with their weights in its order, by the hashes that from_keras.py took.
  local function check_keras(model, hashes)
    local exported, i, next_layer = export.keras_layers(model), 0, 1
    for what, title in hashes:gmatch "(%x%x%x%x%x%x%x%x)([%x-]+)" do
      i = i + 1
      local node, found = model.order[i], exported[next_layer]
      if #node.layer.parameters > 0 then
        next_layer = next_layer + 1
        local text = ("%s %s %s"):format(node.layer.kind, table.concat(node.shape, "x"), weights_text(found))
        assert.equal(what, ("%08x"):format(rule.stream(text)), text)
        assert(title == "----" or title == ("%04x"):format(rule.stream(found.name) & 0xFFFF), found.name)
      end
    end
    assert.equal(#exported, next_layer - 1)
  end

  --- The names and shapes of the state dict, by the hash that from_torchvision.py took.
  local function check_torchvision(arrays, expected)
    local lines = {}
    for i, a in ipairs(arrays) do lines[i] = a.name .. " " .. table.concat(a.shape, "x") end
    table.sort(lines)
    assert.equal(expected, ("%d %08x"):format(#lines, rule.stream(table.concat(lines, "\n"))))
  end

  for _, architecture in ipairs(scion.models.list()) do
    it(("has in %s the names that its publishers use, and none twice"):format(architecture.name), function()
      for _, variant in ipairs(architecture.variants) do
        local model, seen = built(architecture.name, variant.name), {}
        local function once(name)
          assert.is_nil(seen[name], name)
          seen[name] = true
        end
        for _, exported in ipairs(export.keras_layers(model)) do
          once(exported.name)
          assert.is_nil(exported.name:find "/")
        end
        local arrays = torchvision.expected(graph.layers(model.order))
        for _, a in ipairs(arrays) do once(a.name) end
        local known = (golden[variant.name][architecture.name] or {})
        if known.arrays then check_torchvision(arrays, known.arrays) end
        if known.layers then check_keras(model, known.layers) end
      end
      collectgarbage()
    end)
  end

  it("comes back from either file, number by number", function()
    local publishers = { h5 = "keras", safetensors = "torchvision" }
    for _, case in ipairs { { "mobilenet", { width = 0.25 } }, { "nasnet_mobile", {} }, { "efficientnet_b0", {} }, { "squeezenet1_1", {} } } do
      for ending, publisher in pairs(publishers) do
        local name, options, path = case[1], case[2], ("%s/%s.%s"):format(folder, case[1], ending)
        options.top, options.variant, options.weights = true, name == "squeezenet1_1" and publisher or nil, nil
        local model = scion.models[name](options)
        model:export(path)
        options.weights = path
        local expected, found = graph.layers(model.order), graph.layers(scion.models[name](options).order)
        for i, l in ipairs(expected) do
          for k, p in ipairs(l.parameters) do assert(p.tensor:equal(found[i].parameters[k].tensor), path .. l.name) end
        end
        os.remove(path)
      end
    end
  end)

  it("of safetensors remembers its variant, whatever its names", function()
    local path = folder .. "/variant.safetensors"
    for _, variant in ipairs { "torchvision", "keras" } do
      scion.models.densenet121 { variant = variant }:export(path)
      assert.equal(variant, scion.models.densenet121 { weights = path }.variant)
    end
  end)

  it("has timm's names where they are asked for, and says where timm computes otherwise", function()
    local path, model = folder .. "/timm.safetensors", nil
    local function told(variant)
      return (support.stderr_of(function()
        model = scion.models.efficientnet_b0 { variant = variant, top = true, classes = 3 }
        model:export(path, { names = "timm" })
      end))
    end
    assert.equal("", told "torchvision")
    local arrays = assert(safetensors.read(path))
    assert.is_true(arrays["classifier.bias"]:equal(model:layer("predictions").weights.bias))
    assert.is_nil(arrays["classifier.1.bias"])
    assert.equal(0, #scion.models.efficientnet_b0 { variant = "torchvision", top = true, classes = 3 }:load_weights(path).missing)
    local message = messages.refusal(function() model:export(folder .. "/x.h5", { names = "timm" }) end)
    assert.equal("model:export: " .. folder .. "/x.h5: names = 'timm' is for PyTorch's files, whose names end in .safetensors", message)
    local said = support.stderr_of(function() scion.models.mobilenet_v2 { variant = "keras", width = 0.35, input = 32 }:export(path, { names = "timm" }) end)
    assert.matches("timm's mobilenet_v2 pads or normalizes otherwise than this one", said)
    for _, a in ipairs((safetensors.arrays(path))) do assert.is_nil(a.name:match "^features") end
  end)

  it("is refused timm's names where timm has no such network, or has its layers under other names", function()
    local path = folder .. "/refused.safetensors"
    local function refusal(name, options)
      options.input = options.input or 96
      local model = scion.models[name](options)
      local message = messages.refusal(function() model:export(path, { names = "timm" }) end)
      assert.is_nil(require("lfs").attributes(path), name)
      assert.equal(model, model:export(path, { names = "torchvision" }))
      assert(os.remove(path))
      return message
    end
    local lacks = "%s: timm has no %s, and so no names for it; names = 'torchvision' writes the file"
    for name, variant in pairs { squeezenet1_1 = "torchvision", keras_resnet50 = "keras", googlenet = "torchvision" } do
      assert.equal(lacks:format(path, name), refusal(name, { variant = variant }))
    end
    local otherwise = "%s: timm's %s has no %s, which the variant '%s' has: variant = '%s' builds timm's network, and names = 'torchvision' writes this one"
    for _, case in ipairs {
      { "mobilenet_v3_small", "torchvision", "features.2.block.2.0.weight", "timm' or 'tf", width = 0.35 },
      { "mobilenet_v3_large", "keras", "features.1.block.1.0.weight", "timm' or 'tf", width = 0.35 },
      { "efficientnet_v2_b0", "keras", "features.7.0.weight", "tf" }, { "efficientnet_v2_s", "torchvision", "features.7.0.weight", "tf" },
      { "efficientnet_b0", "keras", "normalization.mean", "torchvision' or 'tf" },
      { "mobilenet", "keras", "conv1.weight", "timm", width = 0.25 }, { "xception", "keras", "block1.conv1.weight", "timm" },
    } do
      assert.equal(otherwise:format(path, case[1], case[3], case[2], case[4]), refusal(case[1], { variant = case[2], width = case.width }))
    end
    assert.equal("", support.stderr_of(function() scion.models.mobilenet_v3_small { variant = "tf", width = 0.35, input = 32 }:export(path, { names = "timm" }) end))
  end)

  it("says when the library that a file is for computes otherwise than the model", function()
    local script = [[
      local scion = require "scion"
      local function export(name, variant, ending)
        local base = scion.models[name] { variant = variant, input = 96 }
        base:graft { scion.nn.global_avg_pool(), scion.nn.dense(2, { name = "classifier/1" }) }:save(%q .. "/m.safetensors")
        scion.load(%q .. "/m.safetensors"):export(%q .. "/m." .. ending)
      end
      export("mobilenet_v2", "keras", "h5")
      export("mobilenet_v2", "torchvision", "safetensors")
      export("densenet121", "torchvision", "h5")
      export("mobilenet", "keras", "safetensors")
      print "and now"
      export("mobilenet_v2", "keras", "safetensors")]]
    local out, status = support.shell(support.lua(script:format(folder, folder, folder)))
    assert.equal(0, status, out)
    local notice = "%s/m.safetensors: torchvision pads and normalizes otherwise than this mobilenet_v2, and will predict something else with its " ..
      "weights (variant = 'torchvision' makes one that agrees)"
    assert.equal(("and now\n%s\n"):format(notice:format(folder)), out)
  end)
end)
