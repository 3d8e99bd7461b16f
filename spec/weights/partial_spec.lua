-- strict = false: what is loaded is told by counts, little of it on standard error, and nothing at all is refused.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

-- Ten convolutions, each of one weight.
local function network(name)
  local layers = { nn.input(8, 8, 3) }
  for i = 1, 10 do layers[i + 1] = nn.conv2d(3, 1, { bias = false, name = (name or "features/") .. i }) end
  return scion.sequential(layers)
end

describe("strict = false", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  -- A state dict with the names of n of the ten, each behind a prefix.
  local function state_dict(n, prefix, size, another)
    local tensors = {}
    for i = 1, n do tensors[i] = { name = ("%sfeatures.%d.weight"):format(prefix or "", i), tensor = core.new { 3, size or 3, 1, 1 } } end
    tensors[#tensors + 1] = another and { name = another, tensor = core.new { 1 } } or nil
    local path = ("%s/%d%s%d.safetensors"):format(folder, n, (prefix or ""):gsub("%c", "c"), size or 3)
    assert(safetensors.write(path, tensors))
    return path
  end

  -- What a process of its own writes to standard error while it loads, and prints.
  local function told(path, name)
    local output, status = support.shell(support.lua(([[
      local scion, nn = require "scion", require "scion.nn"
      local layers = { nn.input(8, 8, 3) }
      for i = 1, 10 do layers[i + 1] = nn.conv2d(3, 1, { bias = false, name = %q .. i }) end
      local model = scion.sequential(layers)
      for _ = 1, 2 do print("loaded", scion.weights.load(model, %q, { strict = false }).loaded) end]]):format(name or "features/", path)))
    assert.equal(0, status, output)
    return (output:gsub("loaded\t%d+\n", ""))
  end

  it("keeps counts as data", function()
    local report = weights.load(network(), state_dict(7), { strict = false })
    assert.same({ 7, 10, { "features.8.weight", "features.9.weight", "features.10.weight" }, {}, {} },
                { report.loaded, report.total, report.missing, report.unexpected, report.misfits })
    assert.matches("7 of 10 weights loaded\n  missing    3: features.8.weight, features.9.weight, features.10.weight", tostring(report), 1, true)
    assert.matches("a report of loaded weights has no field 'lost'", messages.refusal(function() local x = report.lost return x end), 1, true)
  end)

  it("is offered, and the file's number of classes, where only the classifier has another size", function()
    local sentence = "; only the classifier has another size: classes = 6 builds a network of scion.models with the file's, and strict = false loads all but it"
    for _, name in ipairs { "squeezenet1_1", "mobilenet_v3_small" } do
      local function net(classes, path) return scion.models[name] { top = true, classes = classes, input = 64, weights = path, variant = "torchvision" } end
      for _, ending in ipairs { "safetensors", "h5" } do
        local path = ("%s/%s.%s"):format(folder, name, ending)
        net(6):export(path)
        assert.matches(sentence, messages.refused(function() net(7, path) end), 1, true)
        assert.is_truthy(net(6, path))
      end
    end
    -- not where another layer differs as well
    local function two(hidden, classes) return scion.sequential { nn.input(4), nn.dense(hidden, { name = "a" }), nn.dense(classes, { name = "b" }) } end
    two(5, 6):export(folder .. "/two.safetensors")
    assert.matches(sentence, messages.refused(function() weights.load(two(5, 7), folder .. "/two.safetensors") end), 1, true)
    assert.not_matches("only the classifier", messages.refused(function() weights.load(two(6, 7), folder .. "/two.safetensors") end))
  end)

  it("is told of a network that was pruned", function()
    local function net(filters)
      local layers = { nn.input(8, 8, 3) }
      for i = 1, 4 do layers[i + 1] = nn.conv2d(filters, 1, { name = "c" .. i }) end
      return scion.sequential(layers)
    end
    for ending, of in pairs { safetensors = "8 of the model's weights", h5 = "4 of the model's layers" } do
      net(3):export(folder .. "/pruned." .. ending)
      local message = messages.refused(function() weights.load(net(5), folder .. "/pruned." .. ending) end)
      assert.matches("; " .. of .. " are smaller in the file and none larger, as in a pruned network or one of a smaller width: build it with the file's sizes",
        message, 1, true)
      net(6):export(folder .. "/wide." .. ending)
      assert.not_matches("pruned network", messages.refused(function() weights.load(net(5), folder .. "/wide." .. ending) end))
    end
  end)

  it("is offered where the file has a classifier and the model none", function()
    local whole = scion.models.squeezenet1_1 { top = true, classes = 7, input = 64 }
    local offer = "; if that is a classifier, top = true, classes = 7 builds a network of scion.models with it; strict = false loads what the model has a place for"
    whole:save(folder .. "/own.safetensors")
    local message = messages.refused(function() scion.models.squeezenet1_1 { weights = folder .. "/own.safetensors", input = 64 } end)
    assert.matches(offer, message, 1, true)
    local _, report = scion.models.squeezenet1_1 { weights = folder .. "/own.safetensors", input = 64, strict = false }
    assert.is_true(#report.missing == 0 and #report.unexpected > 0)
  end)

  it("is offered with a classifier only for arrays that may be one, to a model without its own", function()
    local plain = scion.models.resnet18 { input = 32, top = true, classes = 5, variant = "torchvision" }
    local arrays = require("scion.weights.torchvision").tensors(require("scion.graph").layers(plain.order))
    local function file(name, added, without)
      local list = {}
      for _, a in ipairs(arrays) do list[#list + 1] = (not without or a.name:sub(1, 3) ~= "fc.") and a or nil end
      for each, shape in pairs(added) do list[#list + 1] = { name = each, tensor = core.new(shape) } end
      local path = ("%s/%s.safetensors"):format(folder, name)
      assert(core.safetensors_write(path, list, { format = "pt" }))
      return path
    end
    local function refusal(path, top)
      return messages.refused(function() scion.models.resnet18 { input = 32, top = top or nil, classes = top and 5 or nil, weights = path } end)
    end
    local head = { ["head.weight"] = { 7, 512 }, ["head.bias"] = { 7 } }
    assert.matches(": head.%a+ is not among the model's weights; strict = false loads what the model has a place for", refusal(file("head", head), true))
    local last = file("last", { ["last_linear.weight"] = { 7, 512 }, ["last_linear.bias"] = { 7 } }, true)
    assert.matches("; if that is a classifier, top = true, classes = 7 builds", refusal(last), 1, true)
    for name, added in pairs { se = { ["layer1.0.se.fc1.weight"] = { 4, 64, 1, 1 }, ["layer1.0.se.fc1.bias"] = { 4 } },
                               norm = { ["bn2.weight"] = { 8 }, ["bn2.bias"] = { 8 } },
                               conv = { ["conv1.bias"] = { 64 } }, window = { ["x.weight"] = { 4, 4, 3, 3 }, ["x.bias"] = { 4 } } } do
      for _, without in ipairs { false, true } do
        local message = refusal(file(name, added, without))
        assert.matches("is not among the model's weights; the file has layers that the model lacks, so that what strict = false loads may be another network$", message)
        assert.is_nil(message:find("classifier", 1, true))
      end
    end
    assert.matches("fc%.weight is missing; the file has all but the classifier: top = false builds a network of scion%.models without one, and strict = false leaves the " ..
      "model's own as it is$", refusal(file("bare", {}, true), true))
    assert.equal("", support.stderr_of(function()
      scion.models.resnet18 { input = 32, top = true, classes = 5, weights = folder .. "/head.safetensors", strict = false }
    end))
  end)

  it("is not needed for a classifier in a file of Keras's, though it is a convolution", function()
    local whole = scion.models.squeezenet1_1 { top = true, classes = 7, input = 64, variant = "keras" }
    for _, name in ipairs { "/keras.h5", "/keras.weights.h5" } do
      whole:export(folder .. name)
      local _, report = scion.models.squeezenet1_1 { weights = folder .. name, input = 64 }
      assert.same({ { "conv10" }, {}, 7 }, { report.unused, report.missing, report.classes })
    end
  end)

  it("is not needed for a classifier with a norm in a file of Keras's", function()
    local function base() return scion.models.mobilenet { input = 32, width = 0.25 } end
    scion.seed(3)
    local taught = base()
    local norm = nn.batch_norm { name = "head_norm" }
    local whole = taught:graft { nn.global_avg_pool(), norm, nn.dense(4, "relu", { name = "first" }), nn.dense(3, "softmax", { name = "second" }) }
    for _, ending in ipairs { ".h5", ".weights.h5" } do
      local path, model = folder .. "/norm" .. ending, nil
      support.stderr_of(function() whole:export(path) end)
      scion.seed(4)
      local line = support.stderr_of(function() model = scion.models.mobilenet { input = 32, width = 0.25, weights = path } end)
      assert.matches("norm" .. ending .. ": the classifier (head_norm, first, second) is not loaded, since the model was built without it", line, 1, true)
      for i, node in ipairs(model.order) do
        for k, p in ipairs(node.layer.parameters) do assert.is_true(p.tensor:equal(taught.order[i].layer.parameters[k].tensor)) end
      end
    end
    -- norms alone are no classifier
    local more = base():graft { nn.batch_norm { name = "another_norm" } }
    local path = folder .. "/more.weights.h5"
    support.stderr_of(function() more:export(path) end)
    assert.matches("another_norm", messages.refused(function() base():load_weights(path) end), 1, true)
  end)

  it("says once that less than half was loaded, and what to do", function()
    assert.equal("", told(state_dict(10)))
    assert.equal("", told(state_dict(5)))
    local path = state_dict(4)
    assert.equal(path .. ": only 4 of the model's 10 weights were loaded, the others are as they were (features.5.weight is missing); " ..
      "the option prefix takes off what stands before a file's names, other shapes need the model that the file was made of. print(report) lists them\n", told(path))
  end)

  it("refuses to load nothing, and shows the names of both", function()
    local function numbers(model)
      local list = {}
      for i, row in ipairs(model:layers()) do list[i] = row.weights.kernel and row.weights.kernel:bytes() or "" end
      return list
    end
    local function nothing(path, expected)
      local model = network()
      local before = numbers(model)
      local text = messages.refusal(function() weights.load(model, path, { strict = false }) end)
      local begins = path .. ": nothing can be loaded even with strict = false: none of the model's 10 weights is in the file (" .. expected .. ")"
      assert.equal(begins, text:sub(1, #begins))
      assert.same(before, numbers(model))
    end
    nothing(state_dict(0, "", nil, "features_1.weight"), "the file has 'features_1.weight', the model looks for 'features.1.weight'")
    nothing(state_dict(10, "", 4), "features.1.weight is 3x4x1x1, but the model expects 3x3x1x1")
    nothing(state_dict(3, "fc.of_"), "features.1.weight is missing")
    nothing("spec/fixtures/weights/small.keras", "layer 'conv2d' has kernel 3x2x3x6, but features/1 expects 1x1x3x3 " ..
      "(the file has 5 layers with weights, the model 10)")
  end)

  it("says so of Keras's files, too", function()
    local path, half = folder .. "/ten.h5", folder .. "/two.h5"
    network():export(path)
    scion.sequential { nn.input(8, 8, 3), nn.conv2d(3, 1, { bias = false }), nn.conv2d(3, 1, { bias = false }), nn.conv2d(4, 1) }:export(half)
    assert.equal("", told(path))
    assert.matches("two.h5: only 2 of the model's 10 weights were loaded, the others are as they were (layer 'conv2d_3' has ", told(half), 1, true)
  end)

  it("is no matter where a model has no weights", function()
    local path = state_dict(1)
    assert.equal(0, weights.load(scion.sequential { nn.input(8, 8, 3), nn.flatten() }, path, { strict = false }).loaded)
  end)

  it("writes no control characters of names in files", function()
    local path = state_dict(4, nil, nil, "\27[31m\nred")
    assert.matches("(the file has '\\x1b[31m\\nred', the model looks for 'features.5.weight')", told(path), 1, true)
    local report = weights.load(network(), state_dict(6, nil, nil, "\27[31m\nred"), { strict = false })
    assert.same({ "\27[31m\nred" }, report.unexpected)
    assert.matches("unexpected 1: \\x1b[31m\\nred", tostring(report), 1, true)
    local text = messages.refusal(function() weights.load(network(), state_dict(10, nil, nil, "\27[31mred")) end)
    assert.matches("\\x1b[31mred is not among the model's weights", text, 1, true)
  end)
end)
