-- Files of networks that people built around a part of a network, under names of their own, and of networks whose weights a tool of PyTorch
-- changed: they load and predict what they did there, or are refused with the line that mends them.
local core = require "scion.core"
local graph = require "scion.graph"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local torch = require "scion.weights.torch"
local torchvision = require "scion.weights.torchvision"
local weights = require "scion.weights"
local nn = scion.nn

local fixtures = "spec/fixtures/weights/"
local golden = core.json_decode(support.slurp(fixtures .. "own.json"))

--- The network of make_own.py without its head.
local function trunk(epsilon)
  return scion.sequential { nn.input(8, 9, 3), nn.conv2d(4, { 3, 2 }, { bias = false, name = "features/0" }), nn.batch_norm { epsilon = epsilon or 1e-5, name = "features/1" },
                            nn.relu(), nn.conv2d(5, 1, { name = "features/3" }) }
end

--- The whole, with a head of that name.
local function whole(name, classes) return trunk():graft { nn.global_avg_pool(), nn.dense(classes or 6, { name = name }) } end

describe("A network of one's own", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  local function told(path, model, given)
    local report
    local said = support.stderr_of(function() report = weights.load(model, path, given) end)
    return report, said
  end

  local function refused(path, model, given)
    local before = models.bytes(model)
    local text = messages.refusal(function() weights.load(model, path, given) end)
    assert.same(before, models.bytes(model))
    assert.equal(path .. ": ", text:sub(1, #path + 2))
    return text:sub(#path + 3)
  end

  --- Writes own.pth's tensors under other names.
  local function renamed(file, ...)
    local list = {}
    for _, names in ipairs { ... } do
      for name, tensor in pairs(assert(torch.read(fixtures .. "own.pth"))) do
        local first, rest = name:match "^([^.]+)%.(.+)$"
        if names[first] then list[#list + 1] = { name = names[first] .. rest, tensor = tensor } end
      end
    end
    assert(safetensors.write(folder .. "/" .. file, list))
    return folder .. "/" .. file
  end

  it("that holds a part under another name loads, and predicts what it did", function()
    for path, source in pairs {
      [fixtures .. "own.pth"] = "names behind the prefix 'backbone.', put behind 'features.' as in the model",
      [fixtures .. "own_lightning.pth"] = "names behind the prefix 'model.backbone.' of its 'state_dict', put behind 'features.' as in the model",
      [renamed("own.safetensors", { backbone = "net.body.", head = "net.head." })] = "names behind the prefix 'net.body.', put behind 'features.' as in the model",
      [renamed("module.safetensors", { backbone = "module.features.", head = "module.head." })] = "names behind the prefix 'module.'",
    } do
      local model = trunk()
      local report, said = told(path, model)
      assert.is_true(models.deviation(model, support.pattern(8, 9), golden.trunk) < 2e-6)
      assert.matches("from " .. source .. "\n", tostring(report):gsub("\n    ", " "), 1, true)
      assert.matches("the classifier (head.", said, 1, true)
      model = whole "head"
      weights.load(model, path)
      assert.is_true(models.deviation(model, support.pattern(8, 9), golden.head) < 2e-6)
    end
    local model = trunk()
    local report = weights.load(model, renamed("part.safetensors", { backbone = "" }))
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.trunk) < 2e-6)
    assert.matches("from its names, put behind 'features.' as in the model\n", tostring(report), 1, true)
  end)

  it("that holds it twice is refused until the option says which", function()
    local path = renamed("two.safetensors", { backbone = "first.", head = "head." }, { backbone = "second." })
    assert.equal("its names fit the model behind 'first.' as well as behind 'second.'; prefix = says which of them to take", refused(path, trunk()))
    local model = trunk()
    assert.equal("second.", weights.load(model, path, { prefix = "second." }).prefix)
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.trunk) < 2e-6)
  end)

  it("whose head has a name that is no head's says how it is loaded or left", function()
    local path = renamed("out.safetensors", { backbone = "backbone.", head = "out." })
    assert.equal("out.bias is not among the model's weights (names behind the prefix 'backbone.', put behind 'features.' as in the model); if that is a head of " ..
      "your own, a graft whose layers have its names takes it; prefix = 'backbone.' leaves out what is beside the network", refused(path, trunk()))
    assert.same({ "features.1.num_batches_tracked", "out.bias", "out.weight" }, weights.load(trunk(), path, { prefix = "backbone." }).unused)
    local model = whole "out"
    weights.load(model, path)
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.head) < 2e-6)
  end)

  it("whose norms would have Scion's epsilon is told of PyTorch's", function()
    local path = renamed("norms.safetensors", { backbone = "features." })
    local line = "layer 'features/1' took PyTorch's numbers with epsilon = 1e-3, and PyTorch's norms have 1e-5 by themselves: epsilon = 1e-5 computes what they do, " ..
      "unless the file's network was given another"
    local report, said = told(path, trunk(1e-3))
    assert.same({ line }, report.notes)
    assert.equal(path .. ": " .. line .. "\n", said)
    report, said = told(path, trunk(1e-3))
    assert.same({ { line }, "" }, { report.notes, said })
    for _, epsilon in ipairs { 1e-5, 1e-6 } do assert.same({}, told(path, trunk(epsilon)).notes) end
    assert.equal(1, told(fixtures .. "own.pth", trunk(1e-3):graft { nn.layer_norm { name = "norm" } }, { strict = false }).notes[1]:find("layer 'features/1' took", 1, true))
  end)

  it("on a network of scion.models is told of its own norms alone, if they were read", function()
    local net = scion.models.googlenet { input = 32 }:graft { nn.global_avg_pool(), nn.batch_norm { name = "mine" }, nn.layer_norm { name = "more" } }
    local list, path = torchvision.tensors(graph.layers(net.order)), folder .. "/headed.safetensors"
    assert(safetensors.write(path, list))
    local report = told(path, net)
    assert.matches("layer 'mine' and 1 more norm took PyTorch's numbers", table.concat(report.notes, "\n"), 1, true)
    while list[#list].name:find "^m[io]" do list[#list] = nil end
    assert(safetensors.write(path, list))
    report = told(path, net, { strict = false })
    assert.equal(6, #report.missing)
    assert.not_matches("epsilon", table.concat(report.notes, "\n"), 1, true)
  end)

  it("whose head has another name than the graft's is told with the file's names", function()
    local place = "mine.weight is missing (names behind the prefix 'backbone.', put behind 'features.' as in the model); the model has no place for the file's "
    assert.equal(place .. "'head.weight' (6x5), 'head.bias' (6): a graft's layer takes the numbers of that name (name = 'head')",
                 refused(fixtures .. "own.pth", whole "mine"))
    assert.matches("(name = 'head')", refused(fixtures .. "own.pth", whole("mine", 7)), 1, true)
    local path = renamed("deep.safetensors", { backbone = "backbone.", head = "mlp.2." })
    assert.matches("'mlp.2.weight' (6x5), 'mlp.2.bias' (6): a graft's layer takes the numbers of that name (name = 'mlp/2')", refused(path, whole "mine"), 1, true)
    assert.equal(weights.load(whole "mlp/2", path).total, weights.load(whole "mlp/2", path).loaded)
    assert.matches("^mine.weight is missing; the model has no place for", refused(fixtures .. "own_parameters.pth", scion.sequential {
      nn.input(1, 1, 5), nn.flatten(), nn.dense(6, { name = "mine" }), nn.batch_norm { name = "norm" } })) -- its statistics are missing, too
    -- a classifier of the network's own in the model, and another in the file
    path = renamed("one.safetensors", { backbone = "features.", head = "head." })
    assert.equal("fc.weight is missing; the model has no place for the file's 'head.weight' (6x5), 'head.bias' (6): a graft onto the network without its top takes the " ..
      "numbers by their names (name = 'head')", refused(path, whole "fc"))
    local list = { { name = "fc.1.weight", tensor = core.new { 7, 5 } }, { name = "fc.1.bias", tensor = core.new { 7 } }, { name = "fc.4.weight", tensor = core.new { 6, 7 } },
                   { name = "fc.4.bias", tensor = core.new { 6 } } }
    for name, tensor in pairs(assert(torch.read(fixtures .. "own.pth"))) do
      if name:find "^backbone" then list[#list + 1] = { name = name:gsub("^backbone", "features"), tensor = tensor } end
    end
    path = folder .. "/deeper.safetensors"
    assert(safetensors.write(path, list))
    assert.matches(": a graft onto the network without its top takes the numbers by their names (name = 'fc/1', 'fc/4')", refused(path, whole "fc"), 1, true)
    local report = weights.load(trunk():graft { nn.global_avg_pool(), nn.dense(7, { name = "fc/1" }), nn.relu(), nn.dense(6, { name = "fc/4" }) }, path)
    assert.is_true(report:complete())
    -- names that no option mends, and more of them than a sentence holds
    path = renamed("all.safetensors", { backbone = "stem.", head = "top." })
    local model = scion.sequential { nn.input(8, 9, 3), nn.conv2d(4, { 3, 2 }, { bias = false, name = "first" }), nn.conv2d(2, 1, { name = "second" }) }
    assert.equal("first.weight is missing; the model has no place for the file's 'stem.0.weight' (4x3x3x2), 'stem.1.bias' (4), 'stem.1.running_mean' (4) and 6 more; " ..
      "in Python, names are changed by weights['first.weight'] = weights.pop('stem.0.weight')", refused(path, model))
  end)
end)

describe("A network that a tool of PyTorch changed", function()
  local every = "; in Python, before torch.save: for m in list(net.modules()): "
  local reasons = {
    own_weight_norm = "the file has 'features.0.weight_g', which is of torch.nn.utils.weight_norm" .. every ..
      "hasattr(m, 'weight_g') and torch.nn.utils.remove_weight_norm(m)",
    own_spectral_norm = "the file has 'features.0.weight_u', which is of torch.nn.utils.spectral_norm" .. every ..
      "hasattr(m, 'weight_u') and torch.nn.utils.remove_spectral_norm(m)",
    own_parametrized = "the file has 'features.0.parametrizations.weight.original0', which is of torch.nn.utils.parametrize" .. every ..
      "hasattr(m, 'parametrizations') and torch.nn.utils.parametrize.remove_parametrizations(m, 'weight')",
    own_pruned = "the file has 'features.0.weight_mask', which is of torch.nn.utils.prune" .. every ..
      "hasattr(m, 'weight_mask') and torch.nn.utils.prune.remove(m, 'weight')",
    own_parameters = "the file has no running_mean and running_var, the statistics of batch norms, as where only parameters were saved or track_running_stats was " ..
      "False; in Python, torch.save(net.state_dict(), 'weights.pth') saves them if the network has them; otherwise layers that are not frozen learn " ..
        "them in training; " ..
      "a network with GroupNorm, which has none, is another one",
  }
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  local function refusal(path, given) return messages.refusal(function() weights.load(whole "head", path, given) end):sub(#path + 3) end

  for name, reason in pairs(reasons) do
    it(("is told by %s.pth, with the line that undoes it, and aloud with strict = false"):format(name), function()
      local path, report = fixtures .. name .. ".pth", nil
      assert.matches("^features%.%d%.%w+ is missing; ", (refusal(path):gsub("running_mean is", "mean is")))
      assert.equal("is missing; " .. reason, refusal(path):match "is missing; .*")
      local said = support.stderr_of(function() report = weights.load(whole "head", path, { strict = false }) end)
      assert.equal(("%s: %s; the model's own numbers stay in their place\n"):format(path, reason), said:match "^[^\n]*\n")
      assert.equal(reason .. "; the model's own numbers stay in their place", report.notes[1])
    end)
  end

  -- Refuses own.pth's arrays, of which change(name) gives the names: nil leaves an array out, and a list adds one of that shape.
  local function changed(model, change)
    local list, path = {}, folder .. "/changed.safetensors"
    for name, tensor in pairs(assert(torch.read(fixtures .. "own.pth"))) do
      name = name:gsub("backbone", "features")
      local to = change(name)
      if to then list[#list + 1] = { name = to, tensor = tensor } end
    end
    for name, shape in pairs(change()) do list[#list + 1] = { name = name, tensor = core.new(shape) } end
    assert(safetensors.write(path, list))
    return messages.refusal(function() weights.load(model, path) end):sub(#path + 3)
  end

  it("by fusing batch norms into convolutions is told, and no name of another kind is offered for a norm's", function()
    assert.equal("features.1.weight is missing; the file has 'features.0.bias', the bias of a convolution, where the model has batch norms, as where " ..
      "these were fused " ..
      "into convolutions; in Python, torch.save(net.state_dict(), 'weights.pth') before they are fused", changed(whole "head", function(name)
        if not name then return { ["features.0.bias"] = { 4 } } end
        return not name:find "^features%.1%." and name or nil
      end))
    assert.equal("features.1.weight is missing; the model has no place for the file's 'other.bias' (4)", changed(whole "head", function(name)
      if not name then return {} end
      return name == "features.1.weight" and "other.bias" or name
    end))
    assert.matches("; in Python, names are changed by weights['features.1.weight'] = weights.pop('other.weight')", changed(whole "head", function(name)
      if not name then return {} end
      return name == "features.1.weight" and "other.weight" or name
    end), 1, true)
  end)

  it("with batch norms is told to a network without", function()
    local net = scion.sequential { nn.input(8, 9, 3), nn.conv2d(4, { 3, 2 }, { name = "features/0" }), nn.conv2d(5, 1, { name = "features/2" }) }
    assert.equal("features.0.bias is missing; the file has batch norms ('features.1.running_mean'), as torchvision's vgg16_bn has them, and this " ..
      "network has none: it " ..
      "is of another network", changed(net, function(name) return name or { ["features.4.running_mean"] = { 5 } } end):gsub("features%.4%.r", "features.1.r"))
  end)

  it("whose classifier has no bias is told with the layer that takes it", function()
    assert.equal("head.bias is missing; the file's 'head' has no bias: in a graft onto the network without its top, nn.dense(…, { bias = false, name " ..
      "= 'head' }) takes " ..
      "its weights", changed(whole "head", function(name)
        if not name then return {} end
        return name ~= "head.bias" and name or nil
      end))
  end)

  it("by LoRA is told with peft's line, whether the network is there or not", function()
    -- as peft 0.15 names them: it is not asked to make a file, since nothing else here needs it
    local list, path = {}, folder .. "/adapter_model.safetensors"
    for name, tensor in pairs(assert(torch.read(fixtures .. "own.pth"))) do
      name = name:gsub("backbone", "features")
      list[#list + 1] = { name = "base_model.model." .. name:gsub("^features%.3%.", "features.3.base_layer."), tensor = tensor }
    end
    local lora = { { name = "base_model.model.features.3.lora_A.default.weight", tensor = core.new { 2, 4, 1, 1 } },
                   { name = "base_model.model.features.3.lora_B.default.weight", tensor = core.new { 5, 2, 1, 1 } } }
    assert(safetensors.write(path, table.move(lora, 1, 2, #list + 1, list)))
    assert.equal("features.3.weight is missing (names behind the prefix 'base_model.model.'); the file has 'features.3.base_layer.bias', which is of peft, with the " ..
      "matrices of LoRA or the like beside it; in Python, before torch.save: net = net.merge_and_unload()", refusal(path))
    for _, each in ipairs(lora) do each.name = each.name:gsub("%.default", "") end
    assert(safetensors.write(path, lora))
    local alone = "the file has 'base_model.model.features.3.lora_A.weight', which is of peft, and of LoRA's matrices alone, without the network; in Python: " ..
      "net = peft.PeftModel.from_pretrained(net, folder).merge_and_unload(), and torch.save(net.state_dict(), 'weights.pth')"
    assert.equal("features.0.weight is missing; " .. alone, refusal(path))
    assert.matches("nothing can be loaded even with strict = false: .*; " .. alone:gsub("%p", "%%%0") .. "$", refusal(path, { strict = false }))
  end)

  it("by loralib's LoRA is told with its line, although all weights are there", function()
    local path = folder .. "/lora.safetensors"
    local list = { { name = "features.3.lora_A", tensor = core.new { 2, 4 } }, { name = "features.3.lora_B", tensor = core.new { 5, 2 } } }
    for name, tensor in pairs(assert(torch.read(fixtures .. "own.pth"))) do list[#list + 1] = { name = name:gsub("backbone", "features"), tensor = tensor } end
    assert(safetensors.write(path, list))
    local reason = "the file has 'features.3.lora_A', which is of loralib, with LoRA's matrices, which its network adds to the weights beside them; in Python: net.eval() " ..
      "adds them, and then torch.save({k: v for k, v in net.state_dict().items() if 'lora_' not in k}, 'weights.pth')"
    assert.equal("features.3.lora_A is not among the model's weights; " .. reason, refusal(path))
    assert.equal(reason .. "; here they are left out", weights.load(whole "head", path, { strict = false }).notes[1])
  end)

  it("that is damaged, missing or has names of any length is told in few words", function()
    for _, ending in ipairs { "safetensors", "h5", "pth", "keras", "index" } do
      local path = support.spit(folder .. "/zeros." .. ending, ("\0"):rep(5000))
      assert.equal("this is a file that begins with zeros, as a download that did not finish leaves it, not a file of weights; download it again", refusal(path))
    end
    assert.matches('^No such file or directory; weights = "imagenet" is for scion.models, .*; here the path of a file is needed$', refusal "imagenet")
    local list, path = { { name = "head." .. ("x"):rep(100000), tensor = core.new { 3 } } }, folder .. "/long.safetensors"
    for name, tensor in pairs(assert(torch.read(fixtures .. "own.pth"))) do list[#list + 1] = { name = name:gsub("backbone", "features"), tensor = tensor } end
    assert(safetensors.write(path, list))
    assert.is_true(#refusal(path) < 500)
    assert.is_true(#tostring(weights.load(whole "head", path, { strict = false })) < 1500)
    local message = messages.refusal(function() scion.models.resnet18 { top = true, classes = 1e9 } end)
    assert.matches("classes is a whole number from 1 to 1048576, not 1000000000", message, 1, true)
  end)

  it("into what is no state dict, or has no numbers that are read, is told with the line that saves them", function()
    assert.equal("its pickle is refused: it holds tensors of the device meta, which have shapes and no numbers; in Python, before torch.save: " ..
      "net.load_state_dict(weights, assign=True)", refusal(fixtures .. "own_meta.pth"))
    assert.equal("features.0.weight has dtype float8_e4m3fn, which is not read; in Python, save x.float() in its place", refusal(fixtures .. "own_float8.pth"))
    assert.equal("an archive of NumPy; in Python: safetensors.numpy.save_file(dict(numpy.load('x.npz')), 'weights.safetensors')", refusal(fixtures .. "own.npz"))
    support.spit(folder .. "/c.safetensors", support.pack('{"head.bias":{"dtype":"C64","shape":[6],"data_offsets":[0,48]}}', ("c"):rep(48)))
    assert.equal("head.bias has dtype C64, which is not read; in Python, save x.real in its place", refusal(folder .. "/c.safetensors", { strict = false }))
    support.spit(folder .. "/x.safetensors", support.pack('{"head.bias":{"dtype":"F8_E4M3","shape":[6],"data_offsets":[0,6]}}', "abcdef"))
    assert.equal("head.bias has dtype F8_E4M3, which is not read; in Python, save x.float() in its place", refusal(folder .. "/x.safetensors", { strict = false }))
  end)
end)
