-- Which dict of a checkpoint is taken, and what is taken off its names: told by what fits the model.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

-- Convolutions of 1x1 from 3 channels to 3, but those whose names end in "wide", to 4.
local function network(...)
  local layers = { nn.input(8, 8, 3) }
  for _, name in ipairs { ... } do layers[#layers + 1] = nn.conv2d(name:find "wide$" and 4 or 3, 1, { bias = false, name = name }) end
  return scion.sequential(layers)
end

local function stem() return network("conv1", "layer1/0/conv1", "layer1/0/conv2", "layer2/wide") end
local names = { "conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.wide" }

-- The first number of each layer of stem().
local function numbers(model)
  local list = {}
  for i, name in ipairs(names) do list[i] = model:layer((name:gsub("%.", "/"))).weights.kernel:get(1, 1, 1, 1) end
  return list
end

describe("The names in a file", function()
  local folder, made = nil, 0
  setup(function() folder = support.folder() end)
  teardown(support.done)

  local function new_path(suffix)
    made = made + 1
    return ("%s/%d%s"):format(folder, made, suffix)
  end

  -- Arrays of 3x3x1x1, 4x3x1x1 where a name ends in "wide", that hold their place in the list beside `first`.
  local function file_of(list, first)
    local tensors = {}
    for i, name in ipairs(list) do
      local tensor = core.new { name:find "wide$" and 4 or 3, 3, 1, 1 }
      tensor:fill((first or 0) + i)
      tensors[i] = { name = name:find "_$" and name:sub(1, -2) or name .. ".weight", tensor = tensor }
    end
    local path = new_path ".safetensors"
    assert(safetensors.write(path, tensors))
    return path
  end

  local function with(prefix, list)
    local all = {}
    for i, name in ipairs(list or names) do all[i] = prefix .. name end
    return all
  end

  local function both(...)
    local all = {}
    for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
    return all
  end

  local function loaded(path, expected, given)
    local model = stem()
    local report = weights.load(model, path, given)
    assert.same(expected, numbers(model))
    return report
  end

  local function refused(path, expected, given, model)
    model = model or stem()
    local before = model:layer("conv1") and model:layer("conv1").weights.kernel:bytes()
    local text = messages.refusal(function() weights.load(model, path, given) end)
    assert.equal(path .. ": " .. expected, text)
    assert.equal(before, model:layer("conv1").weights.kernel:bytes())
  end

  it("lose any prefix behind which they fit, and the report says which", function()
    for _, prefix in ipairs { "module.", "_orig_mod.", "module._orig_mod.", "model.", "backbone.", "encoder.", "model.encoder.backbone.body.", "0.", "layer1." } do
      local report = loaded(file_of(with(prefix)), { 1, 2, 3, 4 })
      assert.equal(prefix, report.prefix)
      assert.is_nil(report.dict)
      assert.matches(("4 weights loaded\n  from names behind the prefix '%s'"):format(prefix), tostring(report), 1, true)
      assert.is_true(report:complete())
    end
    local report = loaded(file_of(names), { 1, 2, 3, 4 })
    assert.equal("", report.prefix)
    assert.is_nil(tostring(report):find "prefix")
  end)

  it("keep it where others have none, which are told as ever", function()
    local path = file_of(both(with "module.", { "n_averaged_" }))
    assert.same({ "n_averaged" }, loaded(path, { 1, 2, 3, 4 }).unused)
    assert.same({ "head.weight" }, loaded(file_of(both({ "head" }, with "backbone.")), { 2, 3, 4, 5 }).unused)
    path = file_of(both({ "projector.0", "conv1" }, with "backbone."))
    refused(path, "conv1.weight is not among the model's weights (names behind the prefix 'backbone.'); if that is a head of your own, a graft whose layers " ..
      "have its names takes it; prefix = 'backbone.' leaves out what is beside the network")
    assert.equal(2, #loaded(path, { 3, 4, 5, 6 }, { prefix = "backbone." }).unused)
    assert.same({ "conv1.weight", "projector.0.weight" }, loaded(path, { 3, 4, 5, 6 }, { strict = false }).unexpected)
    -- a part beside the prefix belongs to the model as well
    path = file_of { "backbone.conv1", "backbone.layer1.0.conv1", "backbone.layer1.0.conv2", "layer2.wide" }
    loaded(path, { 1, 2, 3, 4 })
  end)

  it("are told with the prefix where they do not fit", function()
    refused(file_of { "net.conv1", "net.layer1.0.conv1", "net.layer1.0.conv2" }, "layer2.wide.weight is missing (names behind the prefix 'net.')")
    local path = file_of { "net.conv1wide", "net.x" }
    refused(path, "conv1.weight is missing; the model has no place for the file's 'net.x.weight' (3x3x1x1), 'net.conv1wide.weight' (4x3x1x1); in Python, names " ..
      "are changed by weights['conv1.weight'] = weights.pop('net.x.weight')")
    assert.matches("nothing can be loaded even with strict = false: none of the model's 4 weights is in the file (the file has 'net.conv1wide.weight', the model " ..
      "looks for 'conv1.weight'); the option prefix takes off what stands before a file's names", messages.refusal(function()
        weights.load(stem(), path, { strict = false })
      end), 1, true)
  end)

  it("of DenseNet's features alone are said to be without the ReLU that torchvision applies behind them", function()
    local function densenet(cut)
      local x = nn.conv2d { filters = 3, kernel = 1, bias = false, name = "conv1/conv", origin = { torchvision = "features.conv0" } }(nn.input(8, 8, 3))
      x = nn.batch_norm { name = "bn", origin = { torchvision = "features.norm5" } }(x)
      if not cut then x = nn.relu { name = "relu" }(x) end
      return scion.model { output = x, name = "densenet121" }
    end
    local function file(start)
      local tensors = { { name = start .. "conv0.weight", tensor = core.new { 3, 3, 1, 1 } } }
      for i, part in ipairs { "weight", "bias", "running_mean", "running_var" } do
        tensors[i + 1] = { name = start .. "norm5." .. part, tensor = core.new { 3 } }
      end
      local path = new_path ".safetensors"
      assert(safetensors.write(path, tensors))
      return path
    end
    local function said(start, cut)
      local path, report = file(start), nil
      local text = support.stderr_of(function() report = weights.load(densenet(cut), path) end)
      assert.equal(5, report.loaded)
      return text:gsub("^" .. path:gsub("%p", "%%%0") .. ": ", ""), report.notes[#report.notes]
    end
    local sentence = "the weights are those of torchvision's features, a part without the last ReLU, which torchvision applies behind it: base:upto('bn') " ..
      "computes what the part does, unless the file's network applies that ReLU itself"
    for _, start in ipairs { "backbone.", "0.", "trunk.0." } do
      local text, note = said(start)
      assert.matches(sentence, text, 1, true)
      assert.equal(sentence, note)
      assert.not_matches("ReLU", (said(start, true)))
    end
    assert.not_matches("ReLU", (said "features."))
    assert.not_matches("ReLU", (said "net.features."))
  end)

  it("of a chain of a network and a head of several layers are told for the graft's layers", function()
    local path = file_of(both(with "0.", { "1.0", "1.3wide" }))
    refused(path, "dense_1.weight is missing (names behind the prefix '0.'); the model has no place for the file's '1.0.weight' (3x3x1x1), " ..
      "'1.3wide.weight' (4x3x1x1): " ..
      "a graft's layer takes the numbers of that name (name = '1/0', '1/3wide')", nil,
      network("conv1", "layer1/0/conv1", "layer1/0/conv2", "layer2/wide", "dense_1", "dense_2"))
  end)

  it("outside of the prefix that belong to the model as well are not offered to be left out", function()
    local path = file_of { "trunk.conv1", "trunk.layer1.0.conv1", "trunk.layer1.0.conv2", "other", "layer2.wide" }
    local sentence = "other.weight is not among the model's weights (names behind the prefix 'trunk.'); if that is a head of your own, a graft whose " ..
      "layers have its " ..
      "names takes it; "
    refused(path, sentence .. "strict = false loads what the model has a place for")
    loaded(path, { 1, 2, 3, 5 }, { strict = false })
    refused(file_of(both({ "other" }, with "trunk.")), sentence .. "prefix = 'trunk.' leaves out what is beside the network")
  end)

  it("lose none for a few names that any network has", function()
    local path = file_of { "layer1.0.conv1", "layer1.0.a", "layer1.0.b", "layer1.0.c" }
    refused(path, "conv1.weight is missing; the model has no place for the file's 'layer1.0.a.weight' (3x3x1x1), 'layer1.0.b.weight' (3x3x1x1), " ..
      "'layer1.0.c.weight' (3x3x1x1) and 1 more; in Python, names are changed by weights['conv1.weight'] = weights.pop('layer1.0.a.weight')", nil,
      network("conv1", "conv2", "conv3"))
  end)

  it("may fit behind two prefixes, of which the option says one", function()
    local path = file_of(both(with "encoder_q.", with "encoder_k."))
    refused(path, "its names fit the model behind 'encoder_k.' as well as behind 'encoder_q.'; prefix = says which of them to take")
    for _, given in ipairs { "encoder_k.", "encoder_k" } do
      local report = loaded(path, { 5, 6, 7, 8 }, { prefix = given })
      assert.equal("encoder_k.", report.prefix)
      assert.same({ "encoder_q.conv1.weight", "encoder_q.layer1.0.conv1.weight", "encoder_q.layer1.0.conv2.weight", "encoder_q.layer2.wide.weight" }, report.unused)
      assert.same({ true, false }, { report:complete(), report:lacks_head() })
      assert.matches("unused     4: encoder_q.conv1.weight,", tostring(report), 1, true)
    end
    loaded(path, { 1, 2, 3, 4 }, { prefix = "encoder_q." })
    for _, taken in ipairs { { "student.", { 1, 2, 3, 4 } }, { "teacher.", { 5, 6, 7, 8 } } } do
      loaded(file_of(both(with "student.", with "teacher.")), taken[2], { prefix = taken[1] })
    end
  end)

  it("behind an option are all that counts, and with '' those without a copy's prefix", function()
    local path = file_of(both(names, with "ema."))
    loaded(path, { 5, 6, 7, 8 }, { prefix = "ema." })
    assert.equal(4, #loaded(path, { 1, 2, 3, 4 }, { prefix = "" }).unused)
    path = file_of(both(names, with "module.ema.", { "layer1.0.more" }))
    assert.same({ "layer1.0.more.weight" }, loaded(path, { 1, 2, 3, 4 }, { prefix = "", strict = false }).unexpected)
    refused(path, "layer1.0.more.weight is not among the model's weights; the file has layers that the model lacks, so that what strict = false loads may be " ..
      "another network", { prefix = "" })
    -- nothing from outside stands in for what is missing inside
    path = file_of(both(names, with("ema.", { "conv1", "layer1.0.conv1", "layer1.0.conv2" })))
    refused(path, "layer2.wide.weight is missing (names behind the prefix 'ema.')", { prefix = "ema." })
    refused(file_of(with "model."), "conv1.weight is missing", { prefix = "" })
  end)

  it("behind an option lose any further prefix behind which they fit", function()
    local path = file_of(both(with "model.", with "ema_model.module."))
    assert.equal("ema_model.module.", loaded(path, { 5, 6, 7, 8 }, { prefix = "ema_model." }).prefix)
    assert.equal("ema_model.module.", loaded(path, { 5, 6, 7, 8 }, { prefix = "ema_model.module." }).prefix)
    assert.equal("model.", loaded(path, { 1, 2, 3, 4 }, { prefix = "model." }).prefix)
    path = file_of(both(with "nets.a.", with "nets.b."))
    refused(path, "its names fit the model behind 'nets.a.' as well as behind 'nets.b.'; prefix = says which of them to take", { prefix = "nets." })
  end)

  it("have prefixes, which a wrong option is told", function()
    refused(file_of(with "backbone."), "none of its names begins with the prefix 'bakbone.': did you mean 'backbone.'?", { prefix = "bakbone." })
    refused(file_of(both(with "m.x.", { "head" })), "none of its names begins with the prefix 'other': there are head., m.", { prefix = "other" })
    refused("spec/fixtures/weights/small.keras", "the option prefix is for PyTorch's names, and this file has Keras's", { prefix = "model." })
    local own = new_path ".safetensors"
    stem():save(own)
    refused(own, "the option prefix is for PyTorch's names, and this file has Scion's own", { prefix = "model." })
    for _, value in ipairs { 5, true, {}, "a\0b" } do
      assert.matches("prefix is what stands before the file's names, such as 'backbone.', not ",
        messages.refusal(function() weights.load(stem(), own, { prefix = value }) end), 1, true)
    end
  end)

  it("take time in proportion to their length", function()
    local start = os.clock()
    local path = file_of(with(("x"):rep(32000)))
    local long = ("'%s...' (3x3x1x1)"):format(("x"):rep(57))
    refused(path, ("conv1.weight is missing; the model has no place for the file's %s, %s, %s and 1 more"):format(long, long, long))
    assert.matches("^layer1.0.conv1.weight is missing; ", messages.refusal(function()
      weights.load(stem(), file_of(both({ "conv1" }, with(("x"):rep(32000)))))
    end):match ": (.*)$")
    loaded(file_of(both(names, with(("x"):rep(32000)))), { 1, 2, 3, 4 }, { strict = false })
    assert.is_true(os.clock() - start < 2)
  end)

  it("are taken by the builders as well", function()
    local net = scion.models.squeezenet1_1 { variant = "torchvision", input = 64 }
    local path = new_path ".safetensors"
    net:export(path)
    local tensors, list = assert(safetensors.read(path)), {}
    for name, tensor in pairs(tensors) do
      for _, prefix in ipairs { "student.", "teacher." } do list[#list + 1] = { name = prefix .. name, tensor = tensor } end
    end
    assert(safetensors.write(path, list))
    assert.matches("behind 'student.' as well as behind 'teacher.'", messages.refusal(function()
      local m = scion.models.squeezenet1_1 { weights = path, input = 64 }
      return m
    end), 1, true)
    local _, report = scion.models.squeezenet1_1 { weights = path, input = 64, prefix = "teacher." }
    assert.same({ "teacher.", report.total }, { report.prefix, report.loaded })
    assert.equal("scion.models.squeezenet1_1: prefix is that of names in a file, which needs weights",
      messages.refusal(function() local m = scion.models.squeezenet1_1 { prefix = "teacher." } return m end))
  end)

  it("may be numbers, which stand for the model's parts in order", function()
    local path = file_of { "0", "4.0.conv1", "4.0.conv2", "10.wide" }
    local report
    local told = support.stderr_of(function() report = loaded(path, { 1, 2, 3, 4 }) end)
    assert.equal(path .. ": names that are numbers are told by their order: 0 is conv1, 4 is layer1, 10 is layer2\n", told)
    assert.same({ { file = "0", model = "conv1" }, { file = "4", model = "layer1" }, { file = "10", model = "layer2" } }, report.positions)
    assert.matches("by order   3: 0 is conv1, 4 is layer1, 10 is layer2", tostring(report), 1, true)
    report = loaded(file_of { "features.0", "features.4.0.conv1", "features.4.0.conv2", "features.5.wide" }, { 1, 2, 3, 4 })
    assert.equal("features.", report.prefix)
    -- a network and a head behind it
    report = loaded(file_of { "0.conv1", "0.layer1.0.conv1", "0.layer1.0.conv2", "1.wide" }, { 1, 2, 3, 4 })
    assert.same({ "0.", { { file = "1", model = "layer2" } } }, { report.prefix, report.positions })
    report = loaded(file_of { "0.0", "0.4.0.conv1", "0.4.0.conv2", "1.wide" }, { 1, 2, 3, 4 })
    assert.same({ "0.", 3, { file = "1", model = "layer2" } }, { report.prefix, #report.positions, report.positions[3] })
    -- a part that the model does not have
    report = loaded(file_of { "0", "1.0.conv1", "1.0.conv2", "2.wide", "3.head" }, { 1, 2, 3, 4 }, { strict = false })
    assert.same({ "3.head.weight" }, report.unexpected)
  end)

  it("may be the number of a head that the model does not have", function()
    local function linear(path)
      local tensors = assert(safetensors.read(path))
      tensors["9.weight"], tensors["9.bias"] = core.new { 7, 4 }, core.new { 7 }
      assert(safetensors.write(path, tensors))
      return path
    end
    for _, list in ipairs { { "0", "4.0.conv1", "4.0.conv2", "5.wide" }, with "0." } do
      local path, report = linear(file_of(list)), nil
      local told = support.stderr_of(function() report = loaded(path, { 1, 2, 3, 4 }) end)
      assert.matches("9 is classifier\n", told, 1, true)
      assert.matches("the classifier (classifier.bias, classifier.weight) is not loaded, since the model was built without it; " ..
        "top = true, classes = 7 builds it", told, 1, true)
      assert.same({ "classifier.bias", "classifier.weight" }, report.unused)
      assert.same({ file = "9", model = "classifier" }, report.positions[#report.positions])
    end
    local ninth = "9.weight is not among the model's weights (names behind the prefix '0.'); if that is a head of your own, a graft whose layers have its " ..
      "names takes it; prefix = '0.' leaves out what is beside the network"
    refused(file_of(both(with "0.", { "9" })), ninth) -- which is no linear layer
  end)

  it("that are numbers are refused where their order says nothing", function()
    local model = network("conv1", "a", "conv2", "b/wide")
    local remedy = ", as those of nn.Sequential(*net.children()), do not stand for the model's conv1, a, conv2, b in that order; " ..
      "in Python: torch.save(net.state_dict(), 'weights.pth'))"
    refused(file_of { "0", "1", "3.wide" }, "conv1.weight is missing (names that are numbers, 0, 1, 3" .. remedy, nil, model)
    refused(file_of { "0.wide", "1", "2", "3" }, "conv1.weight is missing (names that are numbers, 0, 1, 2, 3" .. remedy, nil, model)
  end)

  -- ---- checkpoints

  local function text(value) return "X" .. string.pack("<s4", value) end

  -- The state dict of stem() as a pickle, behind a prefix, with numbers from `first` up.
  local function state_dict(first, prefix)
    local parts = {}
    for i, name in ipairs(names) do
      local filters = name:find "wide$" and 4 or 3
      parts[i] = text((prefix or "") .. name .. ".weight") .. "ctorch._utils\n_rebuild_tensor_v2\n((" .. text "storage" .. "ctorch\nFloatStorage\n" .. text "0" ..
        text "cpu" .. "K\100tQK" .. string.char(first + i - 1) .. "(K" .. string.char(filters) .. "K\3K\1K\1t(K\0K\0K\0K\0t\x89}tR"
    end
    return "}(" .. table.concat(parts) .. "u"
  end

  local function dict(...)
    local parts = {}
    for i, value in ipairs { ... } do parts[i] = i % 2 == 1 and text(value) or value end
    return "}(" .. table.concat(parts) .. "u"
  end

  local function checkpoint(object)
    local storage = {}
    for i = 0, 99 do storage[i + 1] = i end
    return support.spit(new_path ".pth", "\x80\2\x8a\10\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}.\x80\2" .. object .. ".\x80\2](" .. text "0" ..
      "e." .. string.pack("<i8" .. ("f"):rep(100), 100, table.unpack(storage)))
  end

  -- Loads, and returns what is said and the report.
  local function told(path, expected, given)
    local report
    local said = support.stderr_of(function() report = loaded(path, expected, given) end)
    return said:gsub("^" .. path:gsub("%p", "%%%0") .. ": ", ""), report
  end

  it("are those of the likeliest dict, of equals", function()
    for _, key in ipairs { "state_dict", "model_state_dict", "model", "net", "network", "module", "ema" } do
      local said, report = told(checkpoint(dict("epoch", "K\3", key, state_dict(1, "module."), "optimizer", dict("state", "}"))), { 1, 2, 3, 4 })
      assert.same({ "", key, "module." }, { said, report.dict, report.prefix })
      assert.matches(("from names behind the prefix 'module.' of its '%s'"):format(key), tostring(report), 1, true)
    end
    local losses = "](" .. ("G" .. string.pack(">d", 0.7)):rep(300000) .. "e"
    loaded(checkpoint(dict("model", state_dict(1), "losses", losses)), { 1, 2, 3, 4 })
    local said, report = told(checkpoint(dict("model", dict("state_dict", state_dict(1)))), { 1, 2, 3, 4 })
    assert.same({ "", "model.state_dict" }, { said, report.dict })
    local path = checkpoint(dict("state_dict_ema", state_dict(11), "state_dict", state_dict(1)))
    said, report = told(path, { 1, 2, 3, 4 })
    assert.same({ "the weights are those of its 'state_dict'; its 'state_dict_ema' fits as well, prefix = 'state_dict_ema.' takes it\n", "state_dict" },
                { said, report.dict })
    said, report = told(path, { 11, 12, 13, 14 }, { prefix = "state_dict_ema." })
    assert.same({ "", "state_dict_ema", "" }, { said, report.dict, report.prefix })
    path = checkpoint(dict("student", state_dict(1, "a."), "teacher", state_dict(11, "a.")))
    report = loaded(path, { 11, 12, 13, 14 }, { prefix = "teacher.a." })
    assert.same({ "teacher", "a." }, { report.dict, report.prefix })
    loaded(path, { 11, 12, 13, 14 }, { prefix = "teacher" })
    local two = state_dict(1, "module.encoder_q."):sub(1, -2) .. state_dict(11, "module.encoder_k."):sub(3)
    report = loaded(checkpoint(dict("epoch", "K\3", "state_dict", two)), { 11, 12, 13, 14 }, { prefix = "module.encoder_k." })
    assert.same({ "state_dict", "module.encoder_k.", 4 }, { report.dict, report.prefix, #report.unused })
    loaded(checkpoint(dict("state_dict", two)), { 1, 2, 3, 4 }, { prefix = "state_dict.module.encoder_q." })
    for _, given in ipairs { "encoder_k.", "encoder_k", "state_dict.encoder_k." } do -- also behind what DataParallel puts before names
      assert.equal("module.encoder_k.", loaded(checkpoint(dict("state_dict", two)), { 11, 12, 13, 14 }, { prefix = given }).prefix)
    end
    refused(path, "none of its names begins with the prefix 'teachers.': did you mean 'teacher.'?", { prefix = "teachers." })
  end)

  it("are those of a dict in a list or tuple, by its position", function()
    local optimizer = dict("state", "}", "param_groups", "]")
    for object, key in pairs { [state_dict(1, "module.") .. optimizer .. "\x86"] = "0",
                               ["](K\3" .. optimizer .. dict("state_dict", state_dict(1)) .. "e"] = "2.state_dict" } do
      local said, report = told(checkpoint(object), { 1, 2, 3, 4 })
      assert.same({ "", key }, { said, report.dict })
    end
    local two = checkpoint(state_dict(1) .. state_dict(11) .. "\x86")
    assert.equal("the weights are those of its '0'; its '1' fits as well, prefix = '1.' takes it\n", (told(two, { 1, 2, 3, 4 })))
    loaded(two, { 11, 12, 13, 14 }, { prefix = "1." })
  end)

  it("are those of the dict that fits best", function()
    local other = state_dict(21, "other.x")
    local said, report = told(checkpoint(dict("state_dict", other, "ema", state_dict(1))), { 1, 2, 3, 4 })
    assert.same({ "the weights are those of its 'ema', which fits the model better than its 'state_dict'\n", "ema" }, { said, report.dict })
    -- loose tensors beside a dict of no known name
    local loose = state_dict(21, "best_"):sub(3, -2)
    said, report = told(checkpoint("}(" .. loose .. text "mine" .. state_dict(1) .. "u"), { 1, 2, 3, 4 })
    assert.same({ "the weights are those of its 'mine', which fits the model better than the tensors outside of any dict\n", "mine" }, { said, report.dict })
    refused(checkpoint(dict("model", other)), "conv1.weight is missing (its 'model'); the model has no place for the file's 'other.xconv1.weight' (3x3x1x1), " ..
      "'other.xlayer1.0.conv1.weight' (3x3x1x1), 'other.xlayer1.0.conv2.weight' (3x3x1x1) and 1 more; in Python, names are changed by " ..
      "weights['conv1.weight'] = weights.pop('other.xconv1.weight')")
  end)
end)
