-- State dicts by torchvision's names in networks of Scion: what they predict against PyTorch, and what does not fit.
local core = require "scion.core"
local graph = require "scion.graph"
local scion = require "scion"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local support = dofile "spec/files/support.lua"
local torchvision = require "scion.weights.torchvision"
local weights = require "scion.weights"
local nn = scion.nn

local fixture = "spec/fixtures/weights/torchvision.pth"
local golden = core.json_decode(support.slurp "spec/fixtures/weights/torchvision.json")

-- top: with the classifier; changes: of the layers' options.
local function small(top, changes)
  local c = changes or {}
  local x = nn.input { shape = { 8, 9, 3 }, preprocess = "unit", name = "input" }
  x = nn.conv2d(c.filters or 6, { 3, 2 }, { bias = false, name = "features/0" })(x)
  x = nn.batch_norm { epsilon = 1e-5, statistics = "stored", name = "norm", origin = { torchvision = "features.1" } }(x)
  x = nn.relu { name = "relu" }(x)
  x = nn.depthwise_conv2d(3, { padding = "same", name = "features/3" })(x)
  if c.extra then x = nn.conv2d(6, 1, { name = "features/9" })(x) end
  x = nn.max_pool(2, { name = "pool" })(x)
  if top then
    x = nn.flatten { name = "flatten" }(x)
    x = nn.dense(5, { name = "out", origin = { torchvision = "classifier.1" } })(x)
  end
  return scion.model { output = x }
end

-- Its sister with a separable convolution, batch norm without a scale, and batch norm of what was flattened.
local function separable()
  local function norm(options)
    options.epsilon, options.statistics = 1e-5, "stored"
    return nn.batch_norm(options)
  end
  local x = nn.input { shape = { 10, 7, 3 }, preprocess = "unit", name = "input" }
  x = norm { scale = false, name = "norm" }(nn.separable_conv2d(4, 3, { name = "first" })(x))
  x = nn.flatten()(nn.max_pool(2, { stride = 3 })(x))
  x = nn.dropout(0.5)(nn.relu()(norm { name = "vector" }(x)))
  return scion.model { output = nn.dense(3, { name = "out" })(x) }
end

describe("torchvision's names", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  it("load into convolutions, depthwise ones, batch norm, and dense layers behind a flatten", function()
    local model = small(true)
    local report = weights.load(model, fixture)
    assert.equal(9, report.loaded)
    assert.same({ "features.1.num_batches_tracked", "aux1.weight", "aux1.bias" }, report.unused)
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.small) < 1e-5)
    model:layer("out").weights.kernel:set(1, 1, model:layer("out").weights.kernel:get(1, 1) + 0.01)
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.small) > 1e-5)
  end)

  it("are refused where what was flattened is moved before it is read", function()
    local x = nn.input(6, 6, 3)
    local two = { nn.flatten()(nn.conv2d(4, 3)(x)), nn.flatten()(x) }
    local model = scion.model { output = nn.dense(2, { name = "out" })(nn.concatenate()(two)) }
    assert.error_matches(function() model:export "/tmp/x.safetensors" end, "out: PyTorch flattens an image in another order .- behind nn.concatenate")
    local saved = os.tmpname()
    model:save(saved) -- in Scion's own order
    model:load_weights(saved)
    os.remove(saved)
    local pooled = nn.global_avg_pool()(nn.input(6, 6, 3))
    assert.equal(2, #torchvision.expected({ nn.dense(2, { name = "out" })(nn.concatenate() { pooled, pooled }).layer }))
  end)

  it("load into separable convolutions and flattened batch norm, and hold what batch norm without a scale implies", function()
    local model, path = separable(), folder .. "/separable.safetensors"
    local file = "spec/fixtures/weights/torchvision_separable.pth"
    local tensors = assert(require("scion.weights.torch").read(file))
    weights.load(model, file)
    assert.is_true(models.deviation(model, support.pattern(10, 7), golden.separable) < 1e-5)
    model:export(path)
    local written = assert(require("scion.weights.safetensors").read(path))
    for name, tensor in pairs(tensors) do
      if not name:find "num_batches" then assert.is_true(tensor:equal(written[name]), name) end
    end
    local other = separable()
    weights.load(other, path)
    assert.same(models.bytes(model), models.bytes(other))
    written["norm.weight"]:set(2, 0.5)
    assert(core.safetensors_write(path, written))
    other = separable()
    local before = models.bytes(other)
    local message = messages.refusal(function() weights.load(other, path) end)
    assert.equal(path .. ": norm.weight is not 1, but the model expects 1 throughout, without having it", message)
    assert.same(before, models.bytes(other))
    local report = weights.load(other, path, { strict = false })
    assert.same({ { name = "norm.weight", file = "not 1", model = "1 throughout, without having it" } }, report.misfits)
    assert.same(models.bytes(model), models.bytes(other))
    written["norm.weight"] = nil
    assert(core.safetensors_write(path, written))
    weights.load(other, path)
    assert.same(models.bytes(model), models.bytes(other))
  end)

  it("leave a classifier that the model does not have, and say so", function()
    local report
    local told = support.stderr_of(function() report = weights.load(small(false), fixture) end)
    assert.equal(fixture .. ": the classifier (classifier.1.weight, classifier.1.bias) is not loaded, since the model was built without it; " ..
      "top = true, classes = 5 builds it where it is the network's own; a graft whose layers have its names takes any other\n", told)
    assert.equal("", support.stderr_of(function() weights.load(small(false), fixture) end)) -- once
    assert.equal(7, report.loaded)
    assert.same({ "features.1.num_batches_tracked", "classifier.1.weight", "classifier.1.bias", "aux1.weight", "aux1.bias" }, report.unused)
    assert.matches("7 weights loaded\n  unused     5: classifier.1.weight, classifier.1.bias, aux1.weight, aux1.bias,\n    1 counter num_batches_tracked",
      tostring(report), 1, true)
  end)

  it("load from safetensors as well, in whatever precision", function()
    local tensors = assert(require("scion.weights.torch").read(fixture))
    local path = folder .. "/small.safetensors"
    tensors["features.1.num_batches_tracked"] = nil
    assert(core.safetensors_write(path, tensors))
    local model, other = small(true), small(true)
    weights.load(model, path)
    weights.load(other, fixture)
    assert.same(models.bytes(other), models.bytes(model))
    tensors["classifier.1.weight"] = tensors["classifier.1.weight"]:to "bf16"
    assert(core.safetensors_write(path, tensors))
    weights.load(model, path)
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.small) < 1e-2)
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.small) > 1e-6)
  end)

  it("refuse what does not fit before anything changes", function()
    local function refused(expected, top, changes)
      local model = small(top, changes)
      local before = models.bytes(model)
      local message = messages.refusal(function() weights.load(model, fixture) end)
      assert.equal(fixture .. ": " .. expected, message)
      assert.same(before, models.bytes(model))
    end
    refused("features.0.weight is 6x3x3x2, but the model expects 7x3x3x2; 8 of the model's weights are smaller in the file and none larger, as in a pruned " ..
      "network or one of a smaller width: build it with the file's sizes", true, { filters = 7 })
    refused("features.9.weight is missing", true, { extra = true })
    local without = scion.sequential { nn.input(8, 9, 3), nn.conv2d(6, { 3, 2 }, { bias = false, name = "features/0" }) }
    local message = messages.refusal(function() weights.load(without, fixture) end)
    assert.matches("features.1.weight is not among the model's weights", message, 1, true)
  end)

  it("leave the weights as they were when an archive turns out to be damaged while it is read", function()
    local bytes = support.slurp(fixture)
    local at = bytes:find "PK\1\2" - 64 -- within the last tensors that are stored, or what follows them
    local changed = 0
    for step = 0, 40 do
      local place = at - 16 * step
      support.spit(folder .. "/damaged.pth", bytes:sub(1, place - 1) .. string.char(bytes:byte(place) ~ 0x40) .. bytes:sub(place + 1))
      local model = small(true)
      local before = models.bytes(model)
      if not pcall(weights.load, model, folder .. "/damaged.pth") then
        changed = changed + 1
        assert.same(before, models.bytes(model))
      end
    end
    assert.is_true(changed > 0)
  end)

  it("load what fits when asked to, and report the rest", function()
    local model = small(true, { extra = true, filters = 6 })
    local before = models.bytes(model)
    local report = weights.load(model, fixture, { strict = false })
    assert.same({ "features.9.weight", "features.9.bias" }, report.missing)
    assert.same({}, report.unexpected)
    assert.is_false(report:complete())
    assert.equal(before["features/9/kernel"], model:layer("features/9").weights.kernel:bytes())
    assert.not_equal(before["features/0/kernel"], model:layer("features/0").weights.kernel:bytes())
    report = weights.load(small(true, { filters = 7 }), fixture, { strict = false })
    assert.same({ name = "features.0.weight", file = "6x3x3x2", model = "7x3x3x2" }, report.misfits[1])
    assert.same({ 1, 9 }, { report.loaded, report.total })
    assert.matches("misshapen +%d+: features.0.weight %(6x3x3x2, expected 7x3x3x2%)", tostring(report))
  end)

  it("load Inception V3 with little memory beside its parameters", function()
    if not support.resident() then
      print "\nskipped: what AddressSanitizer holds back is no measure of memory"
      return pending "no measure of memory under AddressSanitizer"
    end
    local place = support.folder()
    local path = place .. "/x.safetensors"
    scion.models.inception_v3 { variant = "torchvision" }:export(path)
    local output, status = support.shell(support.lua(([[
      require "scion".models.inception_v3 { variant = "torchvision", weights = %q }
      print("peak", io.open "/proc/self/status":read "a":match "VmHWM:%%s+(%%d+)")]]):format(path)))
    support.remove(place)
    assert.equal(0, status, output)
    local peak = tonumber(output:match "peak%s+(%d+)") * 1024
    assert.is_true(peak < 1.3 * 4 * 21800000, peak)
  end)

  it("leave out GoogLeNet's auxiliary classifiers, and say so", function()
    local path, arrays = folder .. "/googlenet.safetensors", torchvision.tensors(graph.layers(scion.models.googlenet({ input = 64 }).order))
    arrays[#arrays + 1] = { name = "aux1.conv.conv.weight", tensor = core.new { 128, 512, 1, 1 } }
    arrays[#arrays + 1] = { name = "aux2.fc2.bias", tensor = core.new { 1000 } }
    assert(core.safetensors_write(path, arrays))
    local _, report = scion.models.googlenet { weights = path, input = 64 }
    assert.same({ "aux1.conv.conv.weight", "aux2.fc2.bias" }, report.unused)
    assert.same({}, report.unexpected)
    assert.matches("unused +2: aux1.conv.conv.weight, aux2.fc2.bias", tostring(report))
    assert.matches("googlenet built with transform_input = False takes preprocess = 'torch'", table.concat(report.notes, "\n"), 1, true)
  end)

  it("give ResNet-20's logits on the real file", function()
    if not support.data then return pending "SCION_TEST_DATA is not set" end
    local x = nn.input { shape = { 32, 32, 3 }, preprocess = "torch", name = "input" }
    local function conv_bn(y, name, number, filters, stride)
      y = nn.conv2d(filters, 3, { stride = stride, padding = 1, bias = false, name = name .. "conv" .. number })(y)
      return nn.batch_norm { epsilon = 1e-5, statistics = "stored", name = name .. "bn" .. number }(y)
    end
    x = nn.relu()(conv_bn(x, "", 1, 16, 1))
    for stage, filters in ipairs { 16, 32, 64 } do
      for block = 0, 2 do
        local name, stride = ("layer%d/%d/"):format(stage, block), stage > 1 and block == 0 and 2 or 1
        local y = nn.relu()(conv_bn(x, name, 1, filters, stride))
        y = conv_bn(y, name, 2, filters, 1)
        if stride == 2 then x = nn.pad_channels(filters // 4, filters // 4)(nn.max_pool(1, { stride = 2 })(x)) end
        x = nn.relu()(nn.add() { y, x })
      end
    end
    local model = scion.model { output = nn.dense(10, { name = "linear" })(nn.global_avg_pool()(x)) }
    local report = weights.load(model, support.data .. "/weights/resnet20_cifar10.th")
    assert.same({ {}, {}, {} }, { report.missing, report.misfits, report.unexpected })
    assert.is_true(models.deviation(model, support.pattern(32, 32), golden.resnet20) < 1e-5)
  end)
end)
