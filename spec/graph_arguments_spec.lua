-- Layers, graphs, models, architectures, tensors and images with wrong arguments: each mistake is one sentence, at the line that made it.
local scion = require "scion"
local nn = scion.nn

local here = "spec/graph_arguments_spec.lua"

-- What no message may hold: files of Scion, and what Lua and its library say of code.
local internals = { "lua/scion", "scion/[%w_/]+%.lua", "attempt to", "bad argument", "'%?'", "core%." }

local function check_message(message, what)
  assert.equal("string", type(message), what)
  local place, rest = message:match "^(.-:%d+: )(.*)$"
  assert.is_truthy(place and place:find(here, 1, true), ("%s: no place of the script: %s"):format(what, message))
  for _, pattern in ipairs(internals) do assert.is_nil(rest:find(pattern), ("%s: %s"):format(what, message)) end
  assert.is_nil(rest:find(here, 1, true), ("%s has two places: %s"):format(what, message))
  return rest
end

-- f(...) has to raise; gives the message without its place.
local function refused(what, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, what .. " was accepted")
  return check_message(message, what)
end

local function network()
  return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "a/conv" }), nn.relu { name = "a/relu" }, nn.global_avg_pool(),
                            nn.dense(2, "softmax", { name = "head" }) }
end

-- Values that hardly any argument takes, each under a name.
local function nasty()
  return { ["true"] = true, ["0"] = 0, ["-1"] = -1, ["0.5"] = 0.5, NaN = 0 / 0, inf = math.huge, ["2^62"] = 1 << 62, text = "x", ["no text"] = "", ["zero byte"] = "a\0b",
           ["empty table"] = {}, ["list with a hole"] = { 1, nil, 3 }, ["list of strings"] = { "1", "2" }, table = { wdith = 3 }, ["function"] = print,
           coroutine = coroutine.create(print), file = io.stdout, tensor = scion.zeros(2), node = nn.input(3), layer = nn.relu(), model = network(),
           architecture = scion.models.alexnet, namespace = nn, optimizer = scion.optim.sgd(), ["object"] = setmetatable({}, { __len = function() return 1 << 62 end }) }
end

-- Each nasty value but those in `fine` (a set of their names).
local function each_nasty(fine, visit)
  for name, value in pairs(nasty()) do
    if not (fine and fine[name]) then visit(name, value) end
  end
end

local function set(...)
  local names = {}
  for _, name in ipairs { ... } do names[name] = true end
  return names
end

-- Which nasty values an option of a kind takes all the same.
local fine = {
  size = set(), pair = set(), boolean = set "true", border = set "0", from_0_whole = set "0", padding = set "0", activation = set(), required_activation = set(),
  number = set("0", "-1", "0.5", "2^62"), rate = set("0", "0.5"), positive = set("0.5", "2^62"), from_0 = set("0", "0.5", "2^62"), fraction = set("0", "0.5"),
  factors = set("0", "-1", "0.5", "2^62", "empty table"), shape = set(), name = set("text"), word = set(), chain = set("empty table"),
}

local common = { name = "name" }

local constructors = {
  activation = { { activation = "relu" }, { activation = "required_activation" } },
  adaptive_avg_pool = { { size = 2 }, { size = "pair" } },
  add = { {}, { activation = "activation" } },
  avg_pool = { { kernel = 2 }, { kernel = "pair", stride = "pair", padding = "padding", include_padding = "boolean" } },
  batch_norm = { {}, { epsilon = "positive", momentum = "fraction", scale = "boolean", center = "boolean", statistics = "word" } },
  channel_shuffle = { { groups = 1 }, { groups = "size" } },
  concatenate = { {}, {} },
  conv2d = { { filters = 4, kernel = 3 }, { filters = "size", kernel = "pair", stride = "pair", dilation = "pair", padding = "padding", bias = "boolean",
                                            activation = "activation" } },
  conv_norm = { { filters = 4, kernel = 3 }, { filters = "size", kernel = "pair", stride = "pair", padding = "padding", activation = "activation" } },
  crop = { { border = 1 }, { border = "border" } },
  dense = { { units = 3 }, { units = "size", activation = "activation", bias = "boolean" } },
  depthwise_conv2d = { { kernel = 3 }, { kernel = "pair", stride = "pair", dilation = "pair", padding = "padding", multiplier = "size", bias = "boolean",
                                         activation = "activation" } },
  dropout = { { rate = 0.5 }, { rate = "rate", examples = "boolean" } },
  flatten = { {}, {} },
  global_avg_pool = { {}, { keep_dims = "boolean" } },
  global_max_pool = { {}, {} },
  input = { { shape = { 4, 4, 3 } }, { shape = "shape", preprocess = "word" } },
  layer_norm = { {}, { epsilon = "positive", scale = "boolean", center = "boolean" } },
  local_response_norm = { {}, { size = "size", alpha = "from_0", beta = "from_0", k = "positive" } },
  max_pool = { { kernel = 2 }, { kernel = "pair", stride = "pair", padding = "padding" } },
  multiply = { {}, {} },
  normalization = { {}, {} },
  pad_channels = { { before = 1, after = 1 }, { before = "from_0_whole", after = "from_0_whole" } },
  prelu = { {}, { slopes = "word" } },
  relu = { {}, {} }, relu6 = { {}, {} }, sigmoid = { {}, {} }, tanh = { {}, {} }, softmax = { {}, {} }, swish = { {}, {} }, hard_swish = { {}, {} },
  hard_sigmoid = { {}, {} }, gelu = { {}, {} }, gelu_tanh = { {}, {} },
  rescaling = { { scale = 2 }, { scale = "factors", offset = "factors" } },
  reshape = { { shape = { 48 } }, { shape = "shape" } },
  residual = { { layers = { nn.conv_norm(3, 3) } }, { layers = "chain", activation = "activation" } },
  scaled_add = { { scale = 0.2 }, { scale = "number", activation = "activation" } },
  separable_conv2d = { { filters = 4, kernel = 3 }, { filters = "size", kernel = "pair", stride = "pair", dilation = "pair", padding = "padding",
                                                      bias = "boolean", activation = "activation" } },
  slice = { { first = 1, last = 2 }, { first = "size", last = "size" } },
  squeeze_excite = { {}, { ratio = "size", activation = "activation", gate = "required_activation" } },
  upsample = { {}, { factor = "pair", interpolation = "word" } },
  zero_pad = { { padding = 1 }, { padding = "border" } },
}

local function with(options, key, value)
  local copy = {}
  for k, v in pairs(options) do copy[k] = v end
  copy[key] = value
  return copy
end

describe("layers", function()
  it("are all walked here", function()
    for name in pairs(nn) do assert.is_truthy(constructors[name], name) end
  end)

  it("take options by kind and by value", function()
    for name, definition in pairs(constructors) do
      local valid, kinds = table.unpack(definition)
      assert.is_true((pcall(nn[name], valid)), name)
      for _, options in ipairs { kinds, common } do
        for option, kind in pairs(options) do
          each_nasty(fine[kind], function(what, value)
            local message = refused(("nn.%s{ %s = %s }"):format(name, option, what), nn[name], with(valid, option, value))
            assert.matches(option, message, 1, true)
          end)
        end
      end
      assert.matches("did you mean 'name'?", refused(name .. " nmae", nn[name], with(valid, "nmae", "x")), 1, true)
      for option in pairs(valid) do assert.matches(option .. " is missing", refused(name .. " without " .. option, nn[name], with(valid, option, nil)), 1, true) end
      refused(name .. " with a list", nn[name], with(valid, 1, "x"))
      refused(name .. " with too many", nn[name], 3, 3, 3, 3, 3, 3)
      if name ~= "input" then assert.matches("was called with a node: write nn." .. name, refused(name .. " of a node", nn[name], nn.input(3)), 1, true) end
    end
  end)

  it("take whole numbers that are floats", function()
    local layer = nn.conv2d(8 / 2, { 6 / 2, 3.0 }, { stride = 2.0, padding = { 1.0, 1, 1.0, 1 } })
    assert.equal("integer", math.type(layer.options.filters))
    assert.equal("integer", math.type(layer.options.kernel[1]))
    assert.same({ 4, 4, 4 }, layer(nn.input(8.0, 8, 3)).shape)
  end)

  it("name the nearest of what is misspelled", function()
    assert.matches("did you mean 'relu'?", refused("activation", nn.conv2d, 4, 3, { activation = "rleu" }), 1, true)
    assert.matches("did you mean 'same'?", refused("padding", nn.conv2d, 4, 3, { padding = "smae" }), 1, true)
    assert.matches("did you mean 'stored'?", refused("statistics", nn.batch_norm, { statistics = "storde" }), 1, true)
    assert.matches("did you mean 'torch'?", refused("preprocess", nn.input, { shape = { 3 }, preprocess = "troch" }), 1, true)
    assert.matches("did you mean 'conv2d'?", refused("nn", function() return nn.Conv2d end), 1, true)
    assert.matches("did you mean 'global_avg_pool'?", refused("nn", function() return nn.globalavg_pool end), 1, true)
  end)

  it("are applied to nodes, once", function()
    local x = nn.input(8, 8, 3)
    for name, definition in pairs(constructors) do
      if name ~= "input" then
        each_nasty(set "node", function(what, value) refused(("%s on %s"):format(name, what), nn[name](definition[1]), value) end)
        refused(name .. " on nothing", nn[name](definition[1]))
        refused(name .. " on a list with a hole", nn[name](definition[1]), { x, nil, x })
        refused(name .. " on too many", nn[name](definition[1]), { x, nn.input(3, 3), x })
      end
    end
    local once = nn.relu()
    once(x)
    assert.matches("was applied already", refused("twice", once, x), 1, true)
    assert.matches("model:graft", refused("model", nn.relu(), network()), 1, true)
  end)

  it("have the fields they have", function()
    local layer = nn.relu()
    refused("layer.frozn", function() layer.frozn = true end)
    refused("layer.frozen", function() layer.frozen = 1 end)
    assert.matches("frozen", refused("layer.trainable", function() layer.trainable = false end), 1, true)
    for _, field in ipairs { "options", "parameters", "node", "origin", "kind", "title", "forward" } do
      assert.matches("cannot be set", refused("layer." .. field, function() layer[field] = {} end), 1, true)
    end
    refused("layer.name", function() layer.name = "a/" end)
    refused("layer.optoins", function() return layer.optoins end)
    refused("layer.weight", layer.weight)
    layer.frozen = true
    assert.is_true(layer.frozen)
    local block = nn.conv_norm(3, 3)
    for _, field in ipairs { "options", "kind", "build", "name" } do refused("block." .. field, function() block[field] = print end) end
    local node = nn.input(3)
    for _, field in ipairs { "shape", "layer", "inputs", "name" } do refused("node." .. field, function() node[field] = {} end) end
    assert.matches("did you mean 'shape'?", refused("node.shpae", function() return node.shpae end), 1, true)
  end)

  it("make no shape that is too large to be counted", function()
    local x, size = nn.input(8, 8, 3), 1 << 31
    for what, f in pairs {
      border = function() return nn.zero_pad { 0, 0, size - 8, size - 8 }(x) end,
      ["border below 2^31"] = function() return nn.zero_pad { 0, 0, size - 9, size - 9 }(x) end,
      factor = function() return nn.upsample(size - 1)(x) end,
      channels = function() return nn.pad_channels(size - 1, 1)(x) end,
      ["channels below 2^31"] = function() return nn.pad_channels(size - 5, 1)(nn.input(1 << 5, 1 << 5, 3)) end,
      flattened = function() return nn.flatten()(nn.input(1 << 15, 1 << 15, 4)) end,
      kernel = function() return nn.dense(size - 1)(nn.input(size - 1)) end,
      filters = function() return nn.conv2d(size - 1, 1)(nn.input(1 << 10, 1, 3)) end,
      multiplier = function() return nn.depthwise_conv2d(1, { multiplier = size - 1 })(x) end,
      window = function() return nn.conv2d(1, size - 1, { padding = "same", dilation = size - 1 })(x) end,
      padding = function() return nn.max_pool(1, { padding = size - 1 })(x) end,
      input = function() return nn.input(size - 1, size - 1) end,
    } do
      local message = refused(what, f)
      assert.is_truthy(message:find("2^40", 1, true) or message:find "is too large" or message:find "does not fit" or message:find "at most 65535", message)
    end
  end)

  it("pool over every part of an image, and nothing outside it, in PyTorch's ceil_mode", function()
    for _, case in ipairs { { 5, 1, 3, 2 }, { 4, 2, 4, 1 }, { 5, 2, 4, 2 }, { 6, 3, 2, 3 }, { 7, 3, 2, 3 }, { 8, 3, 2, 4 } } do -- size, kernel, stride, PyTorch's
      local y = nn.max_pool(case[2], { stride = case[3], padding = "ceil" })(nn.input(case[1], case[1], 1))
      assert.same({ case[4], case[4], 1 }, y.shape)
    end
  end)
end)

describe("models", function()
  it("are made of nodes and layers", function()
    for what, f in pairs {
      nothing = function() return scion.sequential() end, empty = function() return scion.sequential {} end,
      ["no input"] = function() return scion.sequential { nn.relu() } end, ["not called"] = function() return scion.sequential { nn.input(3), nn.relu } end,
      ["input not called"] = function() return scion.sequential { nn.input, nn.relu() } end,
      block = function() return scion.sequential { nn.input(8, 8, 3), nn.conv_norm } end,
      hole = function() return scion.sequential { nn.input(3), nil, nn.relu() } end, number = function() return scion.sequential { nn.input(3), 3 } end,
      node = function() return scion.sequential { nn.input(3), nn.input(3) } end, nested = function() return scion.sequential { nn.input(3), { nn.relu() } } end,
      model = function() return scion.sequential { network(), nn.relu() } end, key = function() return scion.sequential { nn.input(3), name = "x" } end,
      spread = function() return scion.sequential(nn.input(3), nn.relu()) end, ["own function"] = function() return scion.sequential { nn.input(3), type } end,
      ["no output"] = function() return scion.model {} end, ["a node"] = function() return scion.model(nn.input(3)) end, ["nil"] = function() return scion.model() end,
      ["a layer"] = function() return scion.model { output = nn.relu() } end,
      ["not its input"] = function() return scion.model { output = nn.input(3), input = nn.input(3) } end,
      typo = function() return scion.model { outptu = nn.input(3) } end, name = function() return scion.model { output = nn.input(3), name = 3 } end,
      ["two inputs"] = function() return scion.model { output = nn.add() { nn.input(3), nn.input(3) } } end,
      ["two of a name"] = function() return scion.sequential { nn.input(3), nn.relu { name = "x" }, nn.relu { name = "x" } } end,
    } do refused(what, f) end
    assert.matches("write nn.relu() in a list of layers", refused("not called", function() return scion.sequential { nn.input(3), nn.relu } end), 1, true)
    each_nasty(nil, function(what, value)
      refused("sequential of " .. what, scion.sequential, value)
      refused("model of " .. what, scion.model, value)
      if what ~= "node" then refused("output of " .. what, scion.model, { output = value }) end
    end)
  end)

  it("check what each method is given", function()
    local model = network()
    local before = tostring(model)
    each_nasty(nil, function(what, value)
      refused("freeze " .. what, model.freeze, model, value)
      refused("thaw " .. what, model.thaw, model, value)
      if what ~= "0" then refused("freeze first " .. what, model.freeze, model, { first = value }) end
      for _, option in ipairs { "upto", "layers" } do refused("freeze " .. option .. " " .. what, model.freeze, model, { [option] = value }) end
      refused("thaw from " .. what, model.thaw, model, { from = value })
      refused("layer " .. what, model.layer, model, value)
      refused("upto " .. what, model.upto, model, value)
      refused("graft " .. what, model.graft, model, value)
      refused("plot " .. what, model.plot, model, value)
      if what ~= "layer" and what ~= "function" then refused("graft list of " .. what, model.graft, model, { value }) end
      if what ~= "text" then
        refused("save " .. what, model.save, model, value)
        refused("export " .. what, model.export, model, value)
      end
    end)
    for _, name in ipairs { "layer", "upto", "graft", "save", "export", "plot" } do refused(name .. " nothing", model[name], model) end
    refused("freeze two", model.freeze, model, { first = 1, upto = "a" })
    assert.matches("{ upto = 'mixed8' }", refused("freeze text", model.freeze, model, "mixed8"), 1, true)
    refused("layer 99", model.layer, model, 99)
    refused("a block", model.layer, model, "a")
    refused("graft twice", function() local layer = nn.relu() model:graft { layer, layer } end)
    assert.equal(before, tostring(model))
    assert.equal(model, model:freeze { first = 2.0 })
    assert.equal("a/conv", model:layer(2.0).name)
  end)

  it("say when a method is called with a dot", function()
    for name, method in pairs(getmetatable(network()).__methods) do
      for _, value in ipairs { "x", 3, {}, nn.relu() } do assert.matches("is called with a colon on a model", refused(name, method, value), 1, true) end
      refused(name, method)
    end
  end)

  it("are told what is called otherwise in Keras and PyTorch", function()
    local model = network()
    for name, told in pairs {
      unfreeze = "did you mean 'thaw'?", compile = "there is no compile: a freeze takes effect at the next step", train = "there is no mode to set: fit trains",
      pop = "model:upto(name) ends a network",
      load = "scion.load(path) gives a saved model; model:load_weights(path) loads weights", parameters = "model:summary() counts them",
      state_dict = "model:save(path)", to = "nothing to move", eval = "there is no mode to set", get_layer = "did you mean 'layer'?", class_names = "did you mean 'labels'?",
    } do assert.matches(told, refused(name, function() model[name](model) end), 1, true) end
    for name, told in pairs { GlobalAveragePooling2D = "global_avg_pool", Conv2D = "conv2d", Dense = "dense", Linear = "dense", BatchNormalization = "batch_norm",
                              BatchNorm2d = "batch_norm", MaxPooling2D = "max_pool", MaxPool2d = "max_pool", DepthwiseConv2D = "depthwise_conv2d", ReLU = "relu",
                              SeparableConv2D = "separable_conv2d", ZeroPadding2D = "zero_pad", UpSampling2D = "upsample", Hardswish = "hard_swish",
                              ChannelShuffle = "channel_shuffle", Narrow = "slice",
                                LayerNormalization = "layer_norm", LayerNorm = "layer_norm", PReLU = "prelu", GELU = "gelu", SiLU = "swish" } do
      assert.matches(("did you mean '%s'?"):format(told), refused(name, function() return nn[name] end), 1, true)
    end
    assert.matches("did you mean 'top'?", refused("include_top", scion.models.mobilenet, { include_top = true }), 1, true)
    assert.matches("did you mean 'width'?", refused("alpha", scion.models.mobilenet, { alpha = 0.5 }), 1, true)
    assert.matches("such as { weights = … }", refused("no options", scion.models.mobilenet, 3), 1, true)
    assert.matches("'layers' is a method and cannot be set", refused("layers", function() model.layers = {} end), 1, true)
    assert.matches("a model is not called: model:predict(images) gives labels", refused("called", function() model(1) end), 1, true)
    local message = refused("something", function() return model.something_else end)
    for _, own in ipairs { "arena", "order", "parts", "plans" } do assert.is_nil(message:find("%f[%w]" .. own .. "%f[%W]"), message) end
  end)

  it("are frozen by names that are given by their option, and told when none fits", function()
    local model = network()
    for _, given in ipairs { "a", { "a" } } do
      assert.matches("model:freeze: give the name by its option: { upto = 'a' } or { layers = 'a' }", refused("freeze", function() model:freeze(given) end), 1, true)
      assert.matches("model:thaw: give the name by its option: { from = 'a' } or { layers = 'a' }", refused("thaw", function() model:thaw(given) end), 1, true)
    end
    assert.matches("no layer matches the pattern 'nothing*'", refused("pattern", function() model:freeze { layers = "nothing*" } end), 1, true)
  end)

  it("have no layer with the name of a block that it is not of", function()
    local base = network()
    assert.matches("a layer cannot be named 'a', for a block of layers has that name",
                   refused("head", function() base:graft { nn.dense(3, "softmax", { name = "a" }) } end), 1, true)
    local joined = scion.sequential { nn.input(3), nn.dense(2, { name = "b/dense" }), nn.relu { name = "b" }, nn.dense(1) }
    assert.equal("b", joined:layer(3).name)
  end)

  it("have labels of the number that their outputs distinguish", function()
    local function ending(...)
      local list = { nn.input(3) }
      for _, each in ipairs { ... } do list[#list + 1] = each end
      return scion.sequential(list)
    end
    for _, case in ipairs { { ending(nn.dense(3, "softmax")), 3 }, { ending(nn.dense(1, "sigmoid")), 2, 1 }, { ending(nn.dense(3, "sigmoid")), 3 },
                            { ending(nn.dense(3), nn.softmax()), 3 } } do
      local model, n, also = table.unpack(case)
      local all = { "a", "b", "c", "d" }
      for count = 0, 4 do
        local labels = { table.unpack(all, 1, count) }
        if count == n or count == also then
          model.labels = labels
        else
          assert.matches(("a model: labels are %d, but the model has %d output"):format(count, model.output.shape[1]),
                         refused("labels", function() model.labels = labels end), 1, true)
        end
      end
      assert.equal(n, #model.labels)
      refused("twice", function() model.labels = { "a", "a", "b" } end)
    end
    local free = ending(nn.dense(3))
    free.labels = { "a" }
    assert.same({ "a" }, free.labels)
  end)

  it("keep what is the library's from being set", function()
    local model = network()
    for name, value in pairs { epoch = "x", steps = "x", history = false, order = 3, output = 3, input = 3, plans = 3, arena = 3, parts = 3, name = 3, variant = 3,
                              loss = 3 } do
      refused("model." .. name, function() model[name] = value end)
    end
    refused("model.history", function() model.history = nil end)
    refused("no UTF-8", function() model.name = "\xff" end)
    model.name = "mine"
    model.name = nil
    assert.is_nil(model.name)
    local conv = model.output.inputs[1].inputs[1].inputs[1].layer
    for _, name in ipairs { "window", "fold", "kind", "options", "parameters", "node", "derived", "origin", "bf16", "forward", "name", "frozen" } do
      refused("layer." .. name, function() conv[name] = 3 end)
    end
    for _, name in ipairs { "layer", "inputs", "shape" } do refused("node." .. name, function() model.output[name] = 3 end) end
  end)

  it("have the fields they have, of the values they take", function()
    local model = network()
    for wrong, meant in pairs { trainable = "freeze", frozen = "freeze", precison = "precision", lables = "labels", freez = "freeze", optimizer = "it has" } do
      assert.matches(meant, refused(wrong, function() model[wrong] = true end), 1, true)
      assert.matches(meant, refused(wrong, function() return model[wrong] end), 1, true)
    end
    assert.matches("did you mean 'freeze'?", refused("freez", function() model:freez() end), 1, true)
    each_nasty(nil, function(what, value)
      refused("precision " .. what, function() model.precision = value end)
      if what ~= "empty table" and what ~= "list of strings" then refused("labels " .. what, function() model.labels = value end) end
    end)
    assert.matches("did you mean 'bf16'?", refused("precision", function() model.precision = "bf6" end), 1, true)
    for _, field in ipairs { "input", "output", "order", "freeze", "plan_for" } do
      assert.matches("cannot be set", refused("model." .. field, function() model[field] = print end), 1, true)
    end
    for _, field in ipairs { "epoch", "name", "variant", "history" } do refused("model." .. field, function() model[field] = 0.5 end) end
    model.precision, model.labels = "f32", { "a", "b" }
    assert.same({ "f32", { "a", "b" } }, { model.precision, model.labels })
    model.precision, model.labels = nil, nil
    assert.same({}, { model.precision, model.labels })
    for _, description in ipairs { model:layers()[2], model:layer "head" } do
      assert.matches("model:freeze{ layers", refused("frozen", function() description.frozen = true end), 1, true)
      assert.matches("model:freeze{ layers", refused("trainable", function() description.trainable = false end), 1, true)
      assert.matches("did you mean 'frozen'?", refused("frozn", function() return description.frozn end), 1, true)
      refused("name", function() description.name = "x" end)
    end
  end)
end)

describe("architectures", function()
  it("take options by kind and by value", function()
    local build = scion.models.mobilenet
    for option, takes in pairs { top = "boolean", classes = "size", batch_norm = "word", preprocess = "word", strict = "boolean", variant = "word", input = "size",
                                 width = "rate", channels = "word" } do
      each_nasty(takes == "rate" and set "0.5" or fine[takes], function(what, value)
        assert.matches(option, refused(("%s = %s"):format(option, what), build, { [option] = value }), 1, true)
      end)
    end
    each_nasty(set("text"), function(what, value) assert.matches("weights", refused("weights = " .. what, build, { weights = value })) end)
    each_nasty(set "empty table", function(what, value) refused("options " .. what, build, value) end)
    assert.matches("not '224'", refused("input", build, { input = "224" }), 1, true)
    refused("input", build, { input = { 224, 224, 3 } })
    assert.matches("top = true", refused("classes alone", build, { classes = 5 }), 1, true)
    assert.matches("did you mean 'weights'?", refused("wieghts", build, { wieghts = "x" }), 1, true)
  end)

  it("are named", function()
    assert.matches("did you mean resnet101, resnet152, resnet18, resnet34 or resnet50?", refused("resnet", function() return scion.models.resnet end), 1, true)
    assert.matches("did you mean 'mobilenet_v2'?", refused("MobileNetV2", function() return scion.models.MobileNetV2 end), 1, true)
    assert.matches("did you mean 'vgg16'?", refused("VGG16", function() return scion.models.VGG16 end), 1, true)
    refused("builder", function() return scion.models.builder end)
    refused("set", function() scion.models.resnet18 = 3 end)
    refused("field", function() return scion.models.resnet18.parmeters end)
    refused("set field", function() scion.models.resnet18.macs = 3 end)
  end)
end)

describe("tensors", function()
  it("are made of shapes, numbers and dtypes", function()
    local whole = set("0")
    for _, name in ipairs { "zeros", "ones", "randn", "full", "uniform" } do
      local make = scion[name]
      each_nasty(with(whole, "empty table", true), function(what, value) refused(name .. " of " .. what, make, value, 1) end)
      each_nasty(set("0"), function(what, value) refused(name .. " of a list of " .. what, make, { value }, 1) end)
      for _, sizes in ipairs { { 1 << 30, 1 << 30 }, { 1 << 50 }, { -1 }, { 1, 1, 1, 1, 1, 1, 1 } } do refused(name, make, sizes, 1) end
      refused(name, make)
    end
    for _, name in ipairs { "zeros", "ones" } do
      each_nasty(nil, function(what, value) refused(name .. " of dtype " .. what, scion[name], { 2 }, value) end)
      assert.matches("did you mean 'bf16'?", refused(name, scion[name], 2, 3, "bf61"), 1, true)
      refused(name, scion[name], { 2 }, "f32", 3)
    end
    each_nasty(set("0", "-1", "0.5", "NaN", "inf", "2^62"), function(what, value) refused("full of " .. what, scion.full, 2, value) end)
    each_nasty(nil, function(what, value) refused("full of dtype " .. what, scion.full, 2, 1, value) end)
    each_nasty(set("0", "-1", "0.5", "2^62"), function(what, value)
      refused("uniform from " .. what, scion.uniform, 2, value)
      refused("uniform to " .. what, scion.uniform, 2, 0, value)
      refused("arange from " .. what, scion.arange, value, 3)
      refused("arange to " .. what, scion.arange, 0, value)
      refused("arange by " .. what, scion.arange, 0, 3, value)
    end)
    refused("uniform", scion.uniform, 2, 3, 1)
    refused("arange", scion.arange, 0, 3, 0)
    refused("arange", scion.arange, 0, 1e15)
    refused("arange", scion.arange)
    each_nasty(set "empty table", function(what, value) refused("tensor of " .. what, scion.tensor, value) end)
    each_nasty(nil, function(what, value) refused("tensor of dtype " .. what, scion.tensor, { 1 }, value) end)
    assert.matches("%[2%]%[1%] is 'x'", refused("tensor", scion.tensor, { { 1 }, { "x" } }))
    assert.matches("ragged", refused("tensor", scion.tensor, { { 1, 2 }, { 3 } }))
  end)

  it("check what each method is given", function()
    local t = scion.ones(2, 3)
    local methods = getmetatable(t).methods
    local without = set("shape", "dtype", "version", "copy", "transpose", "totable", "bytes", "abs", "exp", "log", "sqrt", "svd")
    local numbers = set("0", "-1", "0.5", "NaN", "inf", "2^62")
    local takes = { fill = numbers, pow = with(numbers, "tensor", nil), clamp = set(), reshape = set "-1", select = set "-1", slice = set(), to = set(), equal = set "tensor",
                    matmul = set(), get = set(), set = set(), sum = set "-1", mean = set "-1", max = set "-1", min = set "-1", argmax = set "-1",
                    sort = set("-1", "empty table"), argsort = set("-1", "empty table"), top_k = set(), gather = set(), least_squares = set() }
    for _, name in ipairs { "eq", "ne", "lt", "le", "gt", "ge" } do takes[name] = numbers end
    for name, method in pairs(methods) do
      for _, value in ipairs { 3, "x", {}, print, nn.relu() } do
        local message = refused(name, method, value)
        if not takes[name] or not takes[name].NaN then assert.matches("called with a colon on a tensor", message, 1, true) end
      end
      refused(name .. " on nothing", method)
      if not without[name] then
        assert.is_truthy(takes[name], "t:" .. name .. " is not walked")
        each_nasty(takes[name], function(what, value) refused(("t:%s(%s)"):format(name, what), method, t, value) end)
      end
    end
    for _, arguments in ipairs { { 1 }, { 1, 1 }, { 1, 1, "x" }, { 3, 1, 1 }, { 1, 0, 1 }, { 1, 1, 3 }, { 1, -3, 1 }, { 1, 1, -4 }, { "1", 1, 1 },
                             { 1, "1", 1 }, { 1, 1, 0.5 } } do
      refused("slice", t.slice, t, table.unpack(arguments))
    end
    for _, arguments in ipairs { { 1 }, { 1, 4 }, { 1, "1" }, { 1, 1, 1 }, { 0, 1 }, { 1, 0.5 } } do refused("get", t.get, t, table.unpack(arguments)) end
    for _, arguments in ipairs { { 1 }, { 1, 4, 0 }, { 1, 1 }, { 1, 1, "x" }, { 1, 1, {} } } do refused("set", t.set, t, table.unpack(arguments)) end
    for _, arguments in ipairs { { 3, 1 }, { "a", 1 }, { 1 }, { 0 / 0, 1 } } do refused("clamp", t.clamp, t, table.unpack(arguments)) end
    for _, arguments in ipairs { { 4 }, { -1, -1 }, { { 4 } }, { { "6" } }, { 1, 1, 1, 1, 1, 1, 6 }, { 1 << 62, 1 << 62 } } do
      refused("reshape", t.reshape, t, table.unpack(arguments))
    end
    assert.matches("did you mean 'reshape'?", refused("typo", function() t:resahpe(6) end), 1, true)
    assert.same({ 6 }, t:sum(1.0):reshape(3.0):reshape(3):reshape { 1, 3 }:sum(2) and t:reshape(6.0):shape())
    local closed
    do
      local open <close> = scion.zeros(2)
      closed = open
    end
    for name, method in pairs(methods) do refused(name .. " of a closed one", method, closed, 1) end
  end)

  it("check operands and indices", function()
    local t = scion.ones(2, 3)
    local operators = { function(a, b) return a + b end, function(a, b) return a - b end, function(a, b) return a * b end, function(a, b) return a / b end,
                        function(a, b) return a ^ b end }
    for i, operator in ipairs(operators) do
      each_nasty(set("0", "-1", "0.5", "NaN", "inf", "2^62"), function(what, value)
        refused(("operator %d with %s"):format(i, what), operator, t, value)
        refused(("operator %d with %s"):format(i, what), operator, value, t)
      end)
    end
    assert.matches("a:lt(b)", refused("t < t", function() return t < t end), 1, true)
    refused("t <= t", function() return t <= t end)
    for _, index in ipairs { 0, 3, -3, 0.5, 1 << 62, math.mininteger, 0 / 0, true, print, { 3 }, { 1, 1, 1 }, { 1, 0.5 }, { { 1 } }, { { 1, 4 } },
                             { { 1, 2, 3 } }, { "x" }, { {}, { 0, 1 } }, { nil, 1 }, { {}, { "1", 2 } }, setmetatable({}, { __len = function() return 1 end }) } do
      refused("t[index]", function() return t[index] end)
      if index == index then refused("t[index] = 1", function() t[index] = 1 end) end
    end
    each_nasty(set("0", "-1", "0.5", "NaN", "inf", "2^62"), function(what, value) refused("t[1] = " .. what, function() t[1] = value end) end)
    for _, part in ipairs { { 1 }, { {}, { 2, 3 } }, {} } do -- a tensor of 2 may fit
      each_nasty(set("0", "-1", "0.5", "NaN", "inf", "2^62", "tensor"), function(what, value) refused("t[{ .. }] = " .. what, function() t[part] = value end) end)
    end
    refused("t.name = 1", function() t.name = 1 end)
    refused("#scalar", function() return #scion.full({}, 1) end)
  end)
end)

describe("tensors of tensors", function()
  local t = scion.ones(2, 3)

  it("are joined in lists", function()
    for _, name in ipairs { "stack", "concat" } do
      local join = scion[name]
      each_nasty(nil, function(what, value) refused(name .. " of " .. what, join, value) end)
      each_nasty(set "tensor", function(what, value) refused(name .. " of a list of " .. what, join, { value, t }) end)
      each_nasty(set "-1", function(what, value) refused(name .. " along " .. what, join, { t, t }, value) end)
      assert.matches("2x3 and tensor 2 is 3x2", refused(name, join, { t, scion.ones(3, 2, 1):reshape(3, 2) }, name == "concat" and 1 or 3), 1, true)
      assert.matches('t:to "f32" converts', refused(name, join, { t, t:to "i32" }), 1, true)
      assert.matches("one list", refused(name, join, { t }, 1, 2), 1, true)
    end
    refused("stack", scion.stack, { t }, 4)
    refused("concat", scion.concat, { t }, 3)
    assert.matches("scion.stack makes a vector", refused("concat", scion.concat, { scion.full({}, 1) }), 1, true)
    assert.matches("at most 6 dimensions", refused("stack", scion.stack, { scion.zeros(1, 1, 1, 1, 1, 1) }), 1, true)
  end)

  it("are chosen, and made of classes", function()
    local numbers = set("0", "-1", "0.5", "NaN", "inf", "2^62")
    for i = 1, 3 do
      each_nasty(numbers, function(what, value)
        local three = { t, t, t }
        three[i] = value
        refused("where with " .. what, scion.where, table.unpack(three))
      end)
    end
    each_nasty(set "empty table", function(what, value) refused("one_hot of " .. what, scion.one_hot, value, 3) end)
    each_nasty(nil, function(what, value) refused("one_hot with " .. what, scion.one_hot, { 1 }, value) end)
    assert.matches("class number 4, element 2 of them, is not in 1 to 3", refused("one_hot", scion.one_hot, { 1, 4 }, 3), 1, true)
    assert.matches("class number -1", refused("one_hot", scion.one_hot, { -1 }, 3), 1, true)
    assert.matches("class number 1.5", refused("one_hot", scion.one_hot, scion.tensor { 1.5 }, 3), 1, true)
  end)

  it("are sorted and picked", function()
    for _, name in ipairs { "sort", "argsort" } do
      assert.matches("the one there is, is descending", refused(name, t[name], t, 1, { reverse = true }), 1, true)
      each_nasty(set("true"), function(what, value) refused(name .. " descending " .. what, t[name], t, 1, { descending = value }) end)
      each_nasty(set "empty table", function(what, value) refused(name .. " with " .. what, t[name], t, 1, value) end)
      refused(name .. " of a scalar", t[name], scion.full({}, 1))
    end
    for _, k in ipairs { 0, 4, -1 } do refused("top_k of " .. k, t.top_k, t, k) end
    refused("top_k of a scalar", t.top_k, scion.full({}, 1), 1)
    each_nasty(set "-1", function(what, value) refused("top_k along " .. what, t.top_k, t, 1, value) end)
    each_nasty(set "empty table", function(what, value) refused("gather of " .. what, t.gather, t, 1, value) end)
    assert.matches("index 3, element 2 of them, is not in 1 to 2", refused("gather", t.gather, t, 1, { 1, 3 }), 1, true)
    assert.matches("index -3", refused("gather", t.gather, t, 1, { -3 }), 1, true)
    assert.matches("index 2.5", refused("gather", t.gather, t, 1, scion.tensor { 2.5 }), 1, true)
    assert.matches("indices of 3x1 do not fit a tensor of 2x3", refused("gather", t.gather, t, 2, scion.ones(3, 1)), 1, true)
    assert.matches("t[{}] = other", refused("copy", t.copy, t, t), 1, true)
  end)
end)

describe("images", function()
  it("are paths, tensors and sizes", function()
    local image = scion.zeros({ 2, 2, 3 }, "u8")
    each_nasty(set "text", function(what, value)
      refused("load " .. what, scion.image.load, value)
      refused("save " .. what, scion.image.save, value, image)
    end)
    each_nasty(nil, function(what, value)
      refused("save of " .. what, scion.image.save, "x.png", value)
      refused("resize of " .. what, scion.image.resize, value, 3)
      refused("resize to " .. what, scion.image.resize, image, value)
    end)
    for _, size in ipairs { { 3 }, { 3, 3, 3 }, { 1 << 27, 1 << 27 } } do refused("resize", scion.image.resize, image, size) end
    for _, path in ipairs { "x", "x.bmp", ".png/x" } do refused(path, scion.image.save, path, image) end
    for _, name in ipairs { "load", "save", "resize" } do refused(name, scion.image[name]) end
    local found, message = scion.image.load "/nowhere/x.png"
    assert.is_nil(found)
    assert.matches("^/nowhere/x.png", message)
    assert.is_nil((scion.image.save("Makefile/none/x.png", image)))
  end)
end)

describe("scion", function()
  it("has its public names and no others", function()
    local public = set("arange", "augment", "callbacks", "clock", "compare", "concat", "data", "full", "help", "image", "insight", "load", "loss", "lr", "model", "models",
                       "nn", "one_hot", "ones", "optim", "randn", "schedule", "seed", "sequential", "stack", "tensor", "threads", "uniform", "version",
                       "weights", "where", "zeros")
    for name in pairs(scion) do
      assert.is_true(public[name], name)
      public[name] = nil
    end
    assert.is_nil(next(public))
    for _, name in ipairs { "graph", "random", "meta", "layer", "core", "check", "init", "plan", "train", "nn.conv2d", "Models", "", 1, {} } do
      refused("scion." .. tostring(name), function() return scion[name] end)
    end
    for wrong, meant in pairs { Models = "models", sequental = "sequential", zeroes = "zeros" } do
      assert.matches(("did you mean '%s'?"):format(meant), refused(wrong, function() return scion[wrong] end), 1, true)
    end
    assert.matches("did you mean 'adam'?", refused("optim", function() return scion.optim.Adam end), 1, true)
    assert.matches("did you mean 'folder'?", refused("data", function() return scion.data.foldr end), 1, true)
    refused("set", function() scion.threads = 4 end)
    refused("set", function() scion.thread = 4 end)
    refused("set", function() nn.conv2d = 4 end)
    refused("set", function() scion.optim.lion = 4 end)
  end)

  it("checks what its functions are given", function()
    each_nasty(set("0", "-1", "2^62"), function(what, value) refused("seed " .. what, scion.seed, value) end)
    refused("seed", scion.seed)
    each_nasty(nil, function(what, value) refused("threads " .. what, scion.threads, value) end)
    refused("threads", scion.threads, 257)
    each_nasty(nil, function(what, value) refused("load " .. what, scion.load, value) end)
    refused("load", scion.load)
    local threads = scion.threads()
    assert.equal(threads, scion.threads(threads + 0.0))
  end)

  it("says which Lua it needs, where it is another", function()
    local found = os.execute "command -v lua5.1 > /dev/null"
    if not found then
      print "\nskipped: there is no lua5.1"
      return pending "lua5.1 is not installed"
    end
    local pipe <close> = io.popen [[LUA_PATH="$PWD/lua/?.lua;$PWD/lua/?/init.lua" lua5.1 -e 'print(select(2, pcall(require, "scion")))' 2>&1]]
    assert.equal("Scion needs Lua 5.4, this is Lua 5.1\n", pipe:read "a")
  end)
end)
